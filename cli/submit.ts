// `submit`: predictions for a test file, as a submission.
import { readBattles } from "../data/battles.ts";
import { encodeAll } from "../data/dataset.ts";
import { writeSubmission, writeWithInputs } from "../data/predictions.ts";
import { UsageError } from "../errors.ts";
import { calibrate } from "../train/calibration.ts";
import { text, toggle } from "../train/flags.ts";
import { openTrained } from "../train/open_trained.ts";
import { predictAll } from "../train/predict.ts";
import { parseCommand } from "./command.ts";
import { findModel } from "./model_source.ts";
import { chosenCalibration, predictionFlags, predictionProgress } from "./prediction_flags.ts";

const description = {
  name: "submit",
  summary: "Writes a submission: id, winner_model_a, winner_model_b, winner_tie, in the order of the test file.",
  flags: {
    data: text({ group: "Data", value: "FILE", help: "battles in Kaggle's layout; outcomes are not needed" }),
    out: text({ group: "Data", value: "FILE", help: "where to write", default: "submission.csv" }),
    withInputs: toggle({
      group: "Data",
      help: "write the battles too, predictions as target_a, target_b, target_tie: what train --extra-data learns from",
      default: false,
    }),
    force: toggle({ group: "Data", help: "replace that file", default: false }),
    ...predictionFlags,
  },
  examples: [
    ["deno task submit --data test.csv --model runs/first", "into submission.csv"],
    [
      "deno task submit --data more.csv --model runs/big --with-inputs --out judged.csv",
      "battles with a model's judgement, for another model's --extra-data",
    ],
  ] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { data, out, force, model, withInputs, ...settings } = parsed.settings;
  if (data === undefined) throw new UsageError("Cannot submit without battles: name a file with --data");
  if (model === undefined) throw new UsageError("Cannot submit without a model: name a run folder with --model");
  if (!force && await exists(out)) {
    throw new UsageError(`Cannot write ${out}: it exists: add --force, or name another --out`);
  }
  const folder = await findModel({ ...settings, model });
  const calibration = await chosenCalibration(folder, settings);
  const trained = await openTrained(folder, settings);
  const progress = predictionProgress();
  try {
    const battles = await encodeAll(readBattles(data), trained.tokenizer, trained.encoding);
    const raw = await predictAll(trained.engine, battles, { ...settings, onProgress: progress.onProgress });
    progress.stop();
    const p = calibration ? calibrate(raw, calibration) : raw;
    if (withInputs) await writeWithInputs(out, data, p);
    else {
      const rows = battles.map(({ id }, row) => ({ id, probabilities: p.subarray(row * 3, row * 3 + 3) }));
      await writeSubmission(out, rows);
    }
    console.log(`${out}  ${battles.length} rows`);
  } finally {
    progress.stop();
    trained.dispose();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
