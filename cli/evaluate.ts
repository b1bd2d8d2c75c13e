// `evaluate`: what a trained model, or any file of predictions, is worth on labelled battles, beside the baselines.
import { basename } from "node:path";
import type { BattleSource } from "../data/battle.ts";
import { readBattles } from "../data/battles.ts";
import { matchPredictions } from "../data/predictions.ts";
import { InputError, UsageError } from "../errors.ts";
import { writeTextAtomically } from "../model/atomic_file.ts";
import { promptHash } from "../report/evaluate/battle_groups.ts";
import { evaluate, type EvaluateInput } from "../report/evaluate/evaluation.ts";
import { evaluationReport, summaryLines } from "../report/evaluate/report.ts";
import { whole } from "../report/format.ts";
import { calibrate } from "../train/calibration.ts";
import { integer, text, toggle } from "../train/flags.ts";
import { partsOfRun, readRun } from "../train/held_out.ts";
import type { RunParts } from "../train/load_data.ts";
import { readModelFolder } from "../train/model_folder.ts";
import { openTrained } from "../train/open_trained.ts";
import { predictStream } from "../train/predict_stream.ts";
import { checkNotFittedOn } from "../train/saved_calibration.ts";
import { learnFrom } from "../train/training_part.ts";
import { parseCommand } from "./command.ts";
import { findModel } from "./model_source.ts";
import { battleProgress, chosenCalibration, predictionFlags } from "./prediction_flags.ts";
import { checkReplaceable } from "./report_file.ts";

const description = {
  name: "evaluate",
  summary:
    "Scores a trained model, or a file of predictions, on labelled battles, by the competition's metric: log loss " +
    "as scikit-learn 1.3 computes it; with intervals, beside baselines, by outcome, length, prompt and chatbot.",
  flags: {
    data: text({
      group: "Data",
      value: "FILE",
      help: "labelled battles in Kaggle's layout",
      otherwise: "what the run in --model held out",
    }),
    predictions: text({ group: "Data", value: "FILE", help: "a submission file to score, in place of a model" }),
    train: text({
      group: "Data",
      value: "FILE",
      help: "battles that the baselines learn from",
      otherwise: "those the run in --model learned from",
    }),
    ...predictionFlags,
    swapCheck: integer({
      group: "Prediction",
      help: "battles predicted with A and B exchanged too, to see how much the order matters",
      otherwise: "500; 32 for the swap head, whose differences are 0",
      min: 0,
    }),
    report: text({
      group: "Report",
      value: "FILE",
      help: "write all of it as one HTML file with plots; an earlier report is replaced",
    }),
    baselines: toggle({ group: "Report", help: "leave the baselines out", default: true }),
    hardest: integer({ group: "Report", help: "battles of greatest loss listed", default: 20, min: 0, max: 1000 }),
    rounds: integer({ group: "Report", help: "bootstrap samples", default: 1000, min: 10, max: 100_000 }),
    seed: integer({ group: "Report", help: "of the bootstrap", default: 42, min: 0, max: 2 ** 32 - 1 }),
  },
  examples: [
    ["deno task evaluate --model runs/first --report report.html", "a run, on the battles it held out"],
    ["deno task evaluate --data valid.csv --model runs/first", "on others"],
    [
      "deno task evaluate --data solution.csv --predictions submission.csv --train train.csv",
      "any submission file, rows matched by id, beside baselines that learned from train.csv",
    ],
  ] as [string, string][],
};

type Settings = NonNullable<ReturnType<typeof parseCommand<typeof description.flags>>>["settings"];

/** Hardest battles in the terminal. */
const hardestPrinted = 3;

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { settings } = parsed;
  const { data, predictions, model, report } = settings;
  if (data === undefined && model === undefined) {
    throw new UsageError("Cannot evaluate without battles: name a file with --data");
  }
  if ((model === undefined) === (predictions === undefined)) {
    throw new UsageError("Cannot evaluate: name either --model or --predictions");
  }
  if (report !== undefined) await checkReplaceable(report, "--report");
  const { seed, rounds, hardest } = settings;
  const { source, ...found } = predictions === undefined
    ? await ofModel(model!, settings)
    : await ofFile(predictions, data!, settings);
  const evaluation = await evaluate(source, { ...found, seed, rounds, hardest });
  for (const line of summaryLines(evaluation, Math.min(hardest, hardestPrinted))) console.log(line);
  if (report === undefined) return;
  await writeTextAtomically(report, evaluationReport(evaluation));
  console.log(`${"report".padEnd(18)} ${report}`);
}

