// The battles of a run: from the user's files or the built-in sample, split by prompt where no validation file is given.
import { resolve } from "node:path";
import type { Battle } from "../data/battle.ts";
import { readBattles } from "../data/battles.ts";
import { encodeAll, type EncodedBattle } from "../data/dataset.ts";
import { promptKey, type Split, splitByKey } from "../data/folds.ts";
import { nearDuplicateKeys } from "../data/near_duplicates.ts";
import { generateSample, type SampleSplit } from "../data/sample.ts";
import { splitByFold, stratifiedFolds } from "../data/stratified_folds.ts";
import type { EncodeOptions } from "../data/template.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import { InputError } from "../errors.ts";
import { type DataRecord, fileSha256, textSha256 } from "./run_record.ts";

/** Battles of the built-in sample: as many as a full fine-tuning of MiniLM gets through in about 4 minutes where the
 *  adapter's best matmul reaches 10 GFLOP/s. */
export const builtIn = { train: 480, valid: 160, seed: 42 };

export interface RunData {
  train: EncodedBattle[];
  /** Empty if nothing is held out. */
  valid: EncodedBattle[];
  trainRecord: DataRecord;
  /** Of the validation file, where there is one. */
  validRecord?: DataRecord;
  /** Battles of a validation file whose prompt is trained on too. */
  sharedPrompts: number;
  /** Reads the texts again, e.g. for the baselines; in the order of `train` and `valid`. */
  texts(): Promise<{ train: Battle[]; valid: Battle[] }>;
}

export interface LoadOptions extends EncodeOptions {
  /** Files; absent for the built-in sample. */
  data?: string;
  valid?: string;
  validFraction: number;
  /** How many folds, and which one is held out, from 1; in place of `validFraction`. */
  folds?: number;
  fold?: number;
  seed: number;
}

/** Reads, checks and encodes all battles of a run. @throws {InputError} with file, row and column */
export async function loadRunData(tokenizer: Tokenizer, options: LoadOptions): Promise<RunData> {
  const source = options.data === undefined ? sampleSource("train", builtIn.train) : fileSource(options.data);
  const keys: string[] = [];
  const all = await encodeAll(noting(source.battles(), keys), tokenizer, options);
  const trainRecord = await source.record(all.length);
  const held = options.valid !== undefined
    ? fileSource(options.valid)
    : options.data === undefined && options.folds === undefined
    ? sampleSource("valid", builtIn.valid)
    : undefined;
  if (held) {
    const heldKeys: string[] = [], trained = new Set(keys);
    const valid = await encodeAll(noting(held.battles(), heldKeys), tokenizer, options);
    return {
      train: all,
      valid,
      sharedPrompts: heldKeys.filter((key) => trained.has(key)).length,
      trainRecord,
      validRecord: await held.record(valid.length),
      texts: async () => ({
        train: await Array.fromAsync(source.battles()),
        valid: await Array.fromAsync(held.battles()),
      }),
    };
  }
  const split = splitBattles(all, keys, options);
  const pick = <T>(from: T[], places: number[]) => places.map((place) => from[place]);
  return {
    train: pick(all, split.train),
    valid: pick(all, split.valid),
    sharedPrompts: 0,
    trainRecord,
    texts: async () => {
      const battles = await Array.fromAsync(source.battles());
      if (battles.length !== all.length) {
        throw new InputError(`Cannot read ${options.data} again: it changed during the run: run again`);
      }
      return { train: pick(battles, split.train), valid: pick(battles, split.valid) };
    },
  };
}

/** Prompts that are nearly the same stay together. */
function splitBattles(
  all: readonly EncodedBattle[],
  keys: readonly string[],
  { validFraction, folds, fold, seed }: LoadOptions,
): Split {
  if (folds !== undefined) {
    const labels = all.map(({ label }) => label!);
    return splitByFold(stratifiedFolds(nearDuplicateKeys(keys), labels, { folds, seed }), fold! - 1);
  }
  if (validFraction > 0) return splitByKey(nearDuplicateKeys(keys), validFraction, seed);
  return { train: [...all.keys()], valid: [] };
}

interface Source {
  battles(): Iterable<Battle> | AsyncIterable<Battle>;
  record(battles: number): Promise<DataRecord>;
}

function fileSource(path: string): Source {
  return {
    battles: () => readBattles(path, { requireLabels: true }),
    record: async (battles) => ({ source: resolve(path), sha256: await fileSha256(path), battles }),
  };
}

function sampleSource(split: SampleSplit, count: number): Source {
  const battles = generateSample({ battles: count, seed: builtIn.seed, split });
  const source = `built-in sample, ${split} split, seed ${builtIn.seed}`;
  return {
    battles: () => battles,
    record: () => Promise.resolve({ source, sha256: textSha256(JSON.stringify(battles)), battles: count }),
  };
}

/** Passes battles on and keeps the keys of their prompts. */
async function* noting(battles: Iterable<Battle> | AsyncIterable<Battle>, keys: string[]): AsyncGenerator<Battle> {
  for await (const battle of battles) {
    keys.push(promptKey(battle.prompt));
    yield battle;
  }
}
