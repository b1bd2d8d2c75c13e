// Predictions for battles a model has not learned from, beside what came true: what calibrations and ensembles are fitted on.
import type { Outcome } from "../data/battle.ts";
import { readBattles } from "../data/battles.ts";
import { quoted } from "../data/csv.ts";
import { promptKey } from "../data/folds.ts";
import { readPredictions } from "../data/predictions.ts";
import { InputError } from "../errors.ts";
import { logLoss } from "./metrics.ts";

export interface OutOfFold {
  ids: string[];
  /** Of the prompts: battles with the same one are kept together. */
  keys: string[];
  labels: Outcome[];
  /** For each file its probabilities [B, 3]; each row adds up to 1. */
  members: Float64Array[];
  /** Battles of the data that no file speaks of. */
  leftOut: number;
}

/** Reads prediction files that speak of the same battles, all or some of those in `data`.
 *  @throws {InputError} with the id, if a battle is missing in one of the files or is not in `data` */
export async function readOutOfFold(data: string, files: readonly string[]): Promise<OutOfFold> {
  const predictions = await Promise.all(files.map(readPredictions));
  const found: OutOfFold = { ids: [], keys: [], labels: [], members: [], leftOut: 0 };
  const rows: number[][] = files.map(() => []);
  for await (const { id, row, prompt, label } of readBattles(data, { requireLabels: true })) {
    const has = predictions.map((file) => file.has(id));
    if (!has.includes(true)) found.leftOut++;
    if (!has.includes(true)) continue;
    if (has.includes(false)) {
      throw new InputError(
        `Cannot compare ${files[has.indexOf(true)]} with ${files[has.indexOf(false)]}: only the first holds id ` +
          `${quoted(id)} of ${data} row ${row}: give predictions of the same battles`,
      );
    }
    found.ids.push(id);
    found.keys.push(promptKey(prompt));
    found.labels.push(label!);
    for (const [at, file] of predictions.entries()) rows[at].push(...normalized(file.get(id)!, id, files[at]));
  }
  const known = new Set(found.ids);
  for (const [at, file] of predictions.entries()) {
    for (const [id, { row }] of file) {
      if (known.has(id)) continue;
      throw new InputError(
        `Cannot use ${files[at]} row ${row}: id ${quoted(id)} is not in ${data}: give the battles it predicts`,
      );
    }
  }
  found.members = rows.map((values) => Float64Array.from(values));
  return found;
}

function normalized({ row, probabilities }: { row: number; probabilities: number[] }, id: string, file: string) {
  const sum = probabilities[0] + probabilities[1] + probabilities[2];
  if (sum > 0) return probabilities.map((p) => p / sum);
  throw new InputError(`Cannot use ${file} row ${row}: the probabilities of id ${quoted(id)} are all 0: predict again`);
}

/** Parts of a cross-fit. */
const parts = 5;

/** An honest log loss of something fitted on the very battles at hand: fitted on four parts of the prompts, scored on the
 *  fifth, for each part in turn. Undefined where there are too few prompts or a part cannot be fitted.
 *  @param fit from places of battles to a function that predicts others, [B, 3] */
export function crossFittedLogLoss(
  keys: readonly string[],
  labels: readonly Outcome[],
  fit: (places: number[]) => (places: number[]) => ArrayLike<number>,
): number | undefined {
  const partOf = new Map([...new Set(keys)].sort().map((key, at) => [key, at % parts]));
  if (partOf.size < parts) return undefined;
  const p = new Float64Array(labels.length * 3);
  for (let part = 0; part < parts; part++) {
    const inside = (place: number) => partOf.get(keys[place]) === part;
    const places = [...labels.keys()], held = places.filter(inside);
    try {
      const predicted = fit(places.filter((place) => !inside(place)))(held);
      for (const [at, place] of held.entries()) for (let c = 0; c < 3; c++) p[place * 3 + c] = predicted[at * 3 + c];
    } catch (error) {
      if (error instanceof InputError) return undefined;
      throw error;
    }
  }
  return logLoss(p, labels);
}

/** Rows of [B, 3] at `places`. */
export function rowsAt(p: ArrayLike<number>, places: readonly number[]): Float64Array {
  const rows = new Float64Array(places.length * 3);
  for (const [at, place] of places.entries()) for (let c = 0; c < 3; c++) rows[at * 3 + c] = p[place * 3 + c];
  return rows;
}
