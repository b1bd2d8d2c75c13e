// DeBERTa's attention held against plain attention of the same heads, operation for operation.
import { attention } from "../kernels/attention.ts";
import { attentionBlocks } from "../kernels/attention_blocks.ts";
import { relativeColumns } from "../kernels/relative_positions.ts";
import { relativeRows } from "../model/deberta_v2_config.ts";
import { Random } from "../data/random.ts";
import { measureOperations, type OperationCase, type OperationOptions } from "./operations.ts";
import { type Row } from "./row.ts";
import { type Bench } from "./runs.ts";

const section = "DeBERTa's attention";

/** DeBERTa-v3-xsmall's. */
export const debertaShape = { W: 384, heads: 6, F: 1536, positions: 512, buckets: 256, relativeEmbeddings: 512 };

const { W, heads: HEADS, positions: POSITIONS, buckets, relativeEmbeddings } = debertaShape;
const SPAN = {
  position_buckets: buckets,
  max_relative_positions: POSITIONS,
  relative_embeddings: relativeEmbeddings,
};

/** Tokens of every sequence of a batch. */
const LENGTHS = [128, 256, 512];

export const debertaKernels = ["deberta_attention.forward", "deberta_attention.backward", "deberta_attention.both"];

export interface DebertaOptions extends OperationOptions {
  tokens: number;
  wanted(kernel: string): boolean;
}

/** Rows of both kinds of attention; DeBERTa's say how much longer than plain attention they take for each of their operations. */
export async function measureDeberta(bench: Bench, options: DebertaOptions): Promise<Row[]> {
  const { tokens, wanted } = options;
  const rows: Row[] = [];
  for (const length of LENGTHS) {
    rows.push(
      ...await measureOperations(bench, section, [plain, relative].map((make) => make(tokens, length)), options),
    );
  }
  const both = LENGTHS.flatMap((length) =>
    ["plain_attention", "deberta_attention"].map((kernel) => sumOf(rows.filter(isPartOf(kernel, length)), kernel))
  );
  const all = [...rows, ...both];
  const plainRow = ({ kernel, size }: Row) => all.find(isPartOf(kernel.replace("deberta_", "plain_"), size.length))!;
  return all
    .filter(({ kernel }) => wanted(kernel.replace("plain_", "deberta_")))
    .map((row) => {
      if (!row.kernel.startsWith("deberta_")) return row;
      const ofPlain = plainRow(row).GFLOPs! / row.GFLOPs!;
      return { ...row, ofPlain, note: `${ofPlain.toFixed(2)} times plain attention's time an operation` };
    });
}

/** Rows of an operation at one length: of all its parts, or of the one that the name ends with. */
function isPartOf(kernel: string, length: string | number): (row: Row) => boolean {
  return (row) => row.size.length === length && (row.kernel === kernel || row.kernel.startsWith(`${kernel}.`));
}

/** Forward and backward together. */
function sumOf(parts: readonly Row[], kernel: string): Row {
  const sum = (value: (row: Row) => number) => parts.reduce((total, row) => total + value(row), 0);
  const ms = sum((row) => row.ms), { size, n } = parts[0];
  const GFLOPs = sum((row) => row.GFLOPs! * row.ms) / ms;
  return { section, kernel: `${kernel}.both`, size, ms, spread: sum((row) => row.spread), n, GFLOPs };
}

/** What both cases have in common: segments of one length, dropout, the sum of squared lengths. */
function batch(T: number, length: number) {
  const starts = Uint32Array.from({ length: Math.ceil(T / length) + 1 }, (_, s) => Math.min(T, s * length));
  const blocks = attentionBlocks(starts), random = new Random(T, length);
  let pairs = 0;
  for (let s = 1; s < starts.length; s++) pairs += (starts[s] - starts[s - 1]) ** 2;
  return {
    starts,
    pairs,
    size: { T, length, W, heads: HEADS },
    inputs: {
      qkv: { shape: [T, 3 * W], live: "tokens" as const, grad: "activation" as const },
      blocks: { shape: [blocks.length / 4, 4], data: blocks },
      tokenKeys: {
        shape: [T],
        data: Uint32Array.from({ length: T }, () => random.below(2 ** 32 - 1)),
        live: "tokens" as const,
      },
    },
    step: { tokens: T, segments: starts.length - 1, blocks: blocks.length / 4 },
  };
}

/** Two products forward, five backward, as in the rows of `attention`. */
function plain(T: number, length: number): OperationCase {
  const { pairs, size, inputs, step } = batch(T, length);
  return {
    kernel: "plain_attention",
    size,
    inputs,
    step,
    record: (tape, { qkv, blocks, tokenKeys }) =>
      attention(tape, { qkv, heads: HEADS, blocks, dropout: { rate: 0.1, tokenKeys, site: 1 } }),
    forward: { flops: 4 * pairs * W },
    backward: { flops: 10 * pairs * W },
  };
}

function relative(T: number, length: number): OperationCase {
  const { starts, size, inputs, step } = batch(T, length), { forward, backward } = attentionWork(starts);
  return {
    kernel: "deberta_attention",
    size,
    inputs: { ...inputs, embeddings: { shape: [SPAN.relative_embeddings, 2 * W], grad: "activation" } },
    step,
    record: (tape, { qkv, embeddings, blocks, tokenKeys }) =>
      attention(tape, {
        qkv,
        heads: HEADS,
        scale: 1 / Math.sqrt(3 * W / HEADS),
        relative: {
          embeddings,
          queries: 0,
          keys: W,
          columns: relativeColumns(tape, relativeRows(SPAN, POSITIONS), SPAN.relative_embeddings),
        },
        blocks,
        dropout: { rate: 0.1, tokenKeys, site: 1 },
      }),
    forward: { flops: forward },
    backward: { flops: backward },
  };
}

/**
 * Multiplications and additions of one layer. Beside those of plain attention: each half multiplies every row with the embeddings
 * of the distances that it meets, each once; backward that again, and two products for its gradients.
 */
export function attentionWork(starts: Uint32Array): { forward: number; backward: number } {
  const rows = relativeRows(SPAN, POSITIONS);
  let pairs = 0, met = 0;
  for (let s = 1; s < starts.length; s++) {
    const length = starts[s] - starts[s - 1];
    pairs += length ** 2;
    for (let t = 0; t < length; t++) met += new Set(rows.slice(t + POSITIONS - length, t + POSITIONS)).size;
  }
  return { forward: 4 * (pairs + met) * W, backward: (10 * pairs + 12 * met) * W };
}
