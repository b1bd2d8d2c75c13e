// Calibration: probabilities are set right after the fact by p' = softmax(scale * log p + bias), fitted on battles that
// the model has not learned from. Guo 2017, "On Calibration of Modern Neural Networks", section 4.2.
import { InputError } from "../errors.ts";
import type { Outcome } from "../data/battle.ts";
import type { Calibration, CalibrationMethod } from "../model/calibration_entry.ts";
import { minimize, type Objective } from "./minimize.ts";

export interface FitCalibrationOptions {
  /** `temperature`: one scale. `prior`: biases alone, so that the mean prediction becomes the outcomes' shares.
   *  `vector`: a scale and a bias for each outcome. */
  method: CalibrationMethod;
  /** A and B get the same scale and bias, so that exchanging them still exchanges their probabilities to the bit. */
  symmetric: boolean;
}

/** The probabilities' smallest double step from 1, as in the metric: a probability of 0 has a logarithm. */
const eps = 2 ** -52;

/** A scale below this says that the predictions tell nothing; a loss below this, that the scale has no bound. */
const leastScale = 0.01, leastLoss = 1e-3;

/** The parameters that make the mean of -log p'(label) least; a convex problem.
 *  @param p [B, 3] @param labels [B]
 *  @throws {InputError} if no sound calibration is best */
export function fitCalibration(
  p: ArrayLike<number>,
  labels: ArrayLike<Outcome>,
  { method, symmetric }: FitCalibrationOptions,
): Calibration {
  checkOutcomes(labels, method, symmetric);
  const logs = logProbabilities(p);
  const layout = parameterLayout(method, symmetric);
  const calibrated = new Float64Array(3);
  const objective: Objective = (x, gradient) => {
    const { scale, bias } = layout.read(x);
    let loss = 0;
    gradient.fill(0);
    for (let row = 0; row < labels.length; row++) {
      const label = labels[row];
      loss += softmaxInto(calibrated, logs, row * 3, scale, bias) - scale[label] * logs[row * 3 + label] - bias[label];
      for (let c = 0; c < 3; c++) {
        const slope = (calibrated[c] - Number(c === label)) / labels.length;
        if (layout.scaleAt) gradient[layout.scaleAt[c]] += slope * logs[row * 3 + c];
        if (layout.biasAt) gradient[layout.biasAt[c]] += slope;
      }
    }
    return loss / labels.length;
  };
  // Where the gradient is 1e-7 the loss is within 1e-13 of the least one: below that only rounding is left.
  const best = minimize(objective, layout.start, { tolerance: 1e-7, maxSteps: 100 });
  const { scale, bias } = layout.read(best);
  const lowest = Math.min(...scale), isPerfect = objective(best, new Float64Array(best.length)) < leastLoss;
  if (lowest < leastScale || isPerfect) {
    const found = isPerfect
      ? "they are told apart without a mistake, so that no scale is best"
      : `the best scale is ${lowest.toPrecision(3)}, as the predictions say nothing about them`;
    throw new InputError(
      `Cannot calibrate on ${labels.length} battles: ${found}: give more battles, or use --method prior`,
    );
  }
  const center = (bias[0] + bias[1] + bias[2]) / 3;
  return { method, scale, bias: [bias[0] - center, bias[1] - center, bias[2] - center] };
}

/** Calibrated probabilities [B, 3]. Where A and B share scale and bias, exchanged columns give exchanged columns. */
export function calibrate(p: ArrayLike<number>, { scale, bias }: Calibration): Float64Array {
  const logs = logProbabilities(p), all = new Float64Array(p.length);
  for (let at = 0; at < p.length; at += 3) softmaxInto(all.subarray(at, at + 3), logs, at, scale, bias);
  return all;
}

type Triple = [number, number, number];

/** Which free parameter stands behind each outcome's scale and bias. */
function parameterLayout(method: CalibrationMethod, symmetric: boolean) {
  const each = symmetric ? [0, 0, 1] : [0, 1, 2], free = symmetric ? 2 : 3;
  const scaleAt = method === "prior" ? undefined : method === "temperature" ? [0, 0, 0] : each;
  const scales = method === "prior" ? 0 : method === "temperature" ? 1 : free;
  const biasAt = method === "temperature" ? undefined : each.map((at) => scales + at);
  const start = new Float64Array(scales + (biasAt ? free : 0)).fill(1, 0, scales);
  const read = (x: Float64Array): { scale: Triple; bias: Triple } => ({
    scale: (scaleAt ? scaleAt.map((at) => x[at]) : [1, 1, 1]) as Triple,
    bias: (biasAt ? biasAt.map((at) => x[at]) : [0, 0, 0]) as Triple,
  });
  return { scaleAt, biasAt, start, read };
}

/** A bias is without bound for an outcome that never, or always, comes true. */
function checkOutcomes(labels: ArrayLike<Outcome>, method: CalibrationMethod, symmetric: boolean): void {
  const counts = [0, 0, 0];
  for (let row = 0; row < labels.length; row++) counts[labels[row]]++;
  if (labels.length === 0) throw new InputError("Cannot calibrate: there is no battle: give at least one");
  if (method === "temperature") return;
  const groups = symmetric
    ? { "a winner": counts[0] + counts[1], "a tie": counts[2] }
    : { "A as the winner": counts[0], "B as the winner": counts[1], "a tie": counts[2] };
  for (const [name, count] of Object.entries(groups)) {
    if (count > 0) continue;
    throw new InputError(
      `Cannot calibrate by ${method} on ${labels.length} battles: none of them has ${name}: use --method temperature`,
    );
  }
}

function logProbabilities(p: ArrayLike<number>): Float64Array {
  return Float64Array.from(p, (value, at) => {
    if (value >= 0) return Math.log(Math.max(value, eps));
    throw new InputError(
      `Cannot calibrate prediction ${Math.floor(at / 3) + 1}: a probability is ${value}: predict again`,
    );
  });
}

/** @returns the logarithm of the sum of the scores' exponentials */
function softmaxInto(out: Float64Array, logs: Float64Array, at: number, scale: Triple, bias: Triple): number {
  const a = scale[0] * logs[at] + bias[0], b = scale[1] * logs[at + 1] + bias[1];
  const tie = scale[2] * logs[at + 2] + bias[2];
  const highest = Math.max(a, b, tie);
  out[0] = Math.exp(a - highest);
  out[1] = Math.exp(b - highest);
  out[2] = Math.exp(tie - highest);
  // A and B are added first: the sum is the same to the bit when they change places.
  const sum = out[0] + out[1] + out[2];
  for (let c = 0; c < 3; c++) out[c] /= sum;
  return highest + Math.log(sum);
}
