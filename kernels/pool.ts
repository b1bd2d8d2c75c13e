// Pooling: one row for each segment, its mean, first or last token; backward right below; see pool.wgsl.
import source from "./pool.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernel = stepKernel("pool", source);

const modes = { mean: 0, first: 1, last: 2 } as const;

export interface PoolOptions {
  mode: keyof typeof modes;
  /** [S + 1] u32: first token of each segment, then the number of tokens. Segments lie end to end. */
  starts: Tensor;
}

/** Groups that share the tokens of one segment in backward; as in pool.wgsl. */
const SHARES = 8;

/** Pools `x` [T, W] to [S, W]. @throws {ShapeError} if W is not a multiple of 4 */
export function pool(tape: Tape, x: Tensor, { mode, starts }: PoolOptions): Tensor {
  const W = shape2(x)[1], S = starts.size - 1;
  if (W % 4 !== 0 || S < 1) {
    throw new ShapeError(
      `Cannot pool ${x.label} [${x.shape}] by starts [${starts.shape}]: the width must be a multiple of 4, and starts ` +
        "hold one more than the segments",
    );
  }
  const y = tape.output([S, W], "segments", [x], `${mode} pooling`);
  tape.run(kernel, "forward", {
    read: { x, starts },
    write: { y },
    size: { W, mode: modes[mode], accumulate: 0 },
    groups: (step) => [step.segments, Math.ceil(W / 4 / 32), 1],
  });

  tape.onBackward(y, (dy) => {
    const dx = tape.grad(x);
    if (!dx) return;
    tape.run(kernel, "backward", {
      read: { dy, starts },
      write: { dx: dx.tensor },
      size: { W, mode: modes[mode], accumulate: dx.accumulate },
      groups: (step) => [step.segments, SHARES, 1],
    });
  });
  return y;
}
