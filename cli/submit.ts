// `submit`: predictions for a test file, as a submission.
import type { BattleSource } from "../data/battle.ts";
import { readBattles } from "../data/battles.ts";
import { writeSubmission, writeWithInputs } from "../data/predictions.ts";
import { UsageError } from "../errors.ts";
import { calibrate } from "../train/calibration.ts";
import { blend, blends } from "../train/ensemble.ts";
import { choice, text, texts, toggle } from "../train/flags.ts";
import { readModelFolder } from "../train/model_folder.ts";
import { openTrained } from "../train/open_trained.ts";
import { predictStream } from "../train/predict_stream.ts";
import { parseCommand } from "./command.ts";
import { findModel } from "./model_source.ts";
import { checkWritable } from "./out_file.ts";
import { battleProgress, chosenCalibration, predictionFlags } from "./prediction_flags.ts";

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
    model: texts({
      group: "Model",
      value: "FOLDER|ID",
      help: "run folder, or a joint three-label model; given several times, the mean of what they predict",
    }),
    weights: text({ group: "Model", value: "W,W,...", help: "of each --model in the mean", otherwise: "equal" }),
    on: choice(blends, { group: "Model", help: "what of several models is averaged", default: "probabilities" }),
  },
  examples: [
    ["deno task submit --data test.csv --model runs/first", "into submission.csv"],
    [
      "deno task submit --data test.csv --model runs/a --model runs/b --weights 0.7,0.3",
      "what two models predict, mixed; deno task ensemble finds the weights",
    ],
    [
      "deno task submit --data more.csv --model runs/big --with-inputs --out judged.csv",
      "battles with a model's judgement, for another model's --extra-data",
    ],
  ] as [string, string][],
};

type Settings = NonNullable<ReturnType<typeof parseCommand<typeof description.flags>>>["settings"];

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { data, out, force, model: models, on, withInputs, ...settings } = parsed.settings;
  if (data === undefined) throw new UsageError("Cannot submit without battles: name a file with --data");
  if (models.length === 0) throw new UsageError("Cannot submit without a model: name a run folder with --model");
  const weights = readWeights(settings.weights, models.length);
  await checkWritable(out, "--out", { force });
  const folders: string[] = [];
  for (const model of models) folders.push(await findModel({ ...settings, model }));
  // Whatever is wrong with a model or the battles is found before the first prediction.
  for (const folder of folders) await readModelFolder(folder);
  const ids = await Array.fromAsync(readBattles(data), ({ id }) => id);
  const predictions: Float64Array[] = [];
  for (const [at, folder] of folders.entries()) {
    if (models.length > 1) console.error(`model ${at + 1} of ${models.length}: ${models[at]}`);
    predictions.push(await predict(folder, () => readBattles(data), ids.length, settings));
  }
  const p = predictions.length === 1 ? predictions[0] : blend(predictions, weights, on);
  if (withInputs) await writeWithInputs(out, data, p);
  else await writeSubmission(out, ids.map((id, row) => ({ id, probabilities: p.subarray(row * 3, row * 3 + 3) })));
  console.log(`${out}  ${ids.length} rows`);
}

/** What one model predicts, by its own calibration; it holds the adapter's memory no longer than that. */
async function predict(
  folder: string,
  battles: BattleSource,
  count: number,
  settings: Pick<Settings, "calibration" | "swapAverage" | "maxTokens" | "batchTokens" | "tune">,
): Promise<Float64Array> {
  const calibration = await chosenCalibration(folder, settings);
  const trained = await openTrained(folder, settings);
  const progress = battleProgress(count);
  try {
    const { swapAverage } = settings, { onProgress } = progress;
    const { probabilities } = await predictStream(trained, battles, { swapAverage, onProgress });
    return calibration ? calibrate(probabilities, calibration) : probabilities;
  } finally {
    progress.stop();
    trained.dispose();
  }
}

/** Positive and made to add up to 1. */
function readWeights(typed: string | undefined, models: number): number[] {
  if (typed === undefined) return new Array(models).fill(1 / models);
  const weights = typed.split(",").map((word) => word.trim() === "" ? NaN : Number(word));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (weights.length !== models || !weights.every((weight) => weight >= 0) || !(sum > 0 && sum < Infinity)) {
    throw new UsageError(
      `Cannot read --weights "${typed}": must be ${models} numbers of 0 or more, one for each --model, with commas between`,
    );
  }
  return weights.map((weight) => weight / sum);
}
