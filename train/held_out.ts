// The battles that a run held out for validation, found again from its run.json.
import { join } from "node:path";
import type { Battle } from "../data/battle.ts";
import type { EncodedBattle } from "../data/dataset.ts";
import type { EncodeOptions } from "../data/template.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import { InputError, UsageError } from "../errors.ts";
import { isObject, type JsonObject, parseObject } from "../model/json_text.ts";
import { loadRunData, readRunParts, type RunParts } from "./load_data.ts";
import type { DataRecord, RunRecord } from "./run_record.ts";

export interface HeldOut {
  battles: EncodedBattle[];
  texts: Battle[];
  /** Of the file they are in. */
  record: DataRecord;
}

/** run.json of a folder, or undefined where there is none. */
export async function readRun(folder: string): Promise<JsonObject | undefined> {
  const path = join(folder, "run.json");
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return parseObject(text, `Cannot read ${path}`, "train again");
}

/** The record of the run in `folder`. @throws {UsageError} if it holds none */
async function recordOf(folder: string): Promise<Pick<RunRecord, "settings" | "data" | "valid">> {
  const run = await readRun(folder);
  if (isObject(run?.settings) && isObject(run.data)) return run as unknown as RunRecord;
  throw new UsageError(`Cannot find what ${folder} held out: it has no run.json of a run: name battles with --data`);
}

/** @throws {UsageError} if the run held nothing out @throws {InputError} if its data changed since */
export async function heldOutOf(folder: string, tokenizer: Tokenizer, encoding: EncodeOptions): Promise<HeldOut> {
  const run = await recordOf(folder);
  const data = await loadRunData(tokenizer, { ...run.settings, ...encoding, extraData: undefined });
  if (data.valid.length === 0) {
    throw new UsageError(`Cannot find what ${folder} held out: it trained on all its battles: name others with --data`);
  }
  const record = data.validRecord ?? data.trainRecord;
  const recorded = data.validRecord ? run.valid : run.data;
  if (record.sha256 !== recorded?.sha256) {
    throw new InputError(`Cannot find what ${folder} held out: ${record.source} has changed since: name --data`);
  }
  return { battles: data.valid, texts: (await data.texts()).valid, record };
}

/** The battles that a run learned from and those it held out, as texts.
 *  @throws {UsageError} if the folder holds no run @throws {InputError} if its data changed since, or is gone */
export async function partsOfRun(folder: string): Promise<RunParts> {
  const { settings, data, valid = data } = await recordOf(folder), parts = await readRunParts(settings);
  const { trainRecord, validRecord } = parts;
  for (const [now, then] of [[trainRecord, data], [validRecord, valid]]) {
    if (now.sha256 === then.sha256) continue;
    throw new InputError(
      `Cannot find what ${folder} learned from: ${now.source} has changed since: name files with --data and --train`,
    );
  }
  return parts;
}

/** Which battles a run held out, in a word that is the same for runs that held out the same; undefined of no run. */
export function heldOutKey(run: JsonObject | undefined): string | undefined {
  if (!isObject(run?.settings) || !isObject(run.data)) return undefined;
  const { folds, fold, validFraction, seed } = run.settings;
  if (isObject(run.valid)) return `file ${run.valid.sha256}`;
  return [run.data.sha256, folds ?? "", fold ?? "", folds === undefined ? validFraction : "", seed].join();
}
