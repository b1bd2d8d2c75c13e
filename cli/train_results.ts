// The last lines of `train`: the model beside the baselines, and where it lies.
import type { Engine } from "../train/engine.ts";
import { scored } from "../train/feed.ts";
import type { RunData } from "../train/load_data.ts";
import type { LoopResult } from "../train/loop.ts";
import { predictAll } from "../train/predict.ts";

export async function printResults(
  { out, data, result, engine }: { out: string; data: RunData; result: LoopResult; engine: Engine },
): Promise<void> {
  const { outcome, progress } = result;
  console.log(`${outcome === "finished" ? "Finished" : "Out of patience"} after step ${progress.step}: ${out}`);
  if (data.valid.length === 0) return;
  const scores = scored(data.valid, await predictAll(engine, data.valid));
  console.log(`validation log loss ${scores.logLoss.toFixed(4)}`);
}
