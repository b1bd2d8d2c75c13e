// One matrix product, whatever the schedule: chooses textures or workgroup tiles and records the dispatch.
//
//   NT  out[m, n] = sum_k a[m, k] * b[n, k]
//   NN  out[m, n] = sum_k a[m, k] * b[k, n]
//   TN  out[m, n] = sum_k a[k, m] * b[k, n]
import { ShapeError } from "../errors.ts";
import { type RowPart, shape2, type Tensor } from "../gpu/tensor.ts";
import { addLowRank, fitsTextures, keysOf, type LowRankPart, type LowRankTerm, maskFields } from "./low_rank.ts";
import { recordAdd } from "./add.ts";
import { addPartialSums } from "./column_sum.ts";
import { activeDropout, type Dropout, dropoutFields } from "./dropout.ts";
import { recordGeluBackward } from "./gelu.ts";
import { type GeluForm, geluForms } from "./gelu_forms.ts";
import { type MatmulForm, textureGroups, textureMatmulKernel } from "./matmul_texture.ts";
import { tileMatmulKernel, tileSize } from "./matmul_tile.ts";
import { dequantised, quantisedOperand, QuantisedTensor } from "./quantised.ts";
import { partsOfWeight } from "./weight_parts.ts";
import { liveRows, liveSource } from "./step.ts";
import { type GeluSlope, type GradientTarget, type Tape } from "./tape.ts";

export interface MatmulOptions {
  /** [N], added to each row. */
  bias?: Tensor;
  /** Stores the sum in `pre` [M, N] and applies GELU. Needs `bias`; excludes accumulation. */
  gelu?: { form: GeluForm; pre: Tensor };
  /** Multiplies by GELU's derivative; excludes accumulation, bias and GELU. */
  slope?: GeluSlope;
  /** Stores its `x` plus the sum with its bias; excludes accumulation and GELU. */
  residual?: Residual;
  /** Added to the product, before bias, GELU, slope and residual; for NT and NN. */
  low?: LowRankTerm;
  /** Where the product of a part of a split weight begins, in columns: in `a`, and in `out`, whose rows are `outRow` wide. */
  at?: { a: number; out: number; outRow: number };
}

/** What a product is added to: x [M, N] + dropout(product). */
export interface Residual {
  x: Tensor;
  dropout?: Dropout;
}

/**
 * Records out = a * b in the given form, added to `out` where the target says so.
 *
 * The count of live rows comes from `a` (and, in TN, bounds the sum).
 *
 * @throws {ShapeError} if the shapes do not fit
 */
