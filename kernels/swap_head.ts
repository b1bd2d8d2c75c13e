// The swap head: three logits from two pooled sides, symmetric under their exchange; backward right below; see
// swap_head.wgsl.
import source from "./swap_head.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernel = stepKernel("swap_head", source);

export interface SwapHeadOptions {
  /** [B, 2] u32: rows of `pooled` that hold side A and side B. */
  sides: Tensor;
  /** [W], weight of the own side. */
  a: Tensor;
  /** [W], weight of the other side. */
  b: Tensor;
  /** [W], weight of the sides' sum in the tie. */
  t: Tensor;
  /** [W], weight of the sides' distance in the tie. */
  d: Tensor;
  /** [2]: of the winners, of the tie. */
  bias: Tensor;
}

/**
 * Logits [B, 3] (A wins, B wins, tie) from `pooled` [S, W]. The parameters are trained together or not at all.
 *
 * @throws {ShapeError} if W is not a multiple of 4, or a parameter is not as wide as `pooled`
 */
export function swapHead(tape: Tape, pooled: Tensor, { sides, a, b, t, d, bias }: SwapHeadOptions): Tensor {
  const W = shape2(pooled)[1], [B] = shape2(sides);
  if (W % 4 !== 0 || [a, b, t, d].some((weight) => weight.size !== W) || bias.size !== 2) {
    throw new ShapeError(
      `Cannot apply the swap head to [${pooled.shape}]: the width must be a multiple of 4, a, b, t and d [${W}] (here ` +
        `${[a, b, t, d].map((weight) => `[${weight.shape}]`).join(", ")}) and the bias [2] (here [${bias.shape}])`,
    );
  }
  const logits = tape.output([B, 3], "battles", [pooled, a, b, t, d, bias], "logits");
  tape.run(kernel, "forward", {
    read: { pooled, sides, a, b, t, d, bias },
    write: { logits },
    size: { W, accumulate: 0 },
    groups: (step) => [step.battles, 3, 1],
  });

  tape.onBackward(logits, (dlogits) => {
    const dpooled = tape.grad(pooled);
    if (dpooled) {
      tape.run(kernel, "backward_x", {
        read: { pooled, sides, a, b, t, d, dlogits },
        write: { dpooled: dpooled.tensor },
        size: { W, accumulate: dpooled.accumulate },
        groups: (step) => [step.battles, 2, 1],
      });
    }
    const [da, db, dt, dd, dbias] = [a, b, t, d, bias].map((parameter) => tape.grad(parameter)?.tensor);
    if (!da || !db || !dt || !dd || !dbias) return;
    tape.run(kernel, "backward_w", {
      read: { pooled, sides, dlogits },
      write: { da, db, dt, dd, dbias },
      size: { W, accumulate: 1 },
      groups: Math.ceil((W / 4 + 1) / 64),
    });
  });
  return logits;
}
