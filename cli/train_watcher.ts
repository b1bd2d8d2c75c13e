// What a run shows while it goes: a bar with loss, tokens a second and time left; a line for each validation.
import type { Watcher } from "../train/loop.ts";
import { duration } from "../report/format.ts";
import { grouped, startProgress } from "./progress.ts";

/** A Watcher for the terminal. */
export function watchRun(totalSteps: number, doneSteps: number): Watcher & { stop(): void } {
  const progress = startProgress({ label: "step", total: totalSteps });
  let words = "";
  if (doneSteps > 0) progress.update(doneSteps, words);
  return {
    onSteps({ records, tokensPerSecond, msLeft }) {
      const loss = records.reduce((sum, record) => sum + record.loss, 0) / records.length;
      words = `loss ${loss.toFixed(4)}  ${grouped(tokensPerSecond)} tokens/s  ${duration(msLeft)} left`;
      progress.update(records.at(-1)!.step, words);
    },
    onValidationStart: () => progress.hint(`${words}  validating`),
    onValidation({ step, logLoss, accuracy, expectedLogLoss, best }) {
      const expected = expectedLogLoss === undefined ? "" : `, expected ${expectedLogLoss.toFixed(4)}`;
      progress.say(
        `step ${step}: validation log loss ${logLoss.toFixed(4)}${expected}, accuracy ${(accuracy * 100).toFixed(1)} %${
          best ? ", the best so far" : ""
        }`,
      );
    },
    stop: () => progress.stop(),
  };
}
