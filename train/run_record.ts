// run.json: every setting of a run and what it ran on; and the rules by which a resumed run takes its settings from it.
import { createHash } from "node:crypto";
import { InputError, UsageError } from "../errors.ts";
import { isObject, type JsonObject } from "../model/json_text.ts";
import { isSchedules, type Schedules } from "../kernels/schedules.ts";
import project from "../deno.json" with { type: "json" };
import { type Flag, flagName, parseFlag } from "./flags.ts";
import { type TrainSettings } from "./settings.ts";
import { type TrainFlags, trainFlags } from "./train_flags.ts";

/** Where battles came from. */
export interface DataRecord {
  /** Absolute path, or how the built-in sample is drawn. */
  source: string;
  sha256: string;
  battles: number;
}

export interface RunRecord {
  tiebreak: string;
  deno: string;
  started: string;
  settings: TrainSettings & { batchTokens: number };
  adapter: { name: string; isCpu: boolean };
  /** Chosen by measurement; a resumed run keeps them, since they decide the last bits. */
  schedules: Schedules;
  data: DataRecord;
  valid?: DataRecord;
  /** The extra data. */
  extra?: DataRecord;
  /** Numbers. */
  parameters: { trained: number; frozen: number };
  /** Bytes of the adapter: parameters, gradients, moments, activations. */
  memory: number;
}

export const versions = { tiebreak: project.version, deno: Deno.version.deno };

/** Fields of the settings that run.json decides on resume. */
const lasting = Object.entries(trainFlags as Record<string, Flag<unknown>>)
  .filter(([field, { perRun }]) => !perRun && field !== "out");

/** The flags of a resumed run: those of its run.json, and of the command line what may differ.
 *  @param given fields the user typed @throws {UsageError} if one of them contradicts run.json */
export function resumedFlags(flags: TrainFlags, given: ReadonlySet<string>, path: string, run: JsonObject): TrainFlags {
  const settings = run.settings;
  if (!isObject(settings)) {
    throw new InputError(`Cannot resume ${path}: its run.json has no settings: start again with --force`);
  }
  const merged: Record<string, unknown> = { ...flags };
  for (const [field, flag] of lasting) {
    const earlier = settings[field] === undefined ? undefined : checked(path, field, flag, settings[field]);
    // The bytes of the data are compared, not the way to them.
    if (given.has(field) && ["data", "valid", "extraData"].includes(field) && earlier !== undefined) continue;
    if (given.has(field) && merged[field] !== earlier) {
      throw new UsageError(
        `Cannot resume ${path} with --${flagName(field)} ${merged[field]}: its run.json says ${
          earlier ?? "nothing"
        }: leave the flag out`,
      );
    }
    merged[field] = earlier;
  }
  return merged as unknown as TrainFlags;
}

function checked(path: string, field: string, flag: Flag<unknown>, value: unknown): unknown {
  try {
    return parseFlag(field, flag, typeof value === "boolean" ? value : String(value));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const reason = error.message.replace(/^Cannot read --\S+ /, "");
    throw new InputError(`Cannot resume ${path}: run.json's ${field} is ${reason}: start again with --force`);
  }
}

/** The part of run.json that a resumed run takes over as it stands. */
export function resumedChoices(
  path: string,
  run: JsonObject,
): Pick<RunRecord, "started" | "adapter" | "schedules" | "data" | "valid" | "extra"> {
  const sound = { adapter: isObject(run.adapter), schedules: isSchedules(run.schedules), data: isObject(run.data) };
  for (const [field, isSound] of Object.entries(sound)) {
    if (isSound) continue;
    throw new InputError(
      `Cannot resume ${path}: its run.json has no ${field} that can be read: start again with --force`,
    );
  }
  return run as unknown as RunRecord;
}

/** @throws {InputError} if the battles are not those the run began with */
export function checkSameData(path: string, now: DataRecord | undefined, then: DataRecord | undefined): void {
  if (now?.sha256 === then?.sha256) return;
  throw new InputError(
    `Cannot resume ${path}: ${now?.source ?? "no validation data"} is not what the run began with (${
      then ? `${then.source}, ${then.battles} battles, sha256 ${then.sha256.slice(0, 12)}` : "none"
    }): give it the same data or start a new run`,
  );
}

/** SHA-256 of a file, read in pieces. */
export async function fileSha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    const file = await Deno.open(path, { read: true });
    for await (const bytes of file.readable) hash.update(bytes);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new InputError(`Cannot open ${path}: there is no such file`);
    throw new InputError(`Cannot read ${path}: ${(error as Error).message}`);
  }
  return hash.digest("hex");
}

export function textSha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
