// Cross-validation: the runs of all folds, one after another, and what their out-of-fold predictions come to.
import { join } from "node:path";
import type { Outcome } from "../data/battle.ts";
import { readBattles } from "../data/battles.ts";
import { quoted } from "../data/csv.ts";
import { type Prediction, readPredictions } from "../data/predictions.ts";
import { InputError } from "../errors.ts";
import { isFile } from "../model/model_files.ts";
import { accuracy, logLoss } from "./metrics.ts";
import { readRun } from "./held_out.ts";
import { outOfFoldName } from "./run_folder.ts";
import { resumedFlags } from "./run_record.ts";
import type { TrainFlags } from "./train_flags.ts";

/** Where a fold of a cross-validation stands. */
export type FoldState = "new" | "begun" | "finished";

export interface FoldRun {
  /** From 1. */
  fold: number;
  folder: string;
  state: FoldState;
  /** For the run that is still to do. */
  flags: TrainFlags;
}

/** Looks at the folder of each fold under `out`; nothing is changed.
 *  @param given fields that the user gave @param sha256 of the data
 *  @throws {UsageError} if a fold was begun with other settings @throws {InputError} if with other data */
export async function planFolds(
  flags: TrainFlags & { folds: number; out: string },
  given: ReadonlySet<string>,
  sha256: string,
): Promise<FoldRun[]> {
  const runs: FoldRun[] = [];
  for (let fold = 1; fold <= flags.folds; fold++) {
    const folder = join(flags.out, `fold-${fold}`);
    const run = flags.force ? undefined : await readRun(folder);
    if (run) {
      resumedFlags({ ...flags, fold }, new Set([...given, "folds", "fold"]), folder, run);
      if ((run.data as { sha256?: string } | undefined)?.sha256 !== sha256) {
        throw new InputError(
          `Cannot go on in ${folder}: it was begun with other data: name another --out, or add --force`,
        );
      }
    }
    const state = !run ? "new" : await isFile(join(folder, outOfFoldName)) ? "finished" : "begun";
    runs.push({ fold, folder, state, flags: { ...flags, fold, out: folder, resume: state === "begun" } });
  }
  return runs;
}

export interface FoldScore {
  battles: number;
  logLoss: number;
  accuracy: number;
}

export interface CrossValidation {
  /** Every battle once, in the order of the data. */
  predictions: Prediction[];
  folds: FoldScore[];
  /** Of all battles together. */
  all: FoldScore;
  /** Mean of the folds' log losses, and their deviation (n - 1). */
  mean: number;
  spread: number;
}

/** Puts the folds' predictions together and scores them.
 *  @throws {InputError} if a battle of the data is in none of the folds, or in two */
export async function gatherFolds(data: string, folders: readonly string[]): Promise<CrossValidation> {
  const found = new Map<string, { fold: number; probabilities: [number, number, number] }>();
  for (const [fold, folder] of folders.entries()) {
    for (const [id, { probabilities }] of await readPredictions(join(folder, outOfFoldName))) {
      if (found.has(id)) {
        throw new InputError(`Cannot put folds together: id ${quoted(id)} is in two of them: start again with --force`);
      }
      found.set(id, { fold, probabilities });
    }
  }
  const predictions: Prediction[] = [];
  const parts = Array.from({ length: folders.length + 1 }, () => ({ p: [] as number[], labels: [] as Outcome[] }));
  for await (const { id, row, label } of readBattles(data, { requireLabels: true })) {
    const prediction = found.get(id);
    if (!prediction) {
      throw new InputError(
        `Cannot put folds together: id ${
          quoted(id)
        } of ${data} row ${row} is in none of them: start again with --force`,
      );
    }
    predictions.push({ id, probabilities: prediction.probabilities });
    for (const part of [parts[prediction.fold], parts.at(-1)!]) {
      part.p.push(...prediction.probabilities);
      part.labels.push(label!);
    }
  }
  const scores = parts.map(({ p, labels }) => ({
    battles: labels.length,
    logLoss: logLoss(p, labels),
    accuracy: accuracy(p, labels),
  }));
  const folds = scores.slice(0, -1);
  const mean = folds.reduce((sum, { logLoss }) => sum + logLoss, 0) / folds.length;
  const squares = folds.reduce((sum, { logLoss }) => sum + (logLoss - mean) ** 2, 0);
  return { predictions, folds, all: scores.at(-1)!, mean, spread: Math.sqrt(squares / (folds.length - 1)) };
}
