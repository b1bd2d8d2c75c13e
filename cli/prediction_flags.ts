// The flags and the progress that `evaluate` and `submit` share.
import type { CalibrationEntry } from "../model/calibration_entry.ts";
import { integer, text, toggle } from "../train/flags.ts";
import { calibrationWords, readCalibration } from "../train/saved_calibration.ts";
import { trainFlags } from "../train/train_flags.ts";
import { grouped, type Progress, startProgress } from "./progress.ts";

const { revision, offline, batchTokens, tune } = trainFlags;

export const predictionFlags = {
  model: text({ group: "Model", value: "FOLDER|ID", help: "run folder, or a joint three-label model" }),
  revision,
  offline,
  swapAverage: toggle({
    group: "Prediction",
    help: "average each battle with itself, A and B exchanged: twice the time, for joint models",
    default: false,
  }),
  calibration: toggle({
    group: "Prediction",
    help: "leave the probabilities as the model gives them, though it was calibrated",
    default: true,
  }),
  maxTokens: integer({
    group: "Prediction",
    help: "tokens of one sequence",
    otherwise: "as the model was trained",
    min: 8,
    max: 1 << 20,
  }),
  batchTokens: { ...batchTokens, group: "Prediction" },
  tune: { ...tune, group: "Prediction" },
};

/** The calibration to apply, if the model has one and the user wants it; says which on stderr. */
export async function chosenCalibration(
  folder: string,
  { calibration, swapAverage }: { calibration: boolean; swapAverage: boolean },
): Promise<CalibrationEntry | undefined> {
  const found = calibration ? await readCalibration(folder) : undefined;
  if (!found) return undefined;
  console.error(`calibration ${calibrationWords(found)}`);
  if (found.fitted_on.swap_average !== swapAverage) {
    console.error(
      `It was fitted on predictions made with${
        found.fitted_on.swap_average ? "" : "out"
      } --swap-average: predict alike`,
    );
  }
  return found;
}

/** Shows tokens predicted. */
export function predictionProgress(): { onProgress(done: number, total: number): void; stop(): void } {
  const started = performance.now();
  let progress: Progress | undefined;
  return {
    onProgress(done, total) {
      progress ??= startProgress({ label: "tokens", total });
      progress.update(done, rate(done, started));
    },
    stop: () => progress?.stop(),
  };
}

/** Shows battles predicted, of `total`. */
export function battleProgress(total: number): { onProgress(battles: number, tokens: number): void; stop(): void } {
  const started = performance.now(), progress = startProgress({ label: "battles", total });
  return { onProgress: (battles, tokens) => progress.update(battles, rate(tokens, started)), stop: progress.stop };
}

function rate(tokens: number, started: number): string {
  return `${grouped(tokens / ((performance.now() - started) / 1000))} tokens/s`;
}
