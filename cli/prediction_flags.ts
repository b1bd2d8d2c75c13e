// The flags and the progress that `evaluate` and `submit` share.
import { integer, text, toggle } from "../train/flags.ts";
import { trainFlags } from "../train/settings.ts";
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

/** Shows tokens predicted. */
export function predictionProgress(): { onProgress(done: number, total: number): void; stop(): void } {
  const started = performance.now();
  let progress: Progress | undefined;
  return {
    onProgress(done, total) {
      progress ??= startProgress({ label: "tokens", total });
      progress.update(done, `${grouped(done / ((performance.now() - started) / 1000))} tokens/s`);
    },
    stop: () => progress?.stop(),
  };
}
