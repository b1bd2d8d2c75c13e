// The command line: picks the subcommand's file under cli/, and turns errors into one line and an exit code:
// 0 done, 1 failed, 2 wrong usage or bad input. No other logic here.
import { stdout } from "node:process";
import { InputError, UsageError } from "./errors.ts";

type Command = { run(args: string[]): Promise<void> };

const commands: Record<string, () => Promise<Command>> = {
  train: () => import("./cli/train.ts"),
  evaluate: () => import("./cli/evaluate.ts"),
  submit: () => import("./cli/submit.ts"),
  crossvalidate: () => import("./cli/crossvalidate.ts"),
  calibrate: () => import("./cli/calibrate.ts"),
  ensemble: () => import("./cli/ensemble.ts"),
  compare: () => import("./cli/compare.ts"),
  average: () => import("./cli/average.ts"),
  merge: () => import("./cli/merge.ts"),
  tokenize: () => import("./cli/tokenize.ts"),
  explore: () => import("./cli/explore.ts"),
  sample: () => import("./cli/sample.ts"),
  memory: () => import("./cli/memory.ts"),
  tune: () => import("./cli/tune.ts"),
  bench: () => import("./cli/bench.ts"),
};

async function main([name, ...args]: string[]): Promise<void> {
  const command = Object.hasOwn(commands, name ?? "") ? commands[name] : undefined;
  if (!command) {
    throw new UsageError(
      `Cannot run ${name === undefined ? "without a task" : `"${name}"`}: use one of ${
        Object.keys(commands).join(", ")
      }`,
    );
  }
  // deno task runs in the folder of deno.json; the user's relative paths begin where the user is.
  const folder = Deno.env.get("INIT_CWD");
  if (folder) Deno.chdir(folder);
  await (await command()).run(args);
}

/** What the system does not let the user read or write. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && "code" in error && ["EACCES", "EPERM", "EROFS"].includes(String(error.code));
}

/** Prints `error` as one line, with its stack only if asked for, and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof Deno.errors.BrokenPipe) return 0; // `tokenize | head`: the reader has had enough
  const message = error instanceof Error ? error.message : String(error);
  const known = isRefused(error) ? `Cannot use a file or folder: ${message}: change its permissions` : message;
  console.error(known.replaceAll(/\s*\n\s*/g, " ").trim() || "Failed without a message: run again with --verbose");
  if (Deno.args.includes("--verbose") && error instanceof Error) console.error(error.stack);
  return error instanceof InputError || error instanceof UsageError || isRefused(error) ? 2 : 1;
}

if (import.meta.main) {
  // The command line's parser writes its help by Node's stream, which reports a reader that has gone by an event.
  stdout.on("error", (error) => Deno.exit("code" in error && error.code === "EPIPE" ? 0 : report(error)));
  try {
    await main(Deno.args);
  } catch (error) {
    Deno.exit(report(error));
  }
}
