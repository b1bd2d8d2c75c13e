// What `evaluate` judges: models, which predict here one after another, and files of predictions.
import type { BattleSource } from "../data/battle.ts";
import { readBattles } from "../data/battles.ts";
import { matchPredictions } from "../data/predictions.ts";
import type { EvaluateInput } from "../report/evaluate/evaluation.ts";
import type { ModelConfig } from "../model/config.ts";
import { calibrate } from "../train/calibration.ts";
import { readModelFolder } from "../train/model_folder.ts";
import { openTrained } from "../train/open_trained.ts";
import { predictStream } from "../train/predict_stream.ts";
import type { DataRecord } from "../train/run_record.ts";
import { checkNotFittedOn } from "../train/saved_calibration.ts";
import { battleProgress, chosenCalibration } from "./prediction_flags.ts";

/** Predictions of one judge. */
export type Judged = Pick<EvaluateInput, "name" | "probabilities" | "uncalibrated" | "bothWays">;

export interface Battles {
  /** The file, or the record of the one they are in. */
  origin: string | DataRecord;
  source: BattleSource;
  count: number;
}

export interface JudgeSettings {
  calibration: boolean;
  swapAverage: boolean;
  swapCheck?: number;
  maxTokens?: number;
  batchTokens?: number;
  tune: boolean;
}

/** Battles of a file, each with an outcome. */
export function labelled(data: string): BattleSource {
  return () => readBattles(data, { requireLabels: true });
}

/** Lets models predict, one at a time; only the first one's battles are exchanged to see how much the order matters. */
export async function judgeModels(
  models: readonly { folder: string; name: string }[],
  battles: Battles,
  settings: JudgeSettings,
): Promise<Judged[]> {
  // Whatever is wrong with a later model is found before the first prediction.
  const configs: ModelConfig[] = [];
  for (const { folder } of models) configs.push((await readModelFolder(folder)).config);
  const judged: Judged[] = [];
  for (const [at, model] of models.entries()) {
    if (models.length > 1) console.error(`model ${at + 1} of ${models.length}: ${model.name}`);
    judged.push(
      await judgeModel({ ...model, config: configs[at] }, battles, at === 0 ? settings : { ...settings, swapCheck: 0 }),
    );
  }
  return judged;
}

async function judgeModel(
  { folder, name, config: { tiebreak } }: { folder: string; name: string; config: ModelConfig },
  { origin, source, count }: Battles,
  settings: JudgeSettings,
): Promise<Judged> {
  const calibration = await chosenCalibration(folder, settings);
  if (calibration) await checkNotFittedOn(origin, name, calibration);
  const symmetric = tiebreak?.pairing === "siamese" && tiebreak.head === "swap";
  const checked = Math.min(settings.swapCheck ?? (symmetric ? 32 : 500), count);
  const places = new Set(Array.from({ length: checked }, (_, at) => Math.floor(at * count / checked)));
  const trained = await openTrained(folder, settings);
  const progress = battleProgress(count), { onProgress } = progress;
  try {
    const exchange = (place: number) => places.has(place);
    const found = await predictStream(trained, source, { swapAverage: settings.swapAverage, exchange, onProgress });
    const set = (p: Float64Array) => calibration ? calibrate(p, calibration) : p;
    const { bothWays: { places: both, asGiven, exchanged }, probabilities } = found;
    return {
      name,
      probabilities: set(probabilities),
      ...(calibration && { uncalibrated: probabilities }),
      ...(both.length > 0 && {
        bothWays: { places: both, asGiven: set(asGiven), exchanged: set(exchanged), symmetric },
      }),
    };
  } finally {
    progress.stop();
    trained.dispose();
  }
}

/** Reads submission files, rows matched by id. */
export async function judgeFiles(files: readonly string[], data: string): Promise<Judged[]> {
  const judged: Judged[] = [];
  for (const name of files) {
    const probabilities = await matchPredictions(name, data);
    let offOne = 0;
    for (let at = 0; at < probabilities.length; at += 3) {
      if (Math.abs(probabilities[at] + probabilities[at + 1] + probabilities[at + 2] - 1) > 1e-6) offOne++;
    }
    const of = files.length > 1 ? ` of ${name}` : "";
    if (offOne === 1) console.error(`1 row${of} does not add up to 1 and was divided by its sum`);
    if (offOne > 1) console.error(`${offOne} rows${of} do not add up to 1 and were divided by their sums`);
    judged.push({ name, probabilities });
  }
  return judged;
}
