// How long each kernel takes in one training micro-step, for the run's report: kernels.json in the run folder.
import { join } from "node:path";
import type { PackedBatch } from "../data/batch.ts";
import { writeTextAtomically } from "../model/atomic_file.ts";

export const kernelTimesName = "kernels.json";

/** Dispatches of one label. */
export interface KernelTime {
  kernel: string;
  dispatches: number;
  /** Milliseconds of all of them in one micro-step. */
  ms: number;
}

export interface KernelTimes {
  /** Of the micro-step that was timed. */
  tokens: number;
  battles: number;
  /** The slowest first. */
  kernels: KernelTime[];
}

interface Profiler {
  profile(batch: PackedBatch): Promise<{ label: string; ns: number }[]>;
}

/** Times are means over so many micro-steps, one more before them. */
const rounds = 3;

/** Times a micro-step. The gradients in the engine are meaningless afterwards, parameters stay. */
export async function timeKernels(engine: Profiler, batch: PackedBatch): Promise<KernelTimes> {
  const found = new Map<string, KernelTime>();
  await engine.profile(batch);
  for (let round = 0; round < rounds; round++) {
    for (const { label, ns } of await engine.profile(batch)) {
      const kernel = found.get(label) ?? { kernel: label, dispatches: 0, ms: 0 };
      kernel.dispatches += 1 / rounds;
      kernel.ms += ns / 1e6 / rounds;
      found.set(label, kernel);
    }
  }
  const kernels = [...found.values()].map((one) => ({ ...one, dispatches: Math.round(one.dispatches) }));
  return { tokens: batch.tokens, battles: batch.battles, kernels: kernels.sort((x, y) => y.ms - x.ms) };
}

export async function writeKernelTimes(folder: string, times: KernelTimes): Promise<void> {
  await writeTextAtomically(join(folder, kernelTimesName), JSON.stringify(times) + "\n");
}
