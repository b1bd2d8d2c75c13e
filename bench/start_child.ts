// The process that start.ts times: from nothing to the first training step, with schedules chosen beforehand.
// Prints one line of JSON: when, in ms since the epoch, the first step was submitted and when it was done.
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

/** What the child answers. */
export interface StartTimes {
  submitted: number;
  done: number;
}

async function start({ folder, schedules, tokens, length }: StartTask): Promise<StartTimes> {
  const now = () => performance.timeOrigin + performance.now();
  const gpu = await openGpu();
  const { engine, config } = await openBenchModel({ gpu, schedules, folder, tokens, shortest: length });
  const batch = uniformBatch({ tokens, length, vocabulary: config.vocab_size });
  engine.accumulate(batch, { step: 1, stepWeight: batch.battles });
  const submitted = now();
  await gpu.device.queue.onSubmittedWorkDone();
  gpu.check();
  const done = now();
  engine.dispose();
  gpu.dispose();
  return { submitted, done };
}

if (import.meta.main) console.log(JSON.stringify(await start(JSON.parse(Deno.args[0]))));
