// Short runs of recorded work: what the ceilings, matmul and the row kernels share.
import { type Gpu } from "../gpu/device.ts";
import { PipelineCache } from "../gpu/pipelines.ts";
import { type StepValues } from "../gpu/recorder.ts";
import { stepFields, type StepUniform } from "../kernels/step.ts";
import { openStopwatch, type Stopwatch } from "./stopwatch.ts";

/** What every measurement needs. */
export interface Bench {
  gpu: Gpu;
  pipelines: PipelineCache;
  stopwatch: Stopwatch;
  /** Samples of each case. */
  rounds: number;
}

export async function openBench(gpu: Gpu, rounds: number): Promise<Bench> {
  return { gpu, pipelines: new PipelineCache(gpu), stopwatch: await openStopwatch(gpu), rounds };
}

/** Work that can be enqueued again and again. */
export interface Recorded {
  run(): void;
  dispose(): void;
}

/** Disposes of the runs when `use` is done with them. */
export async function withRecorded<R extends Recorded, T>(
  runs: readonly R[],
  use: (runs: readonly R[]) => Promise<T>,
): Promise<T> {
  try {
    return await use(runs);
  } finally {
    for (const run of runs) run.dispose();
  }
}

/** The step uniform of work that asks for no counts. */
export const noStep: StepValues = Object.fromEntries(stepFields.map(({ name }) => [name, 0]));

export function stepValues(given: Partial<StepUniform>): StepValues {
  return { ...noStep, inverseWeight: 1, ...given };
}
