// The run folder: who may write into it, run.json, and the logs that grow line by line: metrics.jsonl, which is cut back to the
// checkpoint on resume, and times.jsonl.
import { dirname, join, resolve } from "node:path";
import { InputError, UsageError } from "../errors.ts";
import { writeFully, writeTextAtomically } from "../model/atomic_file.ts";
import { isObject, type JsonObject, parseObject } from "../model/json_text.ts";
import { isFolder } from "../model/model_files.ts";
import { kernelTimesName } from "./kernel_times.ts";

/** One optimizer step, or one validation, as a line of metrics.jsonl. */
export type MetricsRow = { step: number } & Record<string, number>;

/** The predictions for a run's own fold. */
export const outOfFoldName = "out_of_fold.csv";

/** The page that shows how a run went. */
export const reportName = "report.html";

const metricsName = "metrics.jsonl", timesName = "times.jsonl";

/** What a run leaves in its folder; --force removes these and nothing else. */
const ownNames = [
  "run.json",
  metricsName,
  timesName,
  kernelTimesName,
  "checkpoint",
  reportName,
  "config.json",
  "model.safetensors",
  "head.safetensors",
  "adapter_config.json",
  "adapter_model.safetensors",
  outOfFoldName,
];

/** Locked by the process that trains; a kill leaves the file there, unlocked. */
const lockName = ".lock";

export class RunFolder {
  #metrics?: Deno.FsFile;
  #lock?: Deno.FsFile;

  /** Use `openRunFolder`. @param earlier run.json of the run to resume */
  constructor(readonly path: string, readonly earlier: JsonObject | undefined) {}

  /** Takes the folder over: removes an earlier run if it is not resumed, writes run.json, cuts its logs back.
   *  To be called once all input is known to be good. @param progress steps that are kept of an earlier run
   *  @throws {UsageError} if another process trains into it */
  async begin(run: JsonObject, progress: { step: number; validatedStep: number }): Promise<void> {
    await Deno.mkdir(this.path, { recursive: true });
    const lock = await Deno.open(join(this.path, lockName), { write: true, create: true });
    if (!await takeLock(lock)) {
      lock.close();
      throw new UsageError(`Cannot train into ${this.path}: another process does: wait for it, or name another --out`);
    }
    this.#lock = lock;
    if (!this.earlier) { for (const name of ownNames) await remove(join(this.path, name)); }
    await writeTextAtomically(join(this.path, "run.json"), JSON.stringify(run, null, 2) + "\n");
    const path = join(this.path, metricsName), times = join(this.path, timesName);
    await writeTextAtomically(path, keptMetrics(await readIfThere(path), progress));
    this.#metrics = await Deno.open(path, { append: true });
    const spent = await readIfThere(times);
    if (spent) await writeTextAtomically(times, keptLines(spent));
  }

  async appendMetrics(rows: MetricsRow[]): Promise<void> {
    const text = rows.map((row) => JSON.stringify(row) + "\n").join("");
    await writeFully(this.#metrics!, new TextEncoder().encode(text));
  }

  /** Milliseconds of each phase since the last time; a run that is stopped and resumed spends the time of both. */
  async appendTimes(times: Record<string, number>): Promise<void> {
    await Deno.writeTextFile(join(this.path, timesName), JSON.stringify(times) + "\n", { append: true });
  }

  /** Before a checkpoint is published, its metrics are on disk. */
  async syncMetrics(): Promise<void> {
    await this.#metrics!.sync();
  }

  close(): void {
    this.#metrics?.close();
    if (this.#lock) {
      removeIfThere(join(this.path, lockName));
      this.#lock.close();
    }
    this.#metrics = this.#lock = undefined;
  }
}

/** Looks at `path` and changes nothing yet.
 *  @throws {UsageError} if it holds a run and neither `resume` nor `force` says what to do with it */
export async function openRunFolder(
  path: string,
  { resume, force }: { resume: boolean; force: boolean },
): Promise<RunFolder> {
  if (resume && force) throw new UsageError("Cannot train with both --resume and --force: choose one");
  const found = await namesIn(path);
  const held = ownNames.filter((name) => found.has(name));
  if (resume) {
    await checkWritable(path);
    if (!found.has("run.json")) throw new UsageError(`Cannot resume ${path}: it holds no run.json: leave --resume out`);
    const file = join(path, "run.json");
    const advice = "start again with --force";
    return new RunFolder(path, parseObject(await Deno.readTextFile(file), `Cannot resume from ${file}`, advice));
  }
  if (held.length > 0 && !force) {
    throw new UsageError(
      `Cannot train into ${path}: it holds ${
        held[0]
      } already: add --resume to go on, --force to replace it, or name another --out`,
    );
  }
  await checkWritable(path);
  return new RunFolder(path, undefined);
}

/** Writes where the folder is or will be, before hours of work, and leaves nothing. */
async function checkWritable(path: string): Promise<void> {
  let folder = resolve(path);
  while (!await isFolder(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    await Deno.remove(await Deno.makeTempDir({ dir: folder, prefix: ".tiebreak-" }));
  } catch (error) {
    const reason = (error as Error).message.replace(/: tmpdir$/, "");
    throw new UsageError(`Cannot train into ${path}: ${reason} in ${folder}: name another --out`);
  }
}

/** Lines of metrics.jsonl up to a checkpoint; a torn last line goes too. */
export function keptMetrics(text: string, { step, validatedStep }: { step: number; validatedStep: number }): string {
  return keptLines(text, (row) => Number(row.step) <= ("validLogLoss" in row ? Math.min(step, validatedStep) : step));
}

/** The lines that are whole JSON objects; what a kill tore would spoil the line that is written next. */
function keptLines(text: string, isKept: (row: JsonObject) => boolean = () => true): string {
  const kept = text.split("\n").filter((line) => {
    try {
      const row: unknown = JSON.parse(line);
      return isObject(row) && isKept(row);
    } catch {
      return false;
    }
  });
  return kept.map((line) => line + "\n").join("");
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Unlocked, it keeps nobody out.
  }
}

/** Takes the lock, which ends with the process. Some network drives know none: there nobody is kept out. */
async function takeLock(file: Deno.FsFile): Promise<boolean> {
  try {
    return await file.tryLock(true);
  } catch {
    return true;
  }
}

async function namesIn(path: string): Promise<Set<string>> {
  const names = new Set<string>();
  try {
    for await (const { name } of Deno.readDir(path)) names.add(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return names;
    if (error instanceof Deno.errors.NotADirectory) {
      throw new InputError(`Cannot train into ${path}: it is a file: name another --out`);
    }
    throw error;
  }
  return names;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

async function remove(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
