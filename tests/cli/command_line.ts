// Runs a task as a user does: through deno.json, from a folder of the user's, with the permissions of the task.
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

/** Runs `test` in a folder that is gone afterwards. */
export async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
