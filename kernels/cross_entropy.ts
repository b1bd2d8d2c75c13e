// The loss with its gradient, its metrics and the sticky flag; probabilities for prediction; see cross_entropy.wgsl.
import finite from "./finite.wgsl" with { type: "text" };
import source from "./cross_entropy.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { type LossScale, scaleGradient } from "./loss_scale.ts";
import { liveRows, liveSource, stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernel = stepKernel("cross_entropy", finite + source);

export interface CrossEntropyOptions {
  /** [B, C] probabilities, label smoothing already inside. */
  targets: Tensor;
  /** [B] */
  weights: Tensor;
  /**
   * [slots, 4]: loss, correct, battles, and the optimizer's gradient norm, one optimizer step a row. Micro-batches add to row
   * `slot` of the step uniform: whoever starts an optimizer step writes zeros there first.
   */
  metrics: Tensor;
  /** [1] u32: set to 1, for good, once a logit, the loss or (by the optimizer) the gradient norm is not finite. */
  flag: Tensor;
  /** Multiplies the gradient. */
  lossScale?: LossScale;
}

/**
 * Adds the loss of `logits` [B, C] to the metrics and starts the backward pass at them. `inverseWeight` of the step
 * uniform divides by the weight of the whole optimizer step.
 *
 * @throws {ShapeError} if the shapes do not fit or there are more than 8 classes
 */
export function crossEntropy(
  tape: Tape,
  logits: Tensor,
  { targets, weights, metrics, flag, lossScale }: CrossEntropyOptions,
): void {
  const [rows, C] = shape2(logits);
  if (C > 8 || targets.size !== rows * C || weights.size !== rows || metrics.shape[1] !== 4 || flag.dtype !== "u32") {
    throw new ShapeError(
      `Cannot take the loss of [${logits.shape}] against targets [${targets.shape}] and weights [${weights.shape}]: ` +
        "one weight a row, at most 8 classes, metrics [slots, 4] and a u32 flag are needed",
    );
  }
  const dlogits = tape.tensor(logits.shape, logits.live, "d logits");
  tape.run(kernel, "loss", {
    read: { logits, targets, weights },
    write: { dlogits, metrics, flag },
    size: { rows, C, rowSource: liveSource(logits.live) },
    groups: 1,
  });
  if (lossScale) scaleGradient(tape, dlogits, lossScale);
  if (tape.needsGrad(logits)) tape.setGrad(logits, dlogits);
}

/** Probabilities of each row of `logits` [B, C]; not differentiated. */
export function softmax(tape: Tape, logits: Tensor): Tensor {
  const [rows, C] = shape2(logits);
  const probabilities = tape.tensor(logits.shape, logits.live, "probabilities");
  tape.run(kernel, "softmax", {
    read: { logits },
    write: { probabilities },
    size: { rows, C, rowSource: liveSource(logits.live) },
    groups: (step) => Math.ceil(liveRows(logits.live, rows, step) / 64),
  });
  return probabilities;
}
