// Residual addition with dropout, and dropout alone; backward right below each; see add.wgsl.
import dropoutFunctions from "./dropout.wgsl" with { type: "text" };
import source from "./add.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { activeDropout, type Dropout, dropoutFields } from "./dropout.ts";
import { liveRows, liveSource, stepKernel } from "./step.ts";
import { type GradientTarget, type Tape } from "./tape.ts";

const kernel = stepKernel("add", dropoutFunctions + source);

/**
 * x + dropout(a), both [rows, W].
 *
 * @throws {ShapeError} if the shapes differ, W is not a multiple of 4, or dropout has not one key a row
 */
export function add(tape: Tape, x: Tensor, a: Tensor, dropout?: Dropout): Tensor {
  const [rows, W] = shape2(x);
  if (a.size !== rows * W || shape2(a)[1] !== W || a.live !== x.live) {
    throw new ShapeError(`Cannot add ${a.label} [${a.shape}] to ${x.label} [${x.shape}]: the shapes must be one`);
  }
  const y = tape.output(x.shape, x.live, [x, a], "sum");
  recordAdd(tape, { x, a, y, dropout });

  tape.onBackward(y, (dy) => {
    const adopted = x !== a && tape.adoptGrad(x, dy);
    // First `a`: the next contribution to an adopted dy would change what `a` is to receive.
    recordDrop(tape, dy, tape.grad(a), dropout);
    if (!adopted) recordDrop(tape, dy, tape.grad(x));
  });
  return y;
}

/** Records y = x + dropout(a). */
export function recordAdd(
  tape: Tape,
  { x, a, y, dropout }: { x: Tensor; a: Tensor; y: Tensor; dropout: Dropout | undefined },
): void {
  const drops = activeDropout(dropout);
  tape.run(kernel, drops ? "add_dropped" : "add", {
    read: { x, a, ...(drops && { keys: drops.tokenKeys }) },
    write: { y },
    ...sizes(tape, x, drops, 0),
  });
}

/** Each channel of `x` [rows, W] zeroed with the given probability, the others scaled up; `x` itself without dropout. */
export function dropout(tape: Tape, x: Tensor, dropout?: Dropout): Tensor {
  if (!activeDropout(dropout)) return x;
  const y = tape.output(x.shape, x.live, [x], `dropped ${x.label}`);
  recordDrop(tape, x, { tensor: y, accumulate: 0 }, dropout);
  tape.onBackward(y, (dy) => recordDrop(tape, dy, tape.grad(x), dropout));
  return y;
}

/** Records target (+)= mask * x; without dropout a copy. */
export function recordDrop(tape: Tape, x: Tensor, target: GradientTarget | undefined, dropout?: Dropout): void {
  if (!target) return;
  const drops = activeDropout(dropout);
  tape.run(kernel, drops ? "dropped" : "copy", {
    read: { x, ...(drops && { keys: drops.tokenKeys }) },
    write: { y: target.tensor },
    ...sizes(tape, x, drops, target.accumulate),
  });
}

function sizes(tape: Tape, x: Tensor, dropout: Dropout | undefined, accumulate: 0 | 1) {
  const [rows, W] = shape2(x);
  if (W % 4 !== 0 || (dropout && dropout.tokenKeys.size !== rows)) {
    throw new ShapeError(
      `Cannot drop or add ${x.label} [${x.shape}]: the width must be a multiple of 4, and dropout needs one key a row`,
    );
  }
  return {
    size: { rows, W, rowSource: liveSource(x.live), ...dropoutFields(dropout) },
    constants: { LANES: tape.schedules.rowPerGroup ? 64 : 8, ACCUMULATE: accumulate },
    groups: (step: Readonly<Record<string, number>>) => liveRows(x.live, rows, step),
  };
}
