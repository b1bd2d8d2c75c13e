// The process that start.ts times: from nothing to the first training step, with schedules chosen beforehand.
// Prints one line of JSON: the times of `StartTimes`.
import { openGpu } from "../gpu/device.ts";
import { type Schedules } from "../kernels/schedules.ts";
import { openBenchModel, uniformBatch } from "./model.ts";

/** What the parent passes as the only argument. */
export interface StartTask {
  folder: string;
  schedules: Schedules;
  tokens: number;
  length: number;
}

/** What the child answers, in ms since the epoch. */
export interface StartTimes {
  /** Adapter open, weights enqueued. */
  loaded: number;
  /** First micro-step recorded, compiled and submitted. */
  submitted: number;
  /** First micro-step finished. */
  done: number;
  /** That, less the time of a second micro-step: Mesa's CPU adapter compiles a pipeline when it first runs it. */
  ready: number;
}

async function start({ folder, schedules, tokens, length }: StartTask): Promise<StartTimes> {
  const now = () => performance.timeOrigin + performance.now();
  const gpu = await openGpu();
  const { engine, config } = await openBenchModel({ gpu, schedules, folder, tokens, shortest: length });
  const loaded = now();
  const batch = uniformBatch({ tokens, length, vocabulary: config.vocab_size });
  engine.accumulate(batch, { step: 1, stepWeight: batch.battles });
  const submitted = now();
  await gpu.device.queue.onSubmittedWorkDone();
  const done = now();
  engine.accumulate(batch, { step: 1, stepWeight: batch.battles });
  await gpu.device.queue.onSubmittedWorkDone();
  const second = now() - done;
  gpu.check();
  engine.dispose();
  gpu.dispose();
  return { loaded, submitted, done, ready: done - second };
}

if (import.meta.main) console.log(JSON.stringify(await start(JSON.parse(Deno.args[0]))));