export function matmul(
  tape: Tape,
  form: MatmulForm,
  a: Tensor,
  b: Tensor,
  { tensor: out, accumulate }: GradientTarget,
  { bias, gelu, slope, residual, low, at }: MatmulOptions = {},
): void {
  const parts = partsOfWeight(tape, form === "TN" ? out : b);
  if (parts.length > 1) {
    if (slope || residual) {
      inTwoPasses(tape, form, [a, b], out, { bias, slope, residual, low });
      return;
    }
    matmulOfParts(tape, form, [a, b], parts, { tensor: out, accumulate }, { bias, gelu, low });
    return;
  }
  const [aRows, aColumns] = shape2(a), [bRows, bColumns] = shape2(b);
  const [N, bSum] = form === "NT" ? [bRows, bColumns] : [bColumns, bRows];
  const [M, K] = form === "TN" ? [at ? shape2(out)[0] : aColumns, aRows] : [aRows, at ? bSum : aColumns];
  const first = at ?? { a: 0, out: 0, outRow: N };
  if (K !== bSum || (at ? first.a + (form === "TN" ? M : K) > aColumns : out.size !== M * N)) {
    throw new ShapeError(`Cannot multiply ${form} [${a.shape}] by [${b.shape}] into [${out.shape}]`);
  }
  const source = liveSource(a.live);
  const rowSource = form === "TN" ? 0 : source, sumSource = form === "TN" ? source : 0;
  const common = { M, N, K, rowSource, sumSource };
  const rowsOf = (step: Readonly<Record<string, number>>) => form === "TN" ? M : liveRows(a.live, M, step);
  const write = { out, ...(gelu && { pre: gelu.pre }) };
  const drops = activeDropout(residual?.dropout);
  // What lies behind the sum, as both kinds of kernel are told.
  const behind = {
    bias: bias !== undefined,
    ...(gelu && { gelu: gelu.form }),
    ...(slope && { slope: slope.form }),
    ...(residual && { residual: drops ? "dropped" as const : "whole" as const }),
  };
  const vectors = { ...(bias && { bias }), ...(drops && { residualKeys: drops.tokenKeys }) };
  const flops = 2 * M * N * K;

  const { texture, tile: workgroup } = tape.tilesOf(form, [M, N, K]);
  // Outputs are stored as vec4f. Below one group of rows the copies and a half-empty tile cost more than they save.
  const areTextures = tape.recorder.texturable(a) && tape.recorder.texturable(b) && (!low || fitsTextures(tape, low));
  if (texture && areTextures && N % 4 === 0 && M >= texture.rows) {
    const beside = slope?.pre ?? residual?.x, most = tape.recorder.gpu.limits.maxStorageTexturesPerShaderStage;
    if (beside && (!tape.recorder.texturable(beside) || (low ? 5 : 3) > most)) {
      inTwoPasses(tape, form, [a, b], out, { bias, slope, residual, low });
      return;
    }
    const floats = b instanceof QuantisedTensor ? dequantised(tape, b) : b;
    const operands = {
      ...{ a: tape.texture(a), b: tape.texture(floats) },
      ...vectors,
      ...(slope && { pre: tape.texture(slope.pre) }),
      ...(residual && { residual: tape.texture(residual.x) }),
    };
    for (const { first: column, count, part } of columnsOf(N, low?.parts)) {
      const dropout = part && low?.dropout, ranges = count < N || at !== undefined;
      const epilogue = {
        ...behind,
        ...(accumulate === 1 && { accumulate: true }),
        ...(ranges && { ranges }),
        ...(part && { low: true }),
        ...(dropout && { dropout: "low" as const }),
      };
      tape.run(textureMatmulKernel(form, texture, epilogue), "main", {
        read: {
          ...operands,
          ...(part && { lowA: tape.texture(low!.ranks), lowB: tape.texture(part.b), ...keysOf(dropout) }),
        },
        write,
        size: {
          ...common,
          N: count,
          ...(ranges && {
            ...{ aColumn: first.a / 4, bColumn: form === "NN" ? column / 4 : 0, bRow: form === "NT" ? column : 0 },
            ...{ outColumn: (first.out + column) / 4, outWidth: first.outRow / 4 },
          }),
          ...(part && { lowSum: part.b.shape[0], lowColumn: part.rank / 4, ...maskFields(dropout) }),
          ...residualFields(drops),
        },
        groups: (step) => textureGroups(form, texture, { M: rowsOf(step), N: count }),
        flops: 2 * M * count * (K + (part?.b.shape[0] ?? 0)),
      });
    }
    return;
  }
  if (low && (slope || residual)) {
    inTwoPasses(tape, form, [a, b], out, { bias, slope, residual, low });
    return;
  }
  if (low && gelu) {
    matmul(tape, form, a, b, { tensor: gelu.pre, accumulate: 0 }, { bias });
    addLowRank(tape, low, out, { form: geluForms[gelu.form], pre: gelu.pre });
    return;
  }
  const packed = b instanceof QuantisedTensor ? quantisedOperand(b) : undefined;
  const right: Record<string, Tensor> = packed ? packed.read : { b };
  const { rows, columns } = tileSize(workgroup);
  const strides = {
    aRow: form === "TN" ? 1 : aColumns,
    aSum: form === "TN" ? aColumns : 1,
    aFirst: first.a,
    outFirst: first.out,
    outRow: first.outRow,
    bSum: form === "NT" ? 1 : N,
    bColumn: form === "NT" ? K : 1,
  };
  const groups = (step: Readonly<Record<string, number>>) =>
    [Math.ceil(N / columns), Math.ceil(rowsOf(step) / rows)] as const;
  const chunk = accumulate && form === "TN"
    ? splitChunk(tape, { M, N, K, groups: Math.ceil(N / columns) * Math.ceil(M / rows) })
    : K;
  if (chunk < K) {
    const partial = tape.tensor([Math.ceil(K / chunk), M * N], undefined, "partial");
    tape.run(tileMatmulKernel(workgroup, { split: true }), "main", {
      read: { a, ...right },
      write: { out: partial },
      size: { ...common, ...strides, accumulate, chunk },
      groups: (step) => [...groups(step), Math.ceil(liveRows(a.live, K, step) / chunk)],
      flops,
    });
    addPartialSums(tape, { partial, rows: K, live: a.live, offset: 0, chunk }, out);
    return;
  }
  tape.run(tileMatmulKernel(workgroup, { ...behind, quantised: packed !== undefined }), "main", {
    read: {
      ...{ a, ...right, ...vectors },
      ...(slope && { pre: slope.pre }),
      ...(residual && { residual: residual.x }),
    },
    write,
    size: { ...common, ...strides, accumulate, ...packed?.size, ...residualFields(drops) },
    constants: packed?.constants,
    groups: (step) => [...groups(step), 1],
    flops,
  });
  if (low) addLowRank(tape, low, out);
}

