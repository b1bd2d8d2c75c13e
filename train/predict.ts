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

/** Probabilities [B, 3] in the order of `battles`. */
export async function predictAll(
  engine: Pick<Engine, "predict" | "capacity">,
  battles: readonly EncodedBattle[],
  { swapAverage = false, onProgress }: PredictOptions = {},
): Promise<Float64Array> {
  const all = new Float64Array(battles.length * 3);
  const passes = swapAverage ? [false, true] : [false];
  const total = battles.reduce((sum, { tokens }) => sum + tokens, 0) * passes.length;
  let done = 0;
  for (const swapped of passes) {
    for (const microBatch of planPrediction({ battles, capacity: engine.capacity, swapped })) {
      const batch: PackedBatch = packBatch(battles, microBatch);
      const p = await engine.predict(batch);
      const columns = swapped ? [1, 0, 2] : [0, 1, 2];
      for (const [at, index] of batch.battleIndex.entries()) {
        for (let c = 0; c < 3; c++) all[index * 3 + c] += p[at * 3 + columns[c]] / passes.length;
      }
      done += batch.tokens;
      onProgress?.(done, total);
    }
  }
  return all;
}
