// What happens to predictions when A and B are exchanged: how much a model goes by the place of an answer.
import { likeliest } from "../../train/metrics.ts";
import { type BattleLoss, type GroupRow, LossGroups } from "./loss_groups.ts";

export interface SwapFindings {
  /** Battles predicted both ways. */
  battles: number;
  /** Distance of the two predictions of a battle: half the sum of the differences of its three probabilities, 0 to 1. */
  mean: number;
  largest: number;
  /** Battles whose likeliest outcome changes. */
  changed: number;
  /** Mean of P(A) as given less P(A) exchanged: above 0, the model prefers the first place. */
  towardsA: number;
  /** Log loss by distance. */
  groups: GroupRow[];
}

export interface BothWays {
  /** Of battles in the file. */
  places: readonly number[];
  /** [places, 3], both for the battle as given. */
  asGiven: ArrayLike<number>;
  exchanged: ArrayLike<number>;
}

const edges = [0, 0.01, 0.05, 0.1, 0.2];
const names = ["none", "up to 0.01", "0.01 – 0.05", "0.05 – 0.1", "0.1 – 0.2", "over 0.2"];

/** @param losses of all battles, by place */
export function swapFindings({ places, asGiven, exchanged }: BothWays, losses: (place: number) => BattleLoss) {
  const groups = new LossGroups(names);
  const found: SwapFindings = { battles: places.length, mean: 0, largest: 0, changed: 0, towardsA: 0, groups: [] };
  for (const [at, place] of places.entries()) {
    const distance = [0, 1, 2].reduce((sum, c) => sum + Math.abs(asGiven[at * 3 + c] - exchanged[at * 3 + c]) / 2, 0);
    found.mean += distance / places.length;
    found.largest = Math.max(found.largest, distance);
    if (likeliest(asGiven, at) !== likeliest(exchanged, at)) found.changed++;
    found.towardsA += (asGiven[at * 3] - exchanged[at * 3]) / places.length;
    const bin = edges.findIndex((edge) => distance <= edge);
    groups.add(names.at(bin)!, losses(place));
  }
  return { ...found, groups: groups.rows() };
}
