// Ensembles: one prediction from those of several models, by weights that are positive and add up to 1.
import type { Outcome } from "../data/battle.ts";
import { InputError } from "../errors.ts";
import { minimize, type Objective } from "./minimize.ts";

/** What is averaged: probabilities, or their logarithms (the geometric mean, made to add up to 1). */
export const blends = ["probabilities", "logits"] as const;
export type Blend = typeof blends[number];

/** As in the metric: a probability of 0 has a logarithm. */
const eps = 2 ** -52;

/** Mixes predictions [B, 3] of the same battles. @param weights one for each member */
export function blend(members: readonly ArrayLike<number>[], weights: ArrayLike<number>, on: Blend): Float64Array {
  const mixed = new Float64Array(members[0].length);
  for (let at = 0; at < mixed.length; at += 3) blendRow(mixed.subarray(at, at + 3), members, weights, on, at);
  return mixed;
}

/** The weights that make the mean of -log p(label) least; a convex problem. Starts from equal weights and moves their
 *  logarithms, so that none becomes negative.
 *  @param members [B, 3] each, of battles that the models have not learned from */
export function fitWeights(members: readonly ArrayLike<number>[], labels: readonly Outcome[], on: Blend): Float64Array {
  if (labels.length === 0) throw new InputError("Cannot fit an ensemble: there is no battle: give at least one");
  const mixed = new Float64Array(3);
  const objective: Objective = (x, gradient) => {
    const weights = softmax(x), slopes = new Float64Array(members.length);
    let loss = 0;
    for (let row = 0; row < labels.length; row++) {
      const at = row * 3, label = labels[row];
      blendRow(mixed, members, weights, on, at);
      const p = Math.max(mixed[label], eps);
      loss -= Math.log(p);
      for (const [m, member] of members.entries()) {
        if (on === "probabilities") slopes[m] -= member[at + label] / p;
        else {
          slopes[m] -= Math.log(Math.max(member[at + label], eps));
          for (let c = 0; c < 3; c++) slopes[m] += mixed[c] * Math.log(Math.max(member[at + c], eps));
        }
      }
    }
    const mean = slopes.reduce((sum, slope, m) => sum + slope * weights[m], 0);
    for (let m = 0; m < members.length; m++) gradient[m] = weights[m] * (slopes[m] - mean) / labels.length;
    return loss / labels.length;
  };
  return softmax(minimize(objective, new Float64Array(members.length), { tolerance: 1e-7, maxSteps: 300 }));
}

function blendRow(
  out: Float64Array,
  members: readonly ArrayLike<number>[],
  weights: ArrayLike<number>,
  on: Blend,
  at: number,
): void {
  for (let c = 0; c < 3; c++) {
    out[c] = 0;
    for (const [m, member] of members.entries()) {
      out[c] += weights[m] * (on === "logits" ? Math.log(Math.max(member[at + c], eps)) : member[at + c]);
    }
  }
  if (on === "logits") out.set(softmax(out));
}

function softmax(scores: Float64Array): Float64Array {
  const highest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
