// A leaderboard: strengths on the usual scale of 400 points to a factor of ten, with bootstrap intervals over battles.
import { Random } from "../../data/random.ts";
import { fitStrengths, type PairCounts } from "./bradley_terry.ts";
import { quantile } from "./quantile.ts";
import { Resampler } from "./resample.ts";
import type { Interval } from "./wilson.ts";

export interface Leaderboard {
  /** Of each chatbot: points, 1000 on average, and their 95 % interval. */
  ratings: (Interval & { points: number })[];
  /** Davidson's tie parameter; 0 without ties. */
  nu: number;
  rounds: number;
  /** Groups of chatbots that never met a chatbot of another group: points compare only within one. */
  groups: number;
}

export interface LeaderboardOptions {
  chatbots: number;
  pairs: readonly PairCounts[];
  seed: number;
  /** Bootstrap samples. @default {200} */
  rounds?: number;
}

const points = (theta: number) => 1000 + 400 / Math.LN10 * theta;

/** Fits the model to all battles and to `rounds` samples of them drawn with replacement; intervals are percentiles. */
export function leaderboard({ chatbots, pairs, seed, rounds = 200 }: LeaderboardOptions): Leaderboard {
  const whole = fitStrengths(chatbots, pairs);
  const resampler = new Resampler(pairs.flatMap(({ winsI, winsJ, ties }) => [winsI, winsJ, ties]));
  const random = new Random(seed);
  const samples = Array.from({ length: chatbots }, () => new Float64Array(rounds));
  for (let round = 0; round < rounds; round++) {
    const drawn = resampler.draw(random);
    const resampled = pairs.map(({ i, j }, pair) => (
      { i, j, winsI: drawn[3 * pair], winsJ: drawn[3 * pair + 1], ties: drawn[3 * pair + 2] }
    ));
    const { theta } = fitStrengths(chatbots, resampled, whole);
    for (const [chatbot, of] of samples.entries()) of[round] = points(theta[chatbot]);
  }
  const ratings = samples.map((of, chatbot) => {
    const ascending = of.toSorted();
    return {
      points: points(whole.theta[chatbot]),
      low: quantile(ascending, 0.025),
      high: quantile(ascending, 0.975),
    };
  });
  return { ratings, nu: whole.nu, rounds, groups: countGroups(chatbots, pairs) };
}

/** Connected components of "met in a battle". */
function countGroups(chatbots: number, pairs: readonly PairCounts[]): number {
  const leader = Array.from({ length: chatbots }, (_, i) => i);
  const find = (i: number): number => leader[i] === i ? i : leader[i] = find(leader[i]);
  for (const { i, j } of pairs) leader[find(i)] = find(j);
  return leader.filter((_, i) => find(i) === i).length;
}
