// Measures GPU time of enqueued work: timestamps between submits where the adapter has them, else the wall clock.
//
// A stamp is a submit of its own with an empty pass, so that whatever lies between two stamps is timed as a user of the
// queue sees it: texture copies, clears and gaps between submits included, the 10 ms that a wait costs in Deno not.
import { stagingBuffer } from "../gpu/buffers.ts";
import { type Gpu } from "../gpu/device.ts";

/** Enqueues work. What waits for the GPU itself returns a promise, and is for the wall clock only. */
export type Enqueue = () => void | Promise<void>;

export interface Stopwatch {
  readonly kind: "timestamps" | "wall clock";
  /** Runs the laps in order, `repeats` times over, and waits. @returns milliseconds of each lap, the mean over the repeats */
  laps(work: readonly Enqueue[], repeats?: number): Promise<number[]>;
}

/** A stopwatch of this adapter; without usable timestamps, one that waits after each lap. */
export async function openStopwatch(gpu: Gpu): Promise<Stopwatch> {
  if (gpu.report.features.includes("timestamp-query")) {
    const stopwatch = { kind: "timestamps" as const, laps: timestampLaps.bind(undefined, gpu) };
    const [ms] = await stopwatch.laps([() => {}]);
    if (ms >= 0 && ms < 1000) return stopwatch;
  }
  return wallClock(gpu);
}

export function wallClock(gpu: Gpu): Stopwatch {
  return { kind: "wall clock", laps: wallClockLaps.bind(undefined, gpu) };
}

async function timestampLaps(gpu: Gpu, work: readonly Enqueue[], repeats = 1): Promise<number[]> {
  const { device, check } = gpu;
  const count = work.length * repeats + 1;
  const querySet = device.createQuerySet({ type: "timestamp", count });
  const resolved = device.createBuffer({
    size: count * 8,
    usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
  });
  const staging = stagingBuffer(gpu, count * 8);
  try {
    const stamp = (endOfPassWriteIndex: number) => {
      const encoder = device.createCommandEncoder();
      encoder.beginComputePass({ timestampWrites: { querySet, endOfPassWriteIndex } }).end();
      device.queue.submit([encoder.finish()]);
    };
    let next = 0;
    stamp(next++);
    for (let repeat = 0; repeat < repeats; repeat++) {
      for (const enqueue of work) {
        enqueue();
        stamp(next++);
      }
    }
    const encoder = device.createCommandEncoder();
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, count * 8);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    check();
    const times = new BigUint64Array(staging.getMappedRange().slice(0));
    return work.map((_, lap) => {
      let ns = 0;
      for (let i = lap; i < count - 1; i += work.length) ns += Number(times[i + 1] - times[i]);
      return ns / 1e6 / repeats;
    });
  } finally {
    for (const resource of [querySet, resolved, staging]) resource.destroy();
  }
}

/** The repeats of one lap share a wait, where there is only one lap. */
async function wallClockLaps({ device, check }: Gpu, work: readonly Enqueue[], repeats = 1): Promise<number[]> {
  const total = work.map(() => 0);
  await device.queue.onSubmittedWorkDone();
  const share = work.length === 1 ? repeats : 1;
  for (let repeat = 0; repeat < repeats; repeat += share) {
    for (const [lap, enqueue] of work.entries()) {
      const start = performance.now();
      let waited = false;
      for (let i = 0; i < share; i++) {
        const pending = enqueue();
        waited = pending !== undefined;
        await pending;
      }
      if (!waited) await device.queue.onSubmittedWorkDone();
      total[lap] += performance.now() - start;
    }
  }
  check();
  return total.map((ms) => ms / repeats);
}
