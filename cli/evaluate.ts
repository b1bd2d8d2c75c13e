// `evaluate`: what a trained model, or any file of predictions, is worth on labelled battles.
import { readBattles } from "../data/battles.ts";
import { encodeAll } from "../data/dataset.ts";
import { UsageError } from "../errors.ts";
import { calibrate } from "../train/calibration.ts";
import { text } from "../train/flags.ts";
import { scored } from "../train/feed.ts";
import { openTrained } from "../train/open_trained.ts";
import { logLoss } from "../train/metrics.ts";
import { predictAll } from "../train/predict.ts";
import { checkNotFittedOn } from "../train/saved_calibration.ts";
import { scorePredictions } from "../train/score.ts";
import { parseCommand } from "./command.ts";
import { findModel } from "./model_source.ts";
import { chosenCalibration, predictionFlags, predictionProgress } from "./prediction_flags.ts";

const description = {
  name: "evaluate",
  summary:
    "Scores a trained model, or a file of predictions, on labelled battles, by the competition's metric: log loss " +
    "as scikit-learn 1.3 computes it.",
  flags: {
    data: text({ group: "Data", value: "FILE", help: "labelled battles in Kaggle's layout" }),
    predictions: text({ group: "Data", value: "FILE", help: "a submission file to score, in place of a model" }),
    ...predictionFlags,
  },
  examples: [
    ["deno task evaluate --data valid.csv --model runs/first", "a model"],
    ["deno task evaluate --data solution.csv --predictions submission.csv", "any submission file, rows matched by id"],
  ] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { data, predictions, model, ...settings } = parsed.settings;
  if (data === undefined) throw new UsageError("Cannot evaluate without battles: name a file with --data");
  if ((model === undefined) === (predictions === undefined)) {
    throw new UsageError("Cannot evaluate: name either --model or --predictions");
  }
  if (predictions !== undefined) {
    const { rowsOffOne, ...scores } = await scorePredictions(predictions, data);
    print(scores);
    if (rowsOffOne === 1) console.error("1 row does not add up to 1 and was divided by its sum");
    if (rowsOffOne > 1) console.error(`${rowsOffOne} rows do not add up to 1 and were divided by their sums`);
    return;
  }
  const folder = await findModel({ ...settings, model: model! });
  const calibration = await chosenCalibration(folder, settings);
  if (calibration) await checkNotFittedOn(data, model!, calibration);
  const trained = await openTrained(folder, settings);
  const progress = predictionProgress();
  try {
    const battles = await encodeAll(readBattles(data, { requireLabels: true }), trained.tokenizer, trained.encoding);
    const p = await predictAll(trained.engine, battles, { ...settings, onProgress: progress.onProgress });
    progress.stop();
    if (!calibration) return print({ battles: battles.length, ...scored(battles, p) });
    print({
      battles: battles.length,
      ...scored(battles, calibrate(p, calibration)),
      uncalibrated: logLoss(p, battles.map(({ label }) => label!)),
    });
  } finally {
    progress.stop();
    trained.dispose();
  }
}

interface Scores {
  battles: number;
  logLoss: number;
  accuracy: number;
  calibrationError?: number;
  expectedLogLoss?: number;
  /** Log loss without the model's calibration. */
  uncalibrated?: number;
}

function print({ battles, logLoss, accuracy, calibrationError, expectedLogLoss, uncalibrated }: Scores): void {
  console.log(`battles            ${battles}`);
  console.log(`log loss           ${logLoss.toFixed(6)}`);
  if (uncalibrated !== undefined) console.log(`  uncalibrated     ${uncalibrated.toFixed(6)}`);
  console.log(`accuracy           ${(accuracy * 100).toFixed(2)} %`);
  if (calibrationError !== undefined) console.log(`calibration error  ${(calibrationError * 100).toFixed(2)} %`);
  if (expectedLogLoss !== undefined) console.log(`expected log loss  ${expectedLogLoss.toFixed(6)}`);
}
