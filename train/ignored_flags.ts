// Flags that would change nothing beside the others: refused, since whoever types one expects something of it.
import { UsageError } from "../errors.ts";
import { flagName } from "./flags.ts";
import { poolsOnce, type TrainSettings } from "./settings.ts";
import { type TrainFlags } from "./train_flags.ts";

/** @param given fields that the user typed @param settings what became of all flags @param isFolder whether `--model` names one
 *  @throws {UsageError} with the first flag that does nothing, and why */
export function checkIgnored(given: ReadonlySet<string>, settings: TrainSettings, isFolder: boolean): void {
  const { data, valid, validFraction, folds, extraData, pairing, method, dropout } = settings;
  const ownValid = data === undefined && folds === undefined
    ? "on the built-in sample, which has its own validation battles"
    : undefined;
  const nothingHeld = !ownValid && valid === undefined && folds === undefined && validFraction === 0;
  const held = nothingHeld ? "with --valid-fraction 0, which holds nothing out" : undefined;
  const joint = pairing === "joint" ? "with joint pairs" : undefined;
  const reasons: Partial<Record<keyof TrainFlags, string>> = {
    validFraction: valid !== undefined ? "with --valid" : ownValid,
    extraWeight: extraData === undefined ? "without --extra-data" : undefined,
    head: joint,
    poolOnce: joint ?? (method === "head" ? undefined : `with --method ${method}`),
    dropout: dropout && poolsOnce(settings) ? "with a backbone that runs once" : undefined,
    validateEvery: held,
    patience: held,
    revision: isFolder ? "with a folder as --model" : undefined,
  };
  for (const [field, reason] of Object.entries(reasons)) {
    if (reason && given.has(field)) throw new UsageError(`Cannot use --${flagName(field)} ${reason}: leave it out`);
  }
}
