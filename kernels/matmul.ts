// One matrix product, whatever the schedule: chooses textures or workgroup tiles and records the dispatch.
//
//   NT  out[m, n] = sum_k a[m, k] * b[n, k]
//   NN  out[m, n] = sum_k a[m, k] * b[k, n]
//   TN  out[m, n] = sum_k a[k, m] * b[k, n]
import gelu from "./gelu.wgsl" with { type: "text" };
import tiled from "./matmul_tile.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { type MatmulForm, textureMatmulKernel } from "./matmul_texture.ts";
import { liveRows, liveSource, stepKernel } from "./step.ts";
import { type GradientTarget, type Tape } from "./tape.ts";

/** The product through workgroup memory; for any sizes. */
export const tileKernel = stepKernel("matmul_tile", gelu + tiled);

/** x * Phi(x), or its tanh approximation. */
export type GeluForm = "erf" | "tanh";

/** The number by which gelu.wgsl knows each form. */
export const geluForms: Readonly<Record<GeluForm, number>> = { erf: 1, tanh: 2 };

export interface MatmulOptions {
  /** [N], added to each row. */
  bias?: Tensor;
  /** Stores the sum in `pre` [M, N] and applies GELU. Needs `bias`; excludes accumulation. */
  gelu?: { form: GeluForm; pre: Tensor };
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
  { bias, gelu }: MatmulOptions = {},
): void {
  const [aRows, aColumns] = shape2(a), [bRows, bColumns] = shape2(b);
  const [M, K] = form === "TN" ? [aColumns, aRows] : [aRows, aColumns];
  const [N, bSum] = form === "NT" ? [bRows, bColumns] : [bColumns, bRows];
  if (K !== bSum || out.size !== M * N) {
    throw new ShapeError(`Cannot multiply ${form} [${a.shape}] by [${b.shape}] into [${out.shape}]`);
  }
  const source = liveSource(a.live);
  const rowSource = form === "TN" ? 0 : source, sumSource = form === "TN" ? source : 0;
  const common = { M, N, K, rowSource, sumSource, accumulate, gelu: gelu ? geluForms[gelu.form] : 0 };
  const rowsOf = (step: Readonly<Record<string, number>>) => form === "TN" ? M : liveRows(a.live, M, step);
  const write = { out, ...(gelu && { pre: gelu.pre }) };
  const flops = 2 * M * N * K;

  const tile = tape.schedules.texture?.[form];
  // Outputs are stored as vec4f. Below one group of rows the copies and a half-empty tile cost more than they save.
  if (tile && tape.recorder.texturable(a) && tape.recorder.texturable(b) && N % 4 === 0 && M >= tile.rows) {
    const { rows, columns, group } = tile;
    tape.run(textureMatmulKernel(form, tile, { bias: bias !== undefined, gelu: gelu !== undefined }), "main", {
      read: { a: tape.texture(a), b: tape.texture(b), ...(bias && { bias }) },
      write,
      size: common,
      groups: (step) => [Math.ceil(N / 4 / columns / group[0]), Math.ceil(rowsOf(step) / rows / group[1]), 1],
      flops,
    });
    return;
  }
  tape.run(tileKernel, gelu ? "activated" : bias ? "biased" : "plain", {
    read: { a, b, ...(bias && { bias }) },
    write,
    size: {
      ...common,
      aRow: form === "TN" ? 1 : K,
      aSum: form === "TN" ? M : 1,
      bSum: form === "NT" ? 1 : N,
      bColumn: form === "NT" ? K : 1,
    },
    groups: (step) => [Math.ceil(N / 32), Math.ceil(rowsOf(step) / 32), 1],
    flops,
  });
}
