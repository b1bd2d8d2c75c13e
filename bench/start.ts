// Seconds from starting a process to its first submitted training step, shader caches warm and empty.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GpuError } from "../errors.ts";
import { timing } from "./interleave.ts";
import { type Row } from "./row.ts";
import { type StartTask, type StartTimes } from "./start_child.ts";

/** Cold starts take half a minute on a CPU adapter. */
const MOST_SAMPLES = 3;

const notes: Record<keyof StartTimes, string> = {
  loaded: "process start to weights enqueued",
  submitted: "to the first submit of a training step",
  done: "to the end of that micro-step",
  ready: "that, less the time of a second micro-step: everything loaded and compiled",
};

export const startKernels = ["start"];

export interface StartOptions extends StartTask {
  /** Leave out the starts with an empty cache. */
  skipCold: boolean;
  rounds: number;
}

/** Starts with an empty cache, each followed by one with the cache it filled; without them, starts with the user's cache. */
export async function measureStart({ skipCold, rounds, ...task }: StartOptions): Promise<Row[]> {
  const cold: StartTimes[] = [], warm: StartTimes[] = [];
  if (skipCold) await startOnce(task);
  for (let sample = 0; sample < Math.min(rounds, MOST_SAMPLES); sample++) {
    if (skipCold) {
      warm.push(await startOnce(task));
      continue;
    }
    const cache = await Deno.makeTempDir({ prefix: "tiebreak-shaders-" });
    try {
      cold.push(await startOnce(task, cache));
      warm.push(await startOnce(task, cache));
    } finally {
      await Deno.remove(cache, { recursive: true });
    }
  }
  const size = { T: task.tokens, length: task.length };
  const rows = (caches: string, times: StartTimes[]): Row[] =>
    (Object.keys(notes) as (keyof StartTimes)[]).map((until) => ({
      section: "Start",
      kernel: `start.${until}`,
      size: { ...size, caches },
      ...timing(times.map((at) => at[until])),
      note: notes[until],
    }));
  return [...rows("warm", warm), ...(skipCold ? [] : rows("empty", cold))];
}

/** Runs the child once. @param cache folder for the driver's compiled shaders @returns the same times in ms since the process was started */
async function startOnce(task: StartTask, cache?: string): Promise<StartTimes> {
  const root = fileURLToPath(new URL("../", import.meta.url));
  const started = performance.timeOrigin + performance.now();
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["run", "--no-prompt", "--allow-read", join(root, "bench/start_child.ts"), JSON.stringify(task)],
    cwd: root,
    // Mesa's name and the one of NVIDIA's driver.
    env: cache === undefined ? {} : { MESA_SHADER_CACHE_DIR: cache, __GL_SHADER_DISK_CACHE_PATH: cache },
    stdin: "null",
  }).output();
  if (code !== 0) {
    throw new GpuError(`Cannot measure the start: the child ended with ${code}: ${new TextDecoder().decode(stderr)}`);
  }
  const times: StartTimes = JSON.parse(new TextDecoder().decode(stdout));
  return Object.fromEntries(Object.entries(times).map(([until, at]) => [until, at - started])) as unknown as StartTimes;
}
