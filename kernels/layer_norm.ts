// Layer normalisation: forward and, right below, backward; see layer_norm.wgsl.
import source from "./layer_norm.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { addPartialSums, columnSumChunk } from "./column_sum.ts";
import { rowKernel } from "./row_operands.ts";
import { liveRows, liveSource } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernels = rowKernel("layer_norm", source, {
  rows: { x: [0, "X"], dy: [5, "DY"] },
  vectors: { gain: 1, bias: 2 },
});

export interface LayerNormOptions {
  /** [W] */
  gain: Tensor;
  /** [W] */
  bias: Tensor;
  /** `layer_norm_eps` of config.json. */
  eps: number;
}

/** Normalises each row of `x` [rows, W]. @throws {ShapeError} if W is not a multiple of 4 or gain and bias are not [W] */
export function layerNorm(tape: Tape, x: Tensor, { gain, bias, eps }: LayerNormOptions): Tensor {
  const [rows, W] = shape2(x);
  if (W % 4 !== 0 || gain.size !== W || bias.size !== W) {
    throw new ShapeError(`Cannot normalise [${x.shape}] with gain [${gain.shape}] and bias [${bias.shape}]`);
  }
  const y = tape.output(x.shape, x.live, [x, gain, bias], "layer_norm");
  const stats = tape.tensor([rows, 2], x.live, "stats");
  const size = { rows, W, rowSource: liveSource(x.live), chunk: columnSumChunk, eps };
  const live = (step: Readonly<Record<string, number>>) => liveRows(x.live, rows, step);
  // A CPU adapter runs a group's lanes as one SIMD vector and pays for barriers: one invocation a row. A GPU wants the
  // lanes side by side along the row.
  const wide = tape.schedules.rowPerGroup ? "_wide" : "";
  const groups = wide ? live : (step: Readonly<Record<string, number>>) => Math.ceil(live(step) / 8);
  const { kernel, read } = kernels.take(tape, { x, gain, bias });
  tape.run(kernel, `forward${wide}`, {
    read,
    write: { y, stats },
    size: { ...size, accumulate: 0 },
    groups,
  });

  tape.onBackward(y, (dy) => {
    const dx = tape.grad(x), dGain = tape.grad(gain), dBias = tape.grad(bias);
    if (!dx && !dGain && !dBias) return;
    const { kernel, read: { gain: gains, ...read } } = kernels.take(tape, { x, dy, gain });
    if (dx) {
      tape.run(kernel, `backward_x${wide}`, {
        read: { ...read, gain: gains },
        write: { stats, dx: dx.tensor },
        size: { ...size, accumulate: dx.accumulate },
        groups,
      });
    }
    if (!dGain && !dBias) return;
    const partial = tape.tensor([Math.ceil(rows / columnSumChunk), 2 * W]);
    const four = !wide && W % 16 === 0;
    tape.run(kernel, four ? "backward_w" : "backward_w_wide", {
      read,
      write: { stats, partial },
      size: { ...size, accumulate: 1 },
      groups: (step) => [Math.ceil(four ? W / 16 / 8 : W / 4 / 64), Math.ceil(live(step) / columnSumChunk), 1],
    });
    if (dGain) addPartialSums(tape, { partial, rows, live: x.live, offset: 0 }, dGain.tensor);
    if (dBias) addPartialSums(tape, { partial, rows, live: x.live, offset: W }, dBias.tensor);
  });
  return y;
}
