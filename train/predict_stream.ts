// Predictions for battles that are read as a stream: some are encoded, predicted and forgotten, then the next, so that
// memory does not grow with the file.
import { type BattleSource, partsOf } from "../data/battle.ts";
import { encodeAll } from "../data/dataset.ts";
import type { Trained } from "./open_trained.ts";
import { meanOf, predictOneWay } from "./predict.ts";

export interface StreamOptions {
  /** Average each battle with itself, A and B exchanged. @default {false} */
  swapAverage?: boolean;
  /** Battles that are predicted with A and B exchanged too, by their places; not needed with `swapAverage`.
   *  @default {none} */
  exchange?: (place: number) => boolean;
  /** Battles done; tokens done, those of a second pass too. */
  onProgress?: (battles: number, tokens: number) => void;
  /** Battles that stand in memory together: enough of them pack well. @default {4096} */
  together?: number;
}

export interface StreamPredictions {
  /** [B, 3] */
  probabilities: Float64Array;
  /** Of the battles that were predicted both ways: their places, and both predictions [places, 3] for the battle as given. */
  bothWays: { places: number[]; asGiven: Float64Array; exchanged: Float64Array };
}

/** Predicts all battles of `source`, in its order. */
export async function predictStream(
  { engine, tokenizer, encoding }: Pick<Trained, "engine" | "tokenizer" | "encoding">,
  source: BattleSource,
  { swapAverage = false, exchange = () => false, onProgress, together = 4096 }: StreamOptions = {},
): Promise<StreamPredictions> {
  const found: number[] = [], places: number[] = [], given: number[] = [], exchanged: number[] = [];
  let battles = 0, tokens = 0;
  for await (const part of partsOf(source(), together)) {
    const encoded = await encodeAll(part, tokenizer, encoding);
    const tellFrom = (before: number) => (done: number) => {
      tokens = before + done;
      onProgress?.(battles, tokens);
    };
    const asGiven = await predictOneWay(engine, encoded, { onTokens: tellFrom(tokens) });
    const chosen = [...part.keys()].filter((at) => swapAverage || exchange(battles + at));
    const again = chosen.map((at) => encoded[at]);
    const other = await predictOneWay(engine, again, { swapped: true, onTokens: tellFrom(tokens) });
    for (const at of chosen) {
      places.push(battles + at);
      given.push(...asGiven.subarray(at * 3, at * 3 + 3));
    }
    append(exchanged, other);
    append(found, swapAverage ? meanOf(asGiven, other) : asGiven);
    battles += part.length;
    onProgress?.(battles, tokens);
  }
  const [asGiven, swapped] = [given, exchanged].map((values) => Float64Array.from(values));
  return { probabilities: Float64Array.from(found), bothWays: { places, asGiven, exchanged: swapped } };
}

function append(to: number[], values: Float64Array): void {
  for (const value of values) to.push(value);
}
