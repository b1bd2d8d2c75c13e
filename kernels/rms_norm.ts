// Root mean square normalisation, of whole rows or of single heads: forward and, right below, backward; see rms_norm.wgsl.
import source from "./rms_norm.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { addColumnSums, addPartialSums, columnSumChunk } from "./column_sum.ts";
import { rowKernel } from "./row_operands.ts";
import { liveRows, liveSource } from "./step.ts";
import { type GradientTarget, type Tape } from "./tape.ts";

const kernels = rowKernel("rms_norm", source, {
  rows: { x: [0, "X"], dy: [4, "DY"] },
  vectors: { gain: 1 },
  columns: "columns",
});

export interface RmsNormOptions {
  /** [W] */
  gain: Tensor;
  /** `rms_norm_eps` of config.json. */
  eps: number;
  /** Added to the gain: 1 in Gemma's form. @default {0} */
  offset?: number;
}

/** Normalises each row of `x` [rows, W]. @throws {ShapeError} if W is not a multiple of 4 or the gain is not [W] */
export function rmsNorm(tape: Tape, x: Tensor, { gain, eps, offset = 0 }: RmsNormOptions): Tensor {
  return normalise(tape, x, { parts: [{ heads: 1, gain }], width: shape2(x)[1], eps, offset });
}

export interface HeadNormOptions {
  /** Heads of each part of the columns, left to right, with the gain [D] they share; without a gain they stay as they are. */
  parts: readonly { heads: number; gain?: Tensor }[];
  eps: number;
  /** @default {0} */
  offset?: number;
}

/**
 * Normalises heads of `x` [rows, heads * D], each by itself: Qwen3's norm of queries and keys in the fused q | k | v.
 *
 * @throws {ShapeError} if the heads do not fill the columns with 4n columns each, or a gain is not [D]
 */
export function headNorm(tape: Tape, x: Tensor, { parts, eps, offset = 0 }: HeadNormOptions): Tensor {
  const heads = parts.reduce((sum, part) => sum + part.heads, 0);
  return normalise(tape, x, { parts, width: shape2(x)[1] / heads, eps, offset });
}

interface Layout {
  parts: HeadNormOptions["parts"];
  width: number;
  eps: number;
  offset: number;
}

function normalise(tape: Tape, x: Tensor, { parts, width: W, eps, offset }: Layout): Tensor {
  const [rows, columns] = shape2(x), gains = parts.map(({ gain }) => gain);
  if (W % 4 !== 0 || gains.some((gain) => gain !== undefined && gain.size !== W)) {
    throw new ShapeError(
      `Cannot normalise [${x.shape}] by groups of ${W} columns with gains [${gains.map((g) => g?.shape ?? "none")}]: ` +
        "groups have 4n columns and gains as many",
    );
  }
  const y = tape.output(x.shape, x.live, [x, ...gains], "rms_norm");
  const live = (step: Readonly<Record<string, number>>) => liveRows(x.live, rows, step);
  // As in layer_norm.ts: one invocation for each group of columns on CPU adapters, 64 lanes on GPUs.
  const wide = tape.schedules.rowPerGroup ? "_wide" : "";
  const perGroup = wide ? 1 : 8;
  const common = { rows, W, columns, rowSource: liveSource(x.live), chunk: columnSumChunk, eps, offset };
  const places = parts.map(({ heads, gain }, i) => {
    const first = parts.slice(0, i).reduce((sum, part) => sum + part.heads, 0) * W;
    return { heads, gain, size: { ...common, heads, first }, rstd: tape.tensor([rows, heads], x.live, "rstd") };
  });
  const copy = (from: Tensor, { tensor, accumulate }: GradientTarget, size: typeof places[number]["size"]) =>
    tape.run(kernels.plain, "copy", {
      read: { x: from },
      write: { y: tensor },
      size: { ...size, accumulate },
      groups: live,
    });

  // Parts share the copy of x, and of dy, where these are textures.
  tape.sharingTextures(() => {
    for (const { heads, gain, size, rstd } of places) {
      if (!gain) {
        copy(x, { tensor: y, accumulate: 0 }, size);
        continue;
      }
      const { kernel, read } = kernels.take(tape, { x, gain });
      tape.run(kernel, `forward${wide}`, {
        read,
        write: { y, rstd },
        size: { ...size, accumulate: 0 },
        groups: (step) => Math.ceil(live(step) * heads / perGroup),
      });
    }
  });

  tape.onBackward(y, (dy) => {
    // One target for all parts: each writes columns of its own.
    const dx = tape.grad(x);
    tape.sharingTextures(() => places.forEach((place) => backwardOf(dy, dx, place)));
  });

  function backwardOf(dy: Tensor, dx: GradientTarget | undefined, { heads, gain, size, rstd }: typeof places[number]) {
    if (!gain) {
      if (dx) copy(dy, dx, size);
      return;
    }
    const { kernel, read: { gain: gains, ...read } } = kernels.take(tape, { x, dy, gain });
    if (dx) {
      tape.run(kernel, `backward_x${wide}`, {
        read: { ...read, gain: gains },
        write: { rstd, dx: dx.tensor },
        size: { ...size, accumulate: dx.accumulate },
        groups: (step) => Math.ceil(live(step) * heads / perGroup),
      });
    }
    const dGain = tape.grad(gain)?.tensor;
    if (!dGain) return;
    const partial = tape.tensor([Math.ceil(rows / columnSumChunk), heads * W]);
    const four = !wide && W % 16 === 0;
    tape.run(kernel, four ? "backward_w" : "backward_w_wide", {
      read,
      write: { rstd, partial },
      size: { ...size, accumulate: 1 },
      groups: (step) => [Math.ceil(heads * W / 4 / (four ? 4 * 8 : 64)), Math.ceil(live(step) / columnSumChunk), 1],
    });
    addHeadSums(tape, { partial, rows, live: x.live, offset: 0 }, heads, dGain);
  }
  return y;
}

/** out [W] += the sums of partial's chunks, then of its heads. */
function addHeadSums(
  tape: Tape,
  sums: Parameters<typeof addPartialSums>[1],
  heads: number,
  out: Tensor,
): void {
  if (heads === 1) {
    addPartialSums(tape, sums, out);
    return;
  }
  const byHead = tape.tensor([heads, out.size], undefined, "gain by head");
  tape.clear(byHead);
  addPartialSums(tape, sums, byHead);
  addColumnSums(tape, byHead, out);
}
