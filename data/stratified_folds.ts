// K folds for cross-validation: battles of one prompt stay together, and each fold gets its share of every outcome.
import { createHash } from "node:crypto";
import { InputError } from "../errors.ts";
import type { Outcome } from "./battle.ts";
import type { Split } from "./folds.ts";

export interface FoldOptions {
  folds: number;
  seed: number;
}

/** The fold of each battle, 0 to K - 1. Groups are dealt out, the largest first and equal ones by a hash of key and seed,
 *  each to the fold that so far lacks its outcomes and battles most. The order of the rows does not matter.
 *  @param keys what keeps battles together, e.g. `nearDuplicateKeys`
 *  @throws {InputError} if there are fewer different keys than folds */
export function stratifiedFolds(
  keys: readonly string[],
  labels: readonly Outcome[],
  { folds, seed }: FoldOptions,
): Uint32Array {
  const groups = groupsOf(keys, labels, seed);
  if (groups.length < folds) {
    throw new InputError(
      `Cannot make ${folds} folds: the ${keys.length} battles have ${groups.length} different prompts: lower --folds`,
    );
  }
  const totals = [0, 1, 2].map((outcome) => labels.filter((label) => label === outcome).length);
  totals.push(keys.length);
  const held = Array.from({ length: folds }, () => [0, 0, 0, 0]);
  const foldOf = new Map<string, number>();
  for (const { key, counts } of groups) {
    // The squares of each fold's shares, summed over folds, grow least where it has little of what the group brings.
    const growth = held.map((fold) =>
      counts.reduce((sum, count, kind) => sum + count * (2 * fold[kind] + count) / (totals[kind] ** 2 || 1), 0)
    );
    const fold = growth.indexOf(Math.min(...growth));
    counts.forEach((count, kind) => held[fold][kind] += count);
    foldOf.set(key, fold);
  }
  return Uint32Array.from(keys, (key) => foldOf.get(key)!);
}

/** The battles of one fold, and all others. @param fold from 0 */
export function splitByFold(foldOf: Uint32Array, fold: number): Split {
  const split: Split = { train: [], valid: [] };
  for (const [place, its] of foldOf.entries()) (its === fold ? split.valid : split.train).push(place);
  return split;
}

/** Counts A wins, B wins, ties and battles. */
interface Group {
  key: string;
  rank: string;
  counts: number[];
}

function groupsOf(keys: readonly string[], labels: readonly Outcome[], seed: number): Group[] {
  const groups = new Map<string, Group>();
  for (const [place, key] of keys.entries()) {
    let group = groups.get(key);
    if (!group) {
      const rank = createHash("sha256").update(`${seed}\n${key}`.toWellFormed()).digest("hex");
      groups.set(key, group = { key, rank, counts: [0, 0, 0, 0] });
    }
    group.counts[labels[place]]++;
    group.counts[3]++;
  }
  return [...groups.values()].sort((one, other) => other.counts[3] - one.counts[3] || (one.rank < other.rank ? -1 : 1));
}
