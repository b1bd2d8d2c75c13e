// GELU alone, forward and right below backward; see gelu_alone.wgsl. `linear` applies it where nothing lies between.
import functions from "./gelu.wgsl" with { type: "text" };
import source from "./gelu_alone.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { type GeluForm, geluForms } from "./gelu_forms.ts";
import { rowKernel } from "./row_operands.ts";
import { liveRows, liveSource } from "./step.ts";
import { type GradientTarget, type Tape } from "./tape.ts";

const kernels = rowKernel("gelu", functions + source, { rows: { x: [0, "X"], dy: [2, "DY"] } });

/** GELU of each value of `x` [rows, W]. @throws {ShapeError} if W is not a multiple of 4 */
export function gelu(tape: Tape, x: Tensor, form: GeluForm): Tensor {
  const W = shape2(x)[1];
  if (W % 4 !== 0) {
    throw new ShapeError(`Cannot take GELU of ${x.label} [${x.shape}]: its width must be a multiple of 4`);
  }
  const y = tape.output(x.shape, x.live, [x], "gelu");
  tape.run(kernels.plain, "forward", { read: { x }, write: { y }, ...sized(tape, x, form, 0) });

  tape.onBackward(y, (dy) => {
    const dx = tape.grad(x);
    if (dx) recordGeluBackward(tape, form, { x, dy }, dx);
  });
  return y;
}

/** Records dx (+)= dy * gelu'(x), of exactly the form that the forward pass applied. */
export function recordGeluBackward(
  tape: Tape,
  form: GeluForm,
  { x, dy }: { x: Tensor; dy: Tensor },
  { tensor: dx, accumulate }: GradientTarget,
): void {
  const { kernel, read } = kernels.take(tape, { x, dy });
  tape.run(kernel, "backward", { read, write: { dx }, ...sized(tape, x, form, accumulate) });
}

function sized(tape: Tape, x: Tensor, form: GeluForm, accumulate: 0 | 1) {
  const [rows, W] = shape2(x);
  return {
    size: { rows, W, rowSource: liveSource(x.live) },
    constants: { LANES: tape.schedules.rowPerGroup ? 64 : 8, FORM: geluForms[form], ACCUMULATE: accumulate },
    groups: (step: Readonly<Record<string, number>>) => liveRows(x.live, rows, step),
  };
}
