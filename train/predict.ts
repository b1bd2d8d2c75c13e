// Probabilities for a whole data set, through any Engine.
import type { PackedBatch } from "../data/batch.ts";
import type { EncodedBattle } from "../data/dataset.ts";
import { packBatch } from "../data/packed_batch.ts";
import { planPrediction } from "../data/packing.ts";
import type { Engine } from "./engine.ts";

export interface PredictOptions {
  /** Average each battle with itself, A and B exchanged. @default {false} */
  swapAverage?: boolean;
  /** Tokens done, of all. */
  onProgress?: (done: number, total: number) => void;
}

type Predictor = Pick<Engine, "predict" | "capacity">;

/** Probabilities [B, 3] in the order of `battles`. */
export async function predictAll(
  engine: Predictor,
  battles: readonly EncodedBattle[],
  { swapAverage = false, onProgress }: PredictOptions = {},
): Promise<Float64Array> {
  const tokens = battles.reduce((sum, { tokens }) => sum + tokens, 0), total = swapAverage ? 2 * tokens : tokens;
  const asGiven = await predictOneWay(engine, battles, { onTokens: (done) => onProgress?.(done, total) });
  if (!swapAverage) return asGiven;
  const onTokens = (done: number) => onProgress?.(tokens + done, total);
  return meanOf(asGiven, await predictOneWay(engine, battles, { swapped: true, onTokens }));
}

/** Predicts in one order of the answers. @returns [B, 3], columns as if A and B had never been exchanged */
export async function predictOneWay(
  engine: Predictor,
  battles: readonly EncodedBattle[],
  { swapped = false, onTokens }: { swapped?: boolean; onTokens?: (done: number) => void } = {},
): Promise<Float64Array> {
  const all = new Float64Array(battles.length * 3);
  const columns = swapped ? [1, 0, 2] : [0, 1, 2];
  let done = 0;
  for (const microBatch of planPrediction({ battles, capacity: engine.capacity, swapped })) {
    const batch: PackedBatch = packBatch(battles, microBatch);
    const p = await engine.predict(batch);
    for (const [at, index] of batch.battleIndex.entries()) {
      for (let c = 0; c < 3; c++) all[index * 3 + c] = p[at * 3 + columns[c]];
    }
    done += batch.tokens;
    onTokens?.(done);
  }
  return all;
}

export function meanOf(one: Float64Array, other: Float64Array): Float64Array {
  return one.map((p, at) => (p + other[at]) / 2);
}
