// Self-attention inside segments: forward and, right below, backward; see attention.wgsl.
// Two schedules: workgroup tiles of storage buffers (attention.wgsl), and operands as textures (attention_texture.ts).
import source from "./attention.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { type Kernel } from "../gpu/kernel.ts";
import { type Dispatch } from "../gpu/recorder.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { maskSource } from "./attention_dropout.ts";
import { isBounded, scoreSource, spanOf } from "./attention_scores.ts";
import { statsWidth, textureAttention, type TextureKernel } from "./attention_texture.ts";
import { type AttentionForm } from "./attention_texture_code.ts";
import { type Dropout, dropoutFields } from "./dropout.ts";
import { coveredTable, type HeadGroup, headGroups, relativeGradients, relativeScores } from "./attention_relative.ts";
import { type RelativePositions, relativeTileSource } from "./relative_positions.ts";
import { stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

export interface AttentionOptions {
  /** [T, (heads + 2 kvHeads) D]: columns q | k | v, head h at h * D of each. */
  qkv: Tensor;
  /** Heads of queries. */
  heads: number;
  /** Heads of keys and values, each shared by heads / kvHeads query heads in a row. @default {heads} */
  kvHeads?: number;
  /** Whether a query sees no key after itself. @default {false} */
  causal?: boolean;
  /**
   * Rows that a query sees: causal, the last `window` with its own, as Mistral and Gemma; else those at most `window / 2` away,
   * as ModernBERT's local attention. Absent: all of its segment.
   */
  window?: number;
  /** Scores s become cap * tanh(s / cap), as Gemma 2's `attn_logit_softcapping`. Absent: they stay. */
  softcap?: number;
  /** Factor of the scores. @default {1 / sqrt(D)} */
  scale?: number;
  /**
   * Scores become scale (q k + q keys[column] + k queries[column]), the column that of query - key, as DeBERTa's: over whole
   * segments and with as many key heads as query heads.
   */
  relative?: RelativePositions;
  /** [blocks, 4] u32, see `attentionBlocks`; `step.blocks` of them are in use. */
  blocks: Tensor;
  /** On the probabilities, after the softmax. */
  dropout?: Dropout;
}

/** Bytes of workgroup memory that every adapter has. */
const WORKGROUP_BYTES = 16384;

const kernels = new Map<string, Kernel>();

function tiledKernel({ head4, bounded, capped, c2p, p2c }: AttentionForm, drop: boolean): Kernel {
  const key = `${head4} ${bounded} ${capped} ${c2p} ${p2c} ${drop}`;
  let kernel = kernels.get(key);
  if (!kernel) {
    // As many rows as fit with their statistics, 16 bytes a vec4f in two tiles and 12 beside them, at most 16.
    const tile = Math.min(16, 2 ** Math.floor(Math.log2(WORKGROUP_BYTES / (32 * head4 + 12))));
    const code = `const HEAD4 = ${head4}u;\nconst TILE = ${tile}u;\n${maskSource(drop)}${
      scoreSource({ bounded, capped })
    }${relativeTileSource({ c2p, p2c })}`;
    kernels.set(key, kernel = stepKernel("attention", code + source));
  }
  return kernel;
}

/**
 * softmax(q k^T * scale) v inside each segment, [T, (heads + 2 kvHeads) D] -> [T, heads D], with dropout on the probabilities.
 *
 * @throws {ShapeError} if the columns are not q, k and v of such heads of 4n columns, at most 256, or an option is out of range
 */
export function attention(tape: Tape, options: AttentionOptions): Tensor {
  const { qkv, heads, kvHeads = heads, softcap, blocks, dropout } = options;
  const [T, columns] = shape2(qkv), D = columns / (heads + 2 * kvHeads);
  if (D % 4 !== 0 || D > 256 || heads % kvHeads !== 0 || qkv.live !== "tokens") {
    throw new ShapeError(
      `Cannot attend over ${
        qkv.live ?? "fixed"
      } rows of [${qkv.shape}] with ${heads} heads of queries and ${kvHeads} of keys: ` +
        `it takes live tokens, columns q | k | v of heads of 4, 8, ... 256 columns, and as many query heads for each key head`,
    );
  }
  if (options.window !== undefined && !(Number.isInteger(options.window) && options.window >= 1)) {
    throw new ShapeError(`Cannot attend over a window of ${options.window} rows: it must be whole and positive`);
  }
  if (softcap !== undefined && !(softcap > 0)) {
    throw new ShapeError(`Cannot cap attention scores at ${softcap}: the cap must be positive`);
  }
  const span = spanOf(options), relative = hasRelative(options.relative) ? options.relative : undefined;
  if (relative) checkRelative(relative, { heads, kvHeads, D, bounded: isBounded(span) });
  const y = tape.output([T, heads * D], qkv.live, [qkv, relative?.embeddings], "attention");
  const form = {
    head4: D / 4,
    grouped: kvHeads !== heads,
    bounded: isBounded(span),
    capped: softcap !== undefined,
    c2p: relative?.keys !== undefined,
    p2c: relative?.queries !== undefined,
  };
  const size = {
    heads,
    kvHeads,
    firstHead: 0,
    headCount: heads,
    columns: relative?.columns.count ?? 0,
    reach: relative?.columns.reach ?? 0,
    scale: options.scale ?? 1 / Math.sqrt(D),
    softcap: softcap ?? 0,
    ...span,
    accumulate: 0,
    ...dropoutFields(dropout),
  };
  const keys: Record<string, Tensor> = dropout && dropout.rate > 0 ? { tokenKeys: dropout.tokenKeys } : {};
  const { recorder, schedules } = tape;
  const textured = schedules.attentionTexture && size.columns % 64 === 0 &&
    [qkv, y, relative?.embeddings, relative?.columns.table].every((operand) =>
      operand === undefined || recorder.texturable(operand)
    );
  const flops = 2 * T * Math.min(T, usualKeys(options)) * heads * D;
  (textured ? recordTextures : recordTiles)(tape, { qkv, blocks, y, relative, T, D, kvHeads, form, size, keys, flops });
  return y;
}

/** Whether a half of the scores is there. */
function hasRelative(relative: RelativePositions | undefined): boolean {
  return relative?.keys !== undefined || relative?.queries !== undefined;
}

function checkRelative(
  { embeddings, keys = 0, queries = 0, columns }: RelativePositions,
  { heads, kvHeads, D, bounded }: { heads: number; kvHeads: number; D: number; bounded: boolean },
): void {
  const [rows, width] = shape2(embeddings), W = heads * D;
  const fits = (first: number) => first % W === 0 && first + W <= width;
  if (bounded || heads !== kvHeads || rows % 4 !== 0 || rows !== columns.count || !fits(keys) || !fits(queries)) {
    throw new ShapeError(
      `Cannot attend by relative embeddings [${embeddings.shape}] from columns ${keys} and ${queries} on: they take 4n rows, ` +
        `one for each of ${columns.count} columns of scores, parts of ${W}, whole segments, a key head for each query head`,
    );
  }
}

/** Keys that a query sees, roughly: of encoders' longest usual segments, or half of decoders'. */
function usualKeys({ causal, window }: AttentionOptions): number {
  return Math.min(causal ? 1024 : 512, window ?? Infinity);
}

/** What both schedules record from. */
export interface Recording {
  qkv: Tensor;
  blocks: Tensor;
  y: Tensor;
  relative: RelativePositions | undefined;
  T: number;
  D: number;
  kvHeads: number;
  form: AttentionForm;
  size: Record<string, number>;
  /** `tokenKeys` where something is dropped. */
  keys: Record<string, Tensor>;
  /** Of one of the products over all heads. */
  flops: number;
}

/** The gradients that somebody wants; undefined where nobody does. That of qkv is made even for the embeddings' sake alone. */
function gradients(tape: Tape, recording: Recording) {
  const { qkv, relative } = recording;
  const wanted = tape.grad(qkv), dEmbeddings = relative && tape.grad(relative.embeddings);
  if (!wanted && !dEmbeddings) return undefined;
  const dqkv = wanted ?? { tensor: tape.tensor(qkv.shape, qkv.live, "unused d qkv"), accumulate: 0 as const };
  return { dqkv, dEmbeddings: dEmbeddings && coveredTable(tape, recording, dEmbeddings) };
}

function recordTiles(tape: Tape, recording: Recording): void {
  const { qkv, blocks, y, kvHeads, form, size, keys, flops } = recording, { heads } = size;
  const kernel = tiledKernel(form, "tokenKeys" in keys);
  const stats = tape.tensor([recording.T, heads, 2], qkv.live, "attention stats");
  const groups = headGroups(recording);
  const run = (entry: string, products: number, group: HeadGroup, at: Omit<Dispatch, "groups">) =>
    tape.run(kernel, entry, {
      ...at,
      size: { ...size, ...at.size, ...group },
      groups: (step) => [step.blocks, group.headCount, 1],
      flops: products * flops * group.headCount / heads,
    });
  for (const group of groups) {
    const scores = relativeScores(tape, recording, group, false);
    run("forward", 2, group, { read: { qkv, blocks, ...keys, ...scores?.read }, write: { y, stats } });
  }

  tape.onBackward(y, (dy) => {
    const target = gradients(tape, recording);
    if (!target) return;
    tape.run(kernel, "delta", {
      read: { dy },
      write: { y, stats },
      size,
      groups: (step) => Math.ceil(step.tokens * heads / 64),
    });
    const { tensor: dqkv, accumulate } = target.dqkv;
    for (const group of groups) {
      const scores = relativeScores(tape, recording, group, false), { dc2p, dp2c } = scores?.gradients() ?? {};
      const at = { read: { qkv, blocks, dy, ...keys, ...scores?.read }, size: { accumulate } };
      run("backward_q", 3, group, { ...at, write: { stats, dqkv, ...(dc2p && { dc2p }) } });
      // One group where key heads are shared.
      const keyGroup = kvHeads === heads ? group : { firstHead: 0, headCount: kvHeads };
      run("backward_kv", 4, keyGroup, { ...at, write: { stats, dqkv, ...(dp2c && { dp2c }) } });
      if (scores) relativeGradients(tape, scores, { dc2p, dp2c, ...target });
    }
  });
}

function recordTextures(tape: Tape, recording: Recording): void {
  const { qkv, blocks, y, kvHeads, form, size, keys, flops } = recording, { heads } = size;
  const { forward, backwardQ, backwardKV } = textureAttention(form, "tokenKeys" in keys);
  const stats = tape.tensor([recording.T, statsWidth(heads)], qkv.live, "attention stats");
  const groups = headGroups(recording);
  const run = (
    { kernel, groups }: TextureKernel,
    products: number,
    group: HeadGroup,
    at: Omit<Dispatch, "groups">,
  ) =>
    tape.run(kernel, "main", {
      ...at,
      size: { ...size, ...at.size, ...group },
      groups: (step) => groups({ blocks: step.blocks }, group.headCount),
      flops: products * flops * group.headCount / heads,
    });
  tape.sharingTextures(() => {
    for (const group of groups) {
      const scores = relativeScores(tape, recording, group, true);
      run(forward, 2, group, {
        read: { qkv: tape.texture(qkv), blocks, ...keys, ...scores?.read },
        write: { y, stats },
      });
    }
  });

  tape.onBackward(y, (dy) => {
    const target = gradients(tape, recording);
    if (!target) return;
    const { tensor: dqkv, accumulate } = target.dqkv;
    tape.sharingTextures(() => {
      const operands = { qkv: tape.texture(qkv), dy: tape.texture(dy), blocks };
      for (const group of groups) {
        const scores = relativeScores(tape, recording, group, true), { dc2p, dp2c } = scores?.gradients() ?? {};
        run(backwardQ, 3, group, {
          size: { accumulate },
          read: { ...operands, y: tape.texture(y), ...keys, ...scores?.read },
          write: { stats, dqkv, ...(dc2p && { dc2p }) },
        });
        run(backwardKV, 4, kvHeads === heads ? group : { firstHead: 0, headCount: kvHeads }, {
          size: { accumulate },
          read: { ...operands, stats: tape.texture(stats), ...scores?.read },
          write: { dqkv, ...(dp2c && { dp2c }) },
        });
        if (scores) relativeGradients(tape, scores, { dc2p, dp2c, ...target });
      }
    });
  });
}
