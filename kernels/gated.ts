// The gated activation of SwiGLU and GeGLU, forward and right below backward; see gated.wgsl.
import gelu from "./gelu.wgsl" with { type: "text" };
import source from "./gated.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { type GeluForm, geluForms } from "./gelu_forms.ts";
import { liveRows, liveSource, stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernel = stepKernel("gated", gelu + source);

/** What the gate goes through. */
export type GateForm = GeluForm | "silu";

const gateForms: Readonly<Record<GateForm, number>> = { ...geluForms, silu: 3 };

/** act(gate) * up of `x` [rows, 2 F] = gate | up: [rows, F]. @throws {ShapeError} if F is not a multiple of 4 */
export function gated(tape: Tape, x: Tensor, { activation }: { activation: GateForm }): Tensor {
  const [rows, columns] = shape2(x), F = columns / 2;
  if (F % 4 !== 0) {
    throw new ShapeError(`Cannot gate ${x.label} [${x.shape}]: each half must be a multiple of 4 wide`);
  }
  const y = tape.output([rows, F], x.live, [x], "gated");
  const size = { rows, F, rowSource: liveSource(x.live) };
  const constants = { LANES: tape.schedules.rowPerGroup ? 64 : 8, ACTIVATION: gateForms[activation] };
  const groups = (step: Readonly<Record<string, number>>) => liveRows(x.live, rows, step);
  tape.run(kernel, "forward", { read: { x }, write: { y }, size, constants, groups });

  tape.onBackward(y, (dy) => {
    const dx = tape.grad(x);
    if (!dx) return;
    const added = { ...constants, ACCUMULATE: dx.accumulate };
    tape.run(kernel, "backward", { read: { x, dy }, write: { dx: dx.tensor }, size, constants: added, groups });
  });
  return y;
}
