// The number head: what numbers beside the text add to the three logits; backward right below; see number_head.wgsl.
import source from "./number_head.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernel = stepKernel("number_head", source);

export interface NumberHeadOptions {
  /** [B, N], changes its sign when A and B are exchanged. */
  x: Tensor;
  /** [B, M], does not. */
  t: Tensor;
  /** [N] weights of `x`, and what it is divided by. */
  winner: Tensor;
  winnerScale: Tensor;
  /** [M] weights of `t`, what is taken from it, and what the rest is divided by. */
  tie: Tensor;
  tieMean: Tensor;
  tieScale: Tensor;
}

/**
 * Logits [B, 3] with the numbers' part added. The two weights are trained together or not at all.
 *
 * @throws {ShapeError} if a weight, mean or scale has not one value a column
 */
export function numberHead(tape: Tape, z: Tensor, options: NumberHeadOptions): Tensor {
  const { x, t, winner, winnerScale, tie, tieMean, tieScale } = options;
  const B = shape2(z)[0], N = shape2(x)[1], M = shape2(t)[1];
  if ([winner, winnerScale].some(({ size }) => size !== N) || [tie, tieMean, tieScale].some(({ size }) => size !== M)) {
    throw new ShapeError(
      `Cannot apply the number head to [${x.shape}] and [${t.shape}]: winner [${winner.shape}] and tie [${tie.shape}], ` +
        "their means and scales must have one value a column",
    );
  }
  const y = tape.output([B, 3], "battles", [z, winner, tie], "logits");
  const size = { N, M };
  tape.run(kernel, "forward", {
    read: { z, x, t, winner, winnerScale, tie, tieMean, tieScale },
    write: { y },
    size,
    groups: (step) => Math.ceil(step.battles * 3 / 64),
  });

  tape.onBackward(y, (g) => {
    const dwinner = tape.grad(winner)?.tensor, dtie = tape.grad(tie)?.tensor;
    if (dwinner && dtie) {
      tape.run(kernel, "backward_w", {
        read: { x, t, winnerScale, tieMean, tieScale, g },
        write: { dwinner, dtie },
        size,
        groups: Math.ceil((N + M) / 64),
      });
    }
    // Every head makes `z` for this operation alone.
    if (tape.needsGrad(z) && !tape.adoptGrad(z, g)) {
      throw new ShapeError("Cannot differentiate the number head: its logits have a gradient already");
    }
  });
  return y;
}
