// Runs a task as a user does: through deno.json, from a folder of the user's, with the permissions of the task.
import assert from "node:assert/strict";
import { homedir } from "node:os";
import { join } from "node:path";
import { root } from "../imports.ts";

export interface Ended {
  code: number;
  out: string;
  err: string;
}

/** `deno task NAME ARGS...`, started in `cwd`. */
export async function task(args: string[], cwd: string, env: Record<string, string> = {}): Promise<Ended> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "--config", join(root, "deno.json"), ...args],
    cwd,
    // deno task would keep the INIT_CWD of the test runner's own task.
    env: { NO_COLOR: "1", INIT_CWD: cwd, ...env },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code: output.code, out: decoder.decode(output.stdout), err: decoder.decode(output.stderr) };
}

/** Runs tasks in `folder` that must succeed: `run("train", "--out", "a")`. */
export function succeedingIn(folder: string): (...args: string[]) => Promise<Ended> {
  return async (...args) => {
    const ended = await task(args, folder);
    assert.equal(ended.code, 0, `${args.join(" ")}: ${ended.err}`);
    return ended;
  };
}

/** Lets Tiebreak keep its cache in `folder`; Deno and Mesa, whose compiled shaders take a minute to make again, keep theirs. */
export function ownCacheIn(folder: string): Record<string, string> {
  const { XDG_CACHE_HOME, DENO_DIR, MESA_SHADER_CACHE_DIR } = Deno.env.toObject();
  const caches = XDG_CACHE_HOME || join(homedir(), ".cache");
  return {
    XDG_CACHE_HOME: folder,
    DENO_DIR: DENO_DIR || join(caches, "deno"),
    MESA_SHADER_CACHE_DIR: MESA_SHADER_CACHE_DIR || caches,
  };
}

/** Runs `test` in a folder that is gone afterwards. */
export async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Starts a run and sends `signal` once its metrics show `step`. */
export async function stopAt(
  folder: string,
  args: string[],
  step: number,
  signal: Deno.Signal,
  env: Record<string, string> = {},
) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "-A", `${root}/main.ts`, ...args, "--log-every", "1"],
    cwd: folder,
    env: { INIT_CWD: folder, NO_COLOR: "1", ...env },
    stderr: "piped",
    stdout: "piped",
  }).spawn();
  const output = child.output();
  const metricsFile = `${folder}/${args[args.indexOf("--out") + 1]}/metrics.jsonl`;
  for (let polls = 0; polls < 3000; polls++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const text = await Deno.readTextFile(metricsFile).catch(() => "");
    if (text.includes(`"step":${step},`)) break;
  }
  child.kill(signal);
  const { code, signal: ended, stderr } = await output;
  return { code, ended, err: new TextDecoder().decode(stderr) };
}
