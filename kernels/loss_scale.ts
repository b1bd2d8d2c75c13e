// Dynamic loss scaling: gradients stored in f16 are multiplied by a scale, so that small ones do not vanish, and the optimizer
// divides by it (adamw.wgsl). The scale lives on the GPU and changes there, step by step, without a read-back: halved where a
// gradient is not finite, and that step is left out; doubled after `growAfter` good steps in a row.
import source from "./loss_scale.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { liveRows, liveSource, stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernel = stepKernel("loss_scale", source);

export interface LossScale {
  /** [3]: the scale, good steps since it changed, steps left out so far. */
  state: Tensor;
  /** Good steps in a row before the scale is doubled. */
  growAfter: number;
}

/** As torch.amp.GradScaler begins and grows. */
export const initialLossScale = [65536, 0, 0] as const;
export const usualGrowAfter = 2000;

/** Multiplies `dlogits` by the scale of the moment. @throws {ShapeError} if the state is not [3] */
export function scaleGradient(tape: Tape, dlogits: Tensor, { state }: LossScale): void {
  if (state.size !== 3) throw new ShapeError(`Cannot scale a loss by a state of [${state.shape}]: it has 3 values`);
  const [rows, C] = shape2(dlogits);
  tape.run(kernel, "main", {
    read: { state },
    write: { dlogits },
    size: { rows, C, rowSource: liveSource(dlogits.live) },
    groups: (step) => Math.ceil(liveRows(dlogits.live, rows, step) * C / 64),
  });
}
