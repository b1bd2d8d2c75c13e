// The built-in sample: short battles between invented chatbots whose true outcome probabilities are known.

import type { Battle, Outcome } from "./battle.ts";
import { Random } from "./random.ts";
import { type Answer, capitalise, fill, pick, writeAnswer } from "./sample/answer.ts";
import { chatbots } from "./sample/chatbots.ts";
import { outcomeProbabilities, utility } from "./sample/outcome.ts";
import { testPool } from "./sample/pool_test.ts";
import { trainPool } from "./sample/pool_train.ts";
import { validPool } from "./sample/pool_valid.ts";
import type { Pool } from "./sample/topic.ts";

/** Which pool of facts and wordings a sample is written from. */
export type SampleSplit = "train" | "valid" | "test";

/** Options of {@linkcode generateSample}. */
export interface SampleOptions {
  battles: number;
  seed: number;
  /** @default {"train"} */
  split?: SampleSplit;
}

/** A battle of the sample, with the features planted in both answers. */
export interface SampleBattle extends Battle {
  truth: [number, number, number];
  label: Outcome;
  planted: { a: Answer["features"]; b: Answer["features"] };
}

const splits: SampleSplit[] = ["train", "valid", "test"];

/** What each split may say. */
export const samplePools: Record<SampleSplit, Pool> = { train: trainPool, valid: validPool, test: testPool };

/** Writes `battles` battles; the same options give the same battles, and more battles begin with the fewer. */
export function generateSample({ battles, seed, split = "train" }: SampleOptions): SampleBattle[] {
  const draw = new Random(seed, splits.indexOf(split));
  return Array.from(
    { length: battles },
    (_, index) => drawBattle(draw, samplePools[split], `${split}-${index + 1}`, index + 2),
  );
}

function drawBattle(draw: Random, pool: Pool, id: string, row: number): SampleBattle {
  const topic = pick(draw, pool.topics);
  const fact = pick(draw, topic.facts);
  const prompt = capitalise(fill(pick(draw, topic.ask), fact));
  const [botA, botB] = draw.shuffle([...chatbots]);
  const a = writeAnswer(draw, pool, botA, { topic, fact });
  const b = writeAnswer(draw, pool, botB, { topic, fact });
  const truth = outcomeProbabilities(utility(a.features), utility(b.features));
  const point = draw.uniform();
  const label: Outcome = point < truth[0] ? 0 : point < truth[0] + truth[1] ? 1 : 2;
  return {
    id,
    row,
    prompt: [prompt],
    responseA: [a.text],
    responseB: [b.text],
    modelA: botA.name,
    modelB: botB.name,
    label,
    truth,
    planted: { a: a.features, b: b.features },
  };
}
