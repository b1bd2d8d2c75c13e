// `calibrate`: sets a trained model's probabilities right on battles it has not learned from, and saves how.
import { promptKey } from "../data/folds.ts";
import { readBattles } from "../data/battles.ts";
import { encodeAll } from "../data/dataset.ts";
import { UsageError } from "../errors.ts";
import { calibrationMethods } from "../model/calibration_entry.ts";
import { readConfig } from "../model/config.ts";
import { isObject } from "../model/json_text.ts";
import { type CalibrationData, calibrationFrom, type FittedCalibration } from "../train/calibrate_model.ts";
import { choice, text, toggle } from "../train/flags.ts";
import { heldOutOf, readRun } from "../train/held_out.ts";
import { openTrained } from "../train/open_trained.ts";
import { readOutOfFold } from "../train/out_of_fold.ts";
import { predictAll } from "../train/predict.ts";
import { fileSha256 } from "../train/run_record.ts";
import { calibrationWords, saveCalibration } from "../train/saved_calibration.ts";
import { parseCommand } from "./command.ts";
import { predictionFlags, predictionProgress } from "./prediction_flags.ts";

const { swapAverage, maxTokens, batchTokens, tune } = predictionFlags;
const group = "Calibration";

const description = {
  name: "calibrate",
  summary:
    "Fits how a model's probabilities are set right (temperature, prior shift or vector scaling) and saves it in the " +
    "folder's config.json; evaluate and submit apply it from then on. Fitted on the battles that the run held out, " +
    "unless others are named.",
  flags: {
    model: text({ group, value: "FOLDER", help: "run folder" }),
    data: text({ group, value: "FILE", help: "labelled battles", otherwise: "those the run held out" }),
    predictions: text({
      group,
      value: "FILE",
      help: "out-of-fold predictions for --data, in place of the model's own",
    }),
    method: choice(calibrationMethods, {
      group,
      help: "one scale; or a scale and a bias for each outcome; or biases alone",
      default: "temperature",
    }),
    symmetric: toggle({
      group,
      help: "treat A and B alike",
      otherwise: "on for the swap head, whose predictions stay exactly symmetric, and with --swap-average",
    }),
    swapAverage,
    maxTokens,
    batchTokens,
    tune,
  },
  examples: [
    ["deno task calibrate --model runs/first", "on the battles the run held out"],
    ["deno task calibrate --model runs/first --data more.csv --method vector", "on others"],
    [
      "deno task calibrate --model runs/full --data train.csv --predictions runs/cv/out_of_fold.csv",
      "a model trained on everything, by what a cross-validation predicted",
    ],
  ] as [string, string][],
};

type Settings = NonNullable<ReturnType<typeof parseCommand<typeof description.flags>>>["settings"];

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { settings } = parsed;
  const { model, data, predictions, method } = settings;
  if (model === undefined) throw new UsageError("Cannot calibrate without a model: name a run folder with --model");
  if (predictions !== undefined && data === undefined) {
    throw new UsageError("Cannot calibrate on predictions alone: name the battles they speak of with --data");
  }
  const { tiebreak } = await readConfig(model);
  if (!tiebreak) {
    throw new UsageError(`Cannot calibrate ${model}: Tiebreak did not write it: train it here first`);
  }
  const isSwap = tiebreak.pairing === "siamese" && tiebreak.head === "swap";
  if (isSwap && settings.symmetric === false) {
    throw new UsageError(
      `Cannot calibrate ${model} with --no-symmetric: its swap head exchanges A and B exactly: leave the flag out`,
    );
  }
  const symmetric = settings.symmetric ?? (isSwap || settings.swapAverage);
  const found = predictions !== undefined
    ? await fromPredictions(settings, data!, predictions)
    : await fromModel(settings, model);
  const fitted = calibrationFrom(found, { method, symmetric });
  await saveCalibration(model, fitted.entry);
  print(model, fitted);
}

async function fromPredictions(settings: Settings, data: string, predictions: string): Promise<CalibrationData> {
  const { members: [probabilities], labels, keys, leftOut } = await readOutOfFold(data, [predictions]);
  if (leftOut > 0) console.error(`${leftOut} battles of ${data} have no prediction and are left out`);
  const record = { source: data, sha256: await fileSha256(data), battles: labels.length };
  return { probabilities, labels, keys, record, swapAverage: settings.swapAverage };
}

async function fromModel(settings: Settings, model: string): Promise<CalibrationData> {
  const { data, swapAverage } = settings;
  const sha256 = data === undefined ? undefined : await fileSha256(data);
  if (data !== undefined) {
    const run = await readRun(model);
    if (isObject(run?.data) && run.data.sha256 === sha256) {
      throw new UsageError(
        `Cannot calibrate ${model} on ${data}: it holds the battles the model learned from: leave --data out, to use ` +
          "what the run held out, or name other battles",
      );
    }
  }
  const trained = await openTrained(model, settings);
  const progress = predictionProgress();
  try {
    const keys: string[] = [];
    const { battles, record } = data === undefined
      ? await heldOutOf(model, trained.tokenizer, trained.encoding).then(({ texts, ...held }) => {
        keys.push(...texts.map(({ prompt }) => promptKey(prompt)));
        return held;
      })
      : await encodeAll(
        (async function* () {
          for await (const battle of readBattles(data, { requireLabels: true })) {
            keys.push(promptKey(battle.prompt));
            yield battle;
          }
        })(),
        trained.tokenizer,
        trained.encoding,
      ).then((battles) => ({ battles, record: { source: data, sha256: sha256!, battles: battles.length } }));
    const probabilities = await predictAll(trained.engine, battles, { swapAverage, onProgress: progress.onProgress });
    return { probabilities, labels: battles.map(({ label }) => label!), keys, record, swapAverage };
  } finally {
    progress.stop();
    trained.dispose();
  }
}

/** Fewer battles than this leave even one number in doubt. */
const fewBattles = 100;

function print(model: string, { entry, before, after, crossFitted }: FittedCalibration): void {
  const { battles } = entry.fitted_on;
  if (battles < fewBattles) console.error(`${battles} battles are few: the calibration may change by chance`);
  const line = (name: string, logLoss: number, error?: number) =>
    console.log(
      `${name.padEnd(24)} ${logLoss.toFixed(6)}${
        error === undefined ? "" : `  ${(error * 100).toFixed(2).padStart(6)} %`
      }`,
    );
  console.log(`${"".padEnd(24)} log loss  calibration error`);
  line("as the model predicts", before.logLoss, before.calibrationError);
  line("calibrated, same battles", after.logLoss, after.calibrationError);
  if (crossFitted !== undefined) {
    line("calibrated by others", crossFitted);
    if (crossFitted >= before.logLoss) {
      console.error(
        "On battles it was not fitted on this calibration is no better than none: use --no-calibration, or more battles",
      );
    }
  }
  console.log(`${model}: ${calibrationWords(entry)}`);
}
