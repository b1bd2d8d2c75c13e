// GELU alone, forward and right below backward; see gelu_alone.wgsl. `linear` applies it where nothing lies between.
import functions from "./gelu.wgsl" with { type: "text" };
import source from "./gelu_alone.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { type GeluForm, geluForms } from "./matmul.ts";
import { liveRows, liveSource, stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernel = stepKernel("gelu", functions + source);

/** GELU of each value of `x` [rows, W]. @throws {ShapeError} if W is not a multiple of 4 */
export function gelu(tape: Tape, x: Tensor, form: GeluForm): Tensor {
  const [rows, W] = shape2(x);
  if (W % 4 !== 0) {
    throw new ShapeError(`Cannot take GELU of ${x.label} [${x.shape}]: its width must be a multiple of 4`);
  }
  const y = tape.output(x.shape, x.live, [x], "gelu");
  const size = { rows, W, rowSource: liveSource(x.live), form: geluForms[form] };
  const groups = (step: Readonly<Record<string, number>>) => Math.ceil(liveRows(x.live, rows, step) * W / 4 / 64);
  tape.run(kernel, "forward", { read: { x }, write: { y }, size: { ...size, accumulate: 0 }, groups });

  tape.onBackward(y, (dy) => {
    const dx = tape.grad(x);
    if (!dx) return;
    const at = { size: { ...size, accumulate: dx.accumulate }, groups };
    tape.run(kernel, "backward", { read: { x, dy }, write: { dx: dx.tensor }, ...at });
  });
  return y;
}
