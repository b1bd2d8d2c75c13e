// tanh, forward and right below backward; see tanh.wgsl.
import gelu from "./gelu.wgsl" with { type: "text" };
import source from "./tanh.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { liveRows, liveSource, stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernel = stepKernel("tanh", gelu + source);

/** tanh of each value of `x` [rows, W]. @throws {ShapeError} if W is not a multiple of 4 */
export function tanh(tape: Tape, x: Tensor): Tensor {
  const [rows, W] = shape2(x);
  if (W % 4 !== 0) {
    throw new ShapeError(`Cannot take tanh of ${x.label} [${x.shape}]: its width must be a multiple of 4`);
  }
  const y = tape.output(x.shape, x.live, [x], "tanh");
  const size = { rows, W, rowSource: liveSource(x.live) };
  const groups = (step: Readonly<Record<string, number>>) => Math.ceil(liveRows(x.live, rows, step) * W / 4 / 64);
  tape.run(kernel, "forward", { read: { x }, write: { y }, size: { ...size, accumulate: 0 }, groups });

  tape.onBackward(y, (dy) => {
    const dx = tape.grad(x);
    if (!dx) return;
    // `y` is declared writable for forward; here it is only read.
    const write = { y, dx: dx.tensor };
    tape.run(kernel, "backward", { read: { dy }, write, size: { ...size, accumulate: dx.accumulate }, groups });
  });
  return y;
}