type Found = Omit<EvaluateInput, "seed" | "rounds" | "hardest"> & { source: BattleSource };

/** A file of predictions. */
async function ofFile(predictions: string, data: string, settings: Settings): Promise<Found> {
  const { probabilities } = await matchPredictions(predictions, data);
  let offOne = 0;
  for (let at = 0; at < probabilities.length; at += 3) {
    if (Math.abs(probabilities[at] + probabilities[at + 1] + probabilities[at + 2] - 1) > 1e-6) offOne++;
  }
  if (offOne === 1) console.error("1 row does not add up to 1 and was divided by its sum");
  if (offOne > 1) console.error(`${offOne} rows do not add up to 1 and were divided by their sums`);
  return {
    source: labelled(data),
    judged: basename(predictions),
    data: basename(data),
    name: "these predictions",
    probabilities,
    ...await baselinesOf(settings, undefined),
  };
}

/** A model, which predicts here. */
async function ofModel(model: string, settings: Settings): Promise<Found> {
  const { data, swapAverage } = settings;
  const folder = await findModel({ ...settings, model });
  const parts = await partsIfNeeded(folder, settings);
  const source = data === undefined ? parts?.valid : labelled(data);
  if (!source) throw new UsageError(`Cannot evaluate ${model}: it held no battles out: name some with --data`);
  const calibration = await chosenCalibration(folder, settings);
  if (calibration) await checkNotFittedOn(data ?? parts!.validRecord, model, calibration);
  const count = (await Array.fromAsync(source(), () => 0)).length;
  const learned = await baselinesOf(settings, parts);
  const { config: { tiebreak } } = await readModelFolder(folder);
  const symmetric = tiebreak?.pairing === "siamese" && tiebreak.head === "swap";
  const checked = Math.min(settings.swapCheck ?? (symmetric ? 32 : 500), count);
  const places = new Set(Array.from({ length: checked }, (_, at) => Math.floor(at * count / checked)));
  const trained = await openTrained(folder, settings);
  const progress = battleProgress(count);
  try {
    const exchange = (place: number) => places.has(place);
    const found = await predictStream(trained, source, { swapAverage, exchange, onProgress: progress.onProgress });
    const set = (p: Float64Array) => calibration ? calibrate(p, calibration) : p;
    const { bothWays, probabilities } = found;
    return {
      source,
      judged: basename(model),
      data: data === undefined ? `what ${basename(model)} held out` : basename(data),
      name: "this model",
      probabilities: set(probabilities),
      ...(calibration && { uncalibrated: probabilities }),
      ...(bothWays.places.length > 0 && {
        bothWays: {
          places: bothWays.places,
          asGiven: set(bothWays.asGiven),
          exchanged: set(bothWays.exchanged),
          symmetric,
        },
      }),
      ...learned,
    };
  } finally {
    progress.stop();
    trained.dispose();
  }
}

function labelled(data: string): BattleSource {
  return () => readBattles(data, { requireLabels: true });
}

/** The parts of the run in `folder`, if something here depends on them. What baselines alone would need may be missing. */
async function partsIfNeeded(
  folder: string,
  { data, train, baselines }: Pick<Settings, "data" | "train" | "baselines">,
): Promise<RunParts | undefined> {
  if (data === undefined) return await partsOfRun(folder);
  if (!baselines || train !== undefined || !await readRun(folder)) return undefined;
  try {
    return await partsOfRun(folder);
  } catch (error) {
    if (!(error instanceof InputError || error instanceof UsageError)) throw error;
    console.error(`No baselines: ${error.message}`);
    return undefined;
  }
}

/** The baselines that learned from --train, or from what the run learned from. */
async function baselinesOf(
  { train, baselines }: Pick<Settings, "train" | "baselines">,
  parts: RunParts | undefined,
): Promise<Pick<EvaluateInput, "baselines" | "training">> {
  const source = train === undefined ? parts?.train : labelled(train);
  if (!source || !baselines) return {};
  const name = basename(train ?? parts!.trainRecord.source);
  const { prompts, battles, baselines: learned } = await learnFrom(source, promptHash);
  console.error(`baselines learned from ${whole(battles)} battles of ${name}`);
  return { baselines: learned, training: { name, battles, isTrained: (hash) => prompts.has(hash) } };
}
