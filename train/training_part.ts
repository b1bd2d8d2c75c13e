// What a model learned from, as far as its evaluation needs it: baselines fitted on it, and which prompts it holds.
import type { Battle, BattleSource } from "../data/battle.ts";
import { InputError } from "../errors.ts";
import { learnBaselines, type LearnedBaseline, seenPlaces } from "./baselines.ts";

export interface TrainingPart {
  battles: number;
  baselines: LearnedBaseline[];
  prompts: ReadonlySet<number>;
}

/** Reads the battles twice: once to count them, once for those that the baselines see.
 *  @param hash of a prompt, by which it is known again */
export async function learnFrom(
  source: BattleSource,
  hash: (prompt: readonly string[]) => number,
): Promise<TrainingPart> {
  const outcomes = [0, 0, 0], prompts = new Set<number>();
  let battles = 0;
  for await (const { prompt, label } of source()) {
    battles++;
    outcomes[label!]++;
    prompts.add(hash(prompt));
  }
  if (battles === 0) throw new InputError("Cannot learn baselines: the training part has no battle: give at least one");
  const places = new Set(seenPlaces(battles)), seen: Battle[] = [];
  let at = 0;
  for await (const battle of source()) if (places.has(at++)) seen.push(battle);
  return { battles, baselines: learnBaselines(seen, outcomes), prompts };
}
