// The three products of an adapter, whatever the schedule; r ranks are few, so each has one thin side.
//
//   down   ranks[t, j]   = scale * sum_k a[t, k] b[j, k]           forward: x A^T;         backward: dy B
//   up     out[t, n]    += sum_j ranks[t, j] b[j, n]               forward: ranks B^T;     backward: dranks A
//   outer  out[j, n]    += sum_t ranks[t, j] b[t, n]               gradients of A and of B^T
//
// Each takes columns of wider matrices, since several adapters share one tensor of ranks, and the parts of a fused weight
// share one result. Dropout is of the adapter's input x: of `a` in down, of the sum in up, of `b` in outer.
import dropoutFunctions from "./dropout.wgsl" with { type: "text" };
import gelu from "./gelu.wgsl" with { type: "text" };
import source from "./low_rank_tile.wgsl" with { type: "text" };
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { addPartialSums } from "./column_sum.ts";
import { type Dropout, dropoutFields } from "./dropout.ts";
import { textureGroups, textureMatmulKernel, type TextureTile } from "./matmul_texture.ts";
import { liveRows, liveSource, stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernel = stepKernel("low_rank_tile", gelu + dropoutFunctions + source);

/** Columns of a matrix from `first` on; how many, the other operand says. */
export interface Columns {
  tensor: Tensor;
  first: number;
}

/** A sum of products of low rank that a matmul adds to its result: mask * (ranks b) in each part's columns. */
export interface LowRankTerm {
  /** [rows, .]: see `ranksTensor`. */
  ranks: Tensor;
  parts: readonly LowRankPart[];
  dropout?: Dropout;
}

export interface LowRankPart {
  /** [r, n] */
  b: Tensor;
  /** Its first column in `ranks`. */
  rank: number;
  /** Its first column in the result. */
  column: number;
}

/** Tokens of one partial sum of `outer` with tiles: at 8,192 tokens 16 chunks fill a GPU, and their sums stay small. */
const CHUNK = 512;

/** The numbers by which low_rank_tile.wgsl knows what is dropped. Its binding of keys needs some tensor even where nothing is. */
const MASK = { none: 0, a: 1, b: 2, sum: 3 } as const;

/** Room for `ranks` columns beside each row of x; as wide as a texture wants it, the rest is never read. */
export function ranksTensor(tape: Tape, x: Tensor, ranks: number, label: string): Tensor {
  return tape.tensor([shape2(x)[0], Math.ceil(ranks / 64) * 64], x.live, label);
}

interface DownOptions {
  /** [r, K] */
  b: Tensor;
  ranks: Columns;
  scale: number;
  dropout?: Dropout;
}

/** Records ranks = scale * (mask * a) b^T, a [rows, .]. */
export function down(tape: Tape, a: Columns, { b, ranks, scale, dropout }: DownOptions): void {
  const rows = shape2(a.tensor)[0], [r, K] = shape2(b), { live } = a.tensor;
  const rowSource = liveSource(live);
  const rowsOf = (step: Readonly<Record<string, number>>) => liveRows(live, rows, step);
  const flops = 2 * rows * r * K;
  const tile = tape.tilesOf("NT", [rows, r, K]).texture;
  if (tile && areTextures(tape, [a.tensor, b]) && areTexels([r, a.first, ranks.first]) && rows >= tile.rows) {
    const thin = thinColumns(tile, r);
    tape.run(
      textureMatmulKernel("NT", thin, {
        ranges: true,
        tall: true,
        scaled: true,
        ...(dropout && { dropout: "a" }),
      }),
      "main",
      {
        read: { a: tape.texture(a.tensor), b: tape.texture(b), ...keysOf(dropout) },
        write: { out: ranks.tensor },
        size: {
          ...{ M: rows, N: r, K, rowSource, sumSource: 0, scale },
          ...{ aColumn: a.first / 4, bColumn: 0, bRow: 0 },
          ...{ outColumn: ranks.first / 4, outWidth: shape2(ranks.tensor)[1] / 4 },
          ...maskFields(dropout),
        },
        groups: (step) => textureGroups("NT", thin, { M: rowsOf(step), N: r, tall: true }),
        flops,
      },
    );
    return;
  }
  tape.run(kernel, "plain", {
    read: { a: a.tensor, b, keys: dropout?.tokenKeys ?? b },
    write: { out: ranks.tensor },
    size: {
      ...{ M: rows, N: r, K, rowSource, sumSource: 0, accumulate: 0, chunk: 0, gelu: 0, scale },
      ...{ aFirst: a.first, aRow: shape2(a.tensor)[1], aSum: 1, bFirst: 0, bSum: 1, bColumn: K },
      ...{ outFirst: ranks.first, outRow: shape2(ranks.tensor)[1] },
      ...{ masked: dropout ? MASK.a : MASK.none, ...dropoutFields(dropout) },
    },
    groups: (step) => [Math.ceil(r / 32), Math.ceil(rowsOf(step) / 32), 1],
    flops,
  });
}

interface OuterOptions {
  ranks: Columns;
  /** [rows, .] */
  b: Columns;
  dropout?: Dropout;
}

/** Records the gradient [r, N] of a matrix, out += ranks^T (mask * b), summed over live rows. */
export function outer(tape: Tape, out: Tensor, { ranks, b, dropout }: OuterOptions): void {
  const [r, N] = shape2(out), T = shape2(ranks.tensor)[0], { live } = ranks.tensor;
  const sumSource = liveSource(live), flops = 2 * T * r * N;
  const tile = tape.tilesOf("TN", [r, N, T]).texture;
  const isTiled = areTexels([r, N, ranks.first, b.first, dropout ? T : 0]);
  if (tile && areTextures(tape, [ranks.tensor, b.tensor]) && isTiled) {
    const thin = thinRows(tile, r);
    tape.run(
      textureMatmulKernel("TN", thin, { accumulate: true, ranges: true, ...(dropout && { dropout: "b" }) }),
      "main",
      {
        read: { a: tape.texture(ranks.tensor), b: tape.texture(b.tensor), ...keysOf(dropout) },
        write: { out },
        size: {
          ...{ M: r, N, K: T, rowSource: 0, sumSource },
          ...{ aColumn: ranks.first / 4, bColumn: b.first / 4, bRow: 0, outColumn: 0, outWidth: N / 4 },
          ...maskFields(dropout),
        },
        groups: textureGroups("TN", thin, { M: r, N }),
        flops,
      },
    );
    return;
  }
  const chunks = (r * N) % 4 === 0 ? Math.ceil(T / CHUNK) : 1;
  const partial = chunks > 1 ? tape.tensor([chunks, r * N], undefined, "partial gradient") : undefined;
  tape.run(kernel, partial ? "chunked" : "plain", {
    read: {
      a: ranks.tensor,
      b: b.tensor, // What stands in for unused keys is the ranks: always f32, so that nothing is cast for it.
      keys: dropout?.tokenKeys ?? ranks.tensor,
    },
    write: { out: partial ?? out },
    size: {
      ...{ M: r, N, K: T, rowSource: 0, sumSource, accumulate: 1, chunk: CHUNK, gelu: 0, scale: 1 },
      ...{ aFirst: ranks.first, aRow: 1, aSum: shape2(ranks.tensor)[1] },
      ...{ bFirst: b.first, bSum: shape2(b.tensor)[1], bColumn: 1, outFirst: 0, outRow: N },
      ...{ masked: dropout ? MASK.b : MASK.none, ...dropoutFields(dropout) },
    },
    groups: (step) => [
      Math.ceil(N / 32),
      Math.ceil(r / 32),
      partial ? Math.ceil(liveRows(live, T, step) / CHUNK) : 1,
    ],
    flops,
  });
  if (partial) addPartialSums(tape, { partial, rows: T, live, offset: 0, chunk: CHUNK }, out);
}

/** Records out += the term with tiles, for schedules and sizes that cannot take it into the product itself.
 *  @param gelu its form: what is summed up in `pre` then goes through GELU into `out` */
export function addLowRank(
  tape: Tape,
  { ranks, parts, dropout }: LowRankTerm,
  out: Tensor,
  gelu?: { form: number; pre: Tensor },
): void {
  const rows = shape2(ranks)[0], outRow = shape2(out)[1];
  for (const { b, rank, column } of parts) {
    const [r, N] = shape2(b);
    tape.run(kernel, gelu ? "activated" : "plain", {
      read: { a: ranks, b, keys: dropout?.tokenKeys ?? b },
      write: { out, ...(gelu && { pre: gelu.pre }) },
      size: {
        ...{ M: rows, N, K: r, rowSource: liveSource(ranks.live), sumSource: 0, accumulate: 1, chunk: 0, scale: 1 },
        ...{ aFirst: rank, aRow: shape2(ranks)[1], aSum: 1, bFirst: 0, bSum: N, bColumn: 1 },
        ...{ outFirst: column, outRow, gelu: gelu?.form ?? 0 },
        ...{ masked: dropout ? MASK.sum : MASK.none, ...dropoutFields(dropout) },
      },
      groups: (step) => [Math.ceil(N / 32), Math.ceil(liveRows(ranks.live, rows, step) / 32), 1],
      flops: 2 * rows * N * r,
    });
  }
}

/** Whether a textured matmul can take the term into its sums. */
export function fitsTextures(tape: Tape, { ranks, parts }: LowRankTerm): boolean {
  return areTextures(tape, [ranks, ...parts.map(({ b }) => b)]) &&
    areTexels(parts.flatMap(({ b, rank, column }) => [b.shape[0], rank, column]));
}

export function keysOf(dropout: Dropout | undefined): Record<string, Tensor> {
  return dropout ? { keys: dropout.tokenKeys } : {};
}

export function maskFields(dropout: Dropout | undefined) {
  return dropout && dropoutFields(dropout);
}

function areTextures(tape: Tape, tensors: readonly Tensor[]): boolean {
  return tensors.every((tensor) => tape.recorder.texturable(tensor));
}

function areTexels(counts: readonly number[]): boolean {
  return counts.every((count) => count % 4 === 0);
}

/** Few columns: invocations lie along the rows, on Mesa's CPU adapter along x, the only side that it makes vectors of. */
function thinColumns({ rows, columns, group }: TextureTile, r: number): TextureTile {
  return { rows, columns: Math.min(columns, r / 4), group: [group[0] * group[1], 1] };
}

/** Few rows: a tile no higher than they are. */
function thinRows({ rows, columns, group }: TextureTile, r: number): TextureTile {
  return { rows: Math.min(rows, r), columns, group: [group[0] * group[1], 1] };
}
