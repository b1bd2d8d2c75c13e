// `crossvalidate`: trains on all folds but one, for each fold in turn, and keeps what each run predicts for its own.
import { join } from "node:path";
import { writeSubmission } from "../data/predictions.ts";
import { UsageError } from "../errors.ts";
import { type CrossValidation, gatherFolds, planFolds } from "../train/crossvalidate.ts";
import { integer } from "../train/flags.ts";
import { prepareRun, withLastingPaths } from "../train/prepare_run.ts";
import { outOfFoldName } from "../train/run_folder.ts";
import { fileSha256 } from "../train/run_record.ts";
import { trainFlags } from "../train/train_flags.ts";
import { parseCommand } from "./command.ts";
import { findModel } from "./model_source.ts";
import { runPrepared } from "./train_run.ts";

const { fold: _fold, valid: _valid, validFraction, resume, folds: _folds, data, out, force, ...shared } = trainFlags;

const description = {
  name: "crossvalidate",
  summary:
    "Trains one model for each fold on the battles of all other folds. No prompt, and no near-duplicate of one, is in two " +
    "folds; each fold has its share of every outcome. The same command goes on after a stop: finished folds are skipped.",
  flags: {
    data: { ...data, otherwise: undefined },
    folds: integer({ group: "Data", help: "how many", default: 5, min: 2, max: 1000 }),
    ...shared,
    out: { ...out, help: "folder for the folds", otherwise: undefined },
    force: { ...force, help: "replace the folds in --out" },
  },
  examples: [
    [
      "deno task crossvalidate --data train.csv --out runs/cv",
      "five folds: runs/cv/fold-1 to fold-5, and out_of_fold.csv",
    ],
  ] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { data, out } = parsed.settings;
  if (data === undefined) throw new UsageError("Cannot crossvalidate without battles: name a file with --data");
  if (out === undefined) throw new UsageError("Cannot crossvalidate without --out: name a folder for the folds");
  const fixed = { fold: undefined, valid: undefined, validFraction: validFraction.default, resume: resume.default };
  const flags = await withLastingPaths({ ...parsed.settings, ...fixed });
  const plan = await planFolds({ ...flags, folds: parsed.settings.folds, out }, parsed.given, await fileSha256(data));
  const given = new Set([...parsed.given, "folds", "fold"]);
  for (const { fold, folder, state, flags } of plan) {
    console.error(`fold ${fold} of ${plan.length}: ${state === "finished" ? `${folder} is finished` : folder}`);
    if (state === "finished") continue;
    const prepared = await prepareRun({ flags, given, findModel, onNotice: (line) => console.error(line) });
    try {
      const { outcome, progress, totalSteps } = await runPrepared(prepared);
      if (outcome === "stopped") {
        throw new Error(
          `Stopped fold ${fold} after step ${progress.step} of ${totalSteps}: go on with the same command`,
        );
      }
    } finally {
      prepared.dispose();
    }
  }
  const result = await gatherFolds(data, plan.map(({ folder }) => folder));
  const file = join(out, outOfFoldName);
  await writeSubmission(file, result.predictions);
  print(result);
  console.log(`out-of-fold predictions: ${file}`);
}

function print({ folds, all, mean, spread }: CrossValidation): void {
  const line = (name: string, battles: string, logLoss: string, accuracy: string) =>
    console.log(`${name.padEnd(9)}${battles.padStart(8)}${logLoss.padStart(10)}${accuracy.padStart(11)}`);
  line("fold", "battles", "log loss", "accuracy");
  const rows = [...folds.map((fold, at) => ({ name: `${at + 1}`, ...fold })), { name: "all", ...all }];
  for (const { name, battles, logLoss, accuracy } of rows) {
    line(name, String(battles), logLoss.toFixed(4), `${(accuracy * 100).toFixed(1)} %`);
  }
  console.log(`log loss over folds: mean ${mean.toFixed(4)}, deviation ${spread.toFixed(4)}`);
}
