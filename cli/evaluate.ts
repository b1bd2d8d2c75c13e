// `evaluate`: what a trained model, or any file of predictions, is worth on labelled battles, beside the baselines.
import { basename } from "node:path";
import { InputError, UsageError } from "../errors.ts";
import { writeTextAtomically } from "../model/atomic_file.ts";
import { promptHash } from "../report/evaluate/battle_groups.ts";
import { evaluate, type EvaluateInput } from "../report/evaluate/evaluation.ts";
import { evaluationReport, summaryLines } from "../report/evaluate/report.ts";
import { whole } from "../report/format.ts";
import { flagName, integer, text, texts, toggle } from "../train/flags.ts";
import { heldOutKey, partsOfRun, readRun } from "../train/held_out.ts";
import type { RunParts } from "../train/load_data.ts";
import { learnFrom } from "../train/training_part.ts";
import { parseCommand } from "./command.ts";
import { judgeFiles, judgeModels, labelled } from "./evaluate_judges.ts";
import { findModel } from "./model_source.ts";
import { predictionFlags } from "./prediction_flags.ts";
import { checkReplaceable } from "./out_file.ts";

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
    predictions: texts({
      group: "Data",
      value: "FILE",
      help: "a submission file to score, in place of a model or beside one; may be given several times",
    }),
    train: text({
      group: "Data",
      value: "FILE",
      help: "battles that the baselines learn from",
      otherwise: "those the run in --model learned from",
    }),
    ...predictionFlags,
    model: texts({
      group: "Model",
      value: "FOLDER|ID",
      help: "run folder, or a joint three-label model; others are compared with the first on the same battles",
    }),
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
    ["deno task evaluate --data valid.csv --model runs/a --model runs/b", "is b better than a?"],
    [
      "deno task evaluate --data solution.csv --predictions submission.csv --train train.csv",
      "any submission file, rows matched by id, beside baselines that learned from train.csv",
    ],
  ] as [string, string][],
};

type Settings = NonNullable<ReturnType<typeof parseCommand<typeof description.flags>>>["settings"];

/** What predictions of a file have no use for. */
const ofModels = [...Object.keys(predictionFlags), "swapCheck"];

/** Hardest battles in the terminal. */
const hardestPrinted = 3;

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { settings } = parsed;
  const { data, predictions, model: models, report, seed, rounds, hardest } = settings;
  if (data === undefined && models.length === 0) {
    throw new UsageError("Cannot evaluate without battles: name a file with --data");
  }
  if (models.length + predictions.length === 0) {
    throw new UsageError("Cannot evaluate: name a model with --model, or a file with --predictions");
  }
  if (data === undefined && predictions.length > 0) {
    throw new UsageError("Cannot evaluate --predictions without --data: name the battles they speak of");
  }
  const idle = models.length === 0 ? ofModels.find((field) => parsed.given.has(field)) : undefined;
  if (idle) throw new UsageError(`Cannot use --${flagName(idle)} without --model: leave it out`);
  if (report !== undefined) await checkReplaceable(report, "--report");
  const folders: string[] = [];
  for (const model of models) folders.push(await findModel({ ...settings, model }));
  const parts = folders.length === 0 ? undefined : await partsIfNeeded(folders[0], settings);
  const source = data === undefined ? parts?.valid : labelled(data);
  if (!source) throw new UsageError(`Cannot evaluate ${models[0]}: it held no battles out: name some with --data`);
  const origin = data ?? parts!.validRecord;
  const judges = folders.map((folder, at) => ({ folder, name: models[at] }));
  if (data === undefined) await warnOfOthers(judges);
  const count = (await Array.fromAsync(source(), () => 0)).length;
  const learned = await baselinesOf(settings, parts);
  const [first, ...others] = [
    ...await judgeModels(judges, { origin, source, count }, settings),
    ...await judgeFiles(predictions, data!),
  ];
  const evaluation = await evaluate(source, {
    ...first,
    judged: basename(first.name),
    data: data === undefined ? `what ${basename(models[0])} held out` : basename(data),
    name: others.length > 0 ? first.name : models.length > 0 ? "this model" : "these predictions",
    others,
    ...learned,
    seed,
    rounds,
    hardest,
  });
  for (const line of summaryLines(evaluation, Math.min(hardest, hardestPrinted))) console.log(line);
  if (report === undefined) return;
  await writeTextAtomically(report, evaluationReport(evaluation));
  console.log(`${"report".padEnd(18)} ${report}`);
}

/** Says which of the later runs held out other battles than the first. */
async function warnOfOthers([first, ...others]: { folder: string; name: string }[]): Promise<void> {
  const own = heldOutKey(await readRun(first.folder));
  for (const { folder, name } of others) {
    if (heldOutKey(await readRun(folder)) === own) continue;
    console.error(`${name} did not hold out the same battles as ${first.name}: it may have learned from some of these`);
  }
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
