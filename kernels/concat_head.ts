// The concat head: a dense layer on [u; v], the two pooled sides; backward right below; see concat_head.wgsl.
import source from "./concat_head.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernel = stepKernel("concat_head", source);

export interface ConcatHeadOptions {
  /** [B, 2] u32: rows of `pooled` that hold side A and side B. */
  sides: Tensor;
  /** [C, 2 W] */
  weight: Tensor;
  /** [C] */
  bias: Tensor;
}

/**
 * Logits [B, C] from `pooled` [S, W]. Weight and bias are trained together or not at all.
 *
 * @throws {ShapeError} if W is not a multiple of 4, or the weight is not [C, 2 W]
 */
export function concatHead(tape: Tape, pooled: Tensor, { sides, weight, bias }: ConcatHeadOptions): Tensor {
  const W = shape2(pooled)[1], [B] = shape2(sides), [C, columns] = shape2(weight);
  if (W % 4 !== 0 || columns !== 2 * W || bias.size !== C) {
    throw new ShapeError(
      `Cannot apply the concat head to [${pooled.shape}]: the width must be a multiple of 4, the weight ` +
        `[C, ${2 * W}] (here [${weight.shape}]) and the bias [C] (here [${bias.shape}])`,
    );
  }
  const logits = tape.output([B, C], "battles", [pooled, weight, bias], "logits");
  tape.run(kernel, "forward", {
    read: { pooled, sides, weight, bias },
    write: { logits },
    size: { W, C, accumulate: 0 },
    groups: (step) => [step.battles, C, 1],
  });

  tape.onBackward(logits, (dlogits) => {
    const dpooled = tape.grad(pooled);
    if (dpooled) {
      tape.run(kernel, "backward_x", {
        read: { sides, weight, dlogits },
        write: { dpooled: dpooled.tensor },
        size: { W, C, accumulate: dpooled.accumulate },
        groups: (step) => [step.battles, 2, 1],
      });
    }
    const dweight = tape.grad(weight)?.tensor, dbias = tape.grad(bias)?.tensor;
    if (!dweight || !dbias) return;
    tape.run(kernel, "backward_w", {
      read: { pooled, sides, dlogits },
      write: { dweight, dbias },
      size: { W, C, accumulate: 1 },
      groups: [Math.ceil((W / 2 + 1) / 64), C, 1],
    });
  });
  return logits;
}
