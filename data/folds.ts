// Splitting battles for validation so that no prompt stands on both sides.
import { createHash } from "node:crypto";
import { InputError, UsageError } from "../errors.ts";
import type { Battle } from "./battle.ts";

/** Places in the list that was split, each in ascending order. */
export interface Split {
  train: number[];
  valid: number[];
}

/** What makes two prompts the same: their turns' text without regard to case, white space and forms of characters. */
export function promptKey(prompt: readonly string[]): string {
  return prompt.join("\n").normalize("NFKC").toLowerCase().replace(/\s+/g, " ").trim();
}

/** Holds out `fraction` of the prompts, at least one and never all. Prompts are ranked by a hash of their text and the
 *  seed, so the order of the rows and what other columns hold do not matter.
 *  @param fraction 0 to 1, both excluded
 *  @throws {InputError} if there are fewer than two different prompts */
export function splitByPrompt(battles: readonly Pick<Battle, "prompt">[], fraction: number, seed: number): Split {
  return splitByKey(battles.map(({ prompt }) => promptKey(prompt)), fraction, seed);
}

/** `splitByPrompt` where only the keys of the prompts are at hand. */
export function splitByKey(keys: readonly string[], fraction: number, seed: number): Split {
  if (!(fraction > 0 && fraction < 1)) {
    throw new UsageError(`Cannot hold out ${fraction} of the prompts: --valid-fraction must lie between 0 and 1`);
  }
  const prompts = [...new Set(keys)];
  if (prompts.length < 2) {
    throw new InputError(
      `Cannot hold out prompts for validation: ${keys.length} battles share ${prompts.length} prompt: give --valid a file, or add --valid-fraction 0`,
    );
  }
  const rank = new Map(prompts.map((key) => [key, hash(`${seed}\n${key}`)]));
  prompts.sort((one, other) => rank.get(one)! < rank.get(other)! ? -1 : 1);
  const count = Math.min(Math.max(Math.round(fraction * prompts.length), 1), prompts.length - 1);
  const held = new Set(prompts.slice(0, count));
  const split: Split = { train: [], valid: [] };
  for (const [index, key] of keys.entries()) (held.has(key) ? split.valid : split.train).push(index);
  return split;
}

function hash(text: string): string {
  return createHash("sha256").update(text.toWellFormed()).digest("hex");
}
