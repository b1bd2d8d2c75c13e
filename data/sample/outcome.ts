// From planted features to utility, from two utilities to the true probabilities (Bradley-Terry-Davidson).

import type { Features } from "./answer.ts";

/** What each feature adds to a text's utility, in log-odds of winning against a text without it. */
export const weights: Features = { helpful: 3, onTopic: 5, right: 2, clear: 4 };

/** Davidson's tie parameter: at equal utilities a tie is TIE times as likely as either win. Set for 30 % ties overall. */
export const TIE = 3.2;

/** Sum of the weights of the features that the text has. */
export function utility(features: Features): number {
  return weights.helpful * features.helpful + weights.onTopic * features.onTopic +
    weights.right * features.right + weights.clear * features.clear;
}

/** Probabilities of (A wins, B wins, tie): proportional to exp(a), exp(b) and TIE * exp((a + b) / 2), Davidson 1970. */
export function outcomeProbabilities(a: number, b: number): [number, number, number] {
  const winA = Math.exp((a - b) / 2), winB = Math.exp((b - a) / 2);
  const sum = winA + winB + TIE;
  return [winA / sum, winB / sum, TIE / sum];
}