/** Where a product is more than one dispatch, what lies behind it is a pass of its own. */
function inTwoPasses(
  tape: Tape,
  form: MatmulForm,
  [a, b]: readonly [Tensor, Tensor],
  out: Tensor,
  { bias, slope, residual, low }: Pick<MatmulOptions, "bias" | "slope" | "residual" | "low">,
): void {
  const product = tape.activation(out.shape, out.live, "product");
  matmul(tape, form, a, b, { tensor: product, accumulate: 0 }, { bias, low });
  if (slope) {
    recordGeluBackward(tape, slope.form, { x: slope.pre, dy: product }, { tensor: out, accumulate: 0 });
  } else if (residual) {
    recordAdd(tape, { x: residual.x, a: product, y: out, dropout: residual.dropout });
  }
}

function residualFields(dropout: Dropout | undefined): Record<string, number> {
  if (!dropout) return {};
  const { dropThreshold, dropScale, site } = dropoutFields(dropout);
  return { residualThreshold: dropThreshold, residualScale: dropScale, residualSite: site };
}

/**
 * Records a product with a weight that one binding does not hold, part by part. A part of its rows gives some columns of the
 * result (NT), a share of every sum (NN), or is a part of its gradient (TN).
 */
function matmulOfParts(
  tape: Tape,
  form: MatmulForm,
  [a, b]: readonly [Tensor, Tensor],
  parts: readonly RowPart[],
  { tensor: out, accumulate }: GradientTarget,
  { bias, gelu, low }: Pick<MatmulOptions, "bias" | "gelu" | "low">,
): void {
  const [aRows] = shape2(a), N = form === "NT" ? shape2(b)[0] : shape2(b)[1];
  if (form !== "TN" && out.size !== aRows * N) {
    throw new ShapeError(`Cannot multiply ${form} [${a.shape}] by [${b.shape}] into [${out.shape}]`);
  }
  // Where adapters follow, GELU waits for them.
  const waits = low && gelu, target = waits ? gelu.pre : out;
  parts.forEach(({ firstRow, rows }, i) => {
    const options = {
      NT: { bias, ...(!waits && { gelu }), at: { a: 0, out: firstRow, outRow: N } },
      NN: { at: { a: firstRow, out: 0, outRow: N } },
      TN: { at: { a: firstRow, out: 0, outRow: N } },
    }[form];
    const into = {
      tensor: form === "TN" ? rows : target,
      accumulate: form === "NN" && i > 0 ? 1 as const : accumulate,
    };
    matmul(tape, form, a, form === "TN" ? b : rows, into, options);
  });
  if (low) addLowRank(tape, low, out, waits && { form: geluForms[gelu.form], pre: gelu.pre });
}

/** Steps of k below which a part of a split sum is not worth its share of the addition. */
const LEAST_CHUNK = 256;

/** How a weight's gradient divides its sum over tokens so that it fills the groups the schedule asks for; K: not at all. */
function splitChunk(
  { schedules, recorder }: Tape,
  { M, N, K, groups }: { M: number; N: number; K: number; groups: number },
): number {
  const parts = Math.min(Math.floor(schedules.splitGroups / groups), Math.floor(K / LEAST_CHUNK));
  // The second pass is one row of groups of 64 vec4f.
  const { maxComputeWorkgroupsPerDimension, maxStorageBufferBindingSize } = recorder.gpu.limits;
  const fits = M * N % 4 === 0 && M * N <= maxComputeWorkgroupsPerDimension * 256 &&
    parts * M * N * 4 <= maxStorageBufferBindingSize;
  return parts < 2 || !fits ? K : Math.ceil(K / parts / 16) * 16;
}

interface ColumnRange {
  first: number;
  count: number;
  part?: LowRankPart;
}

/** The columns of a product: those of each part of a term of low rank, and those between. */
function columnsOf(N: number, parts: readonly LowRankPart[] = []): ColumnRange[] {
  const ranges: ColumnRange[] = [];
  let end = 0;
  for (const part of parts.toSorted((one, other) => one.column - other.column)) {
    if (part.column > end) ranges.push({ first: end, count: part.column - end });
    ranges.push({ first: part.column, count: part.b.shape[1], part });
    end = part.column + part.b.shape[1];
  }
  if (end < N) ranges.push({ first: end, count: N - end });
  return ranges;
}
