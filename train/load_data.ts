// The battles of a run: from the user's files or the built-in sample, split by prompt where no validation file is given.
import { resolve } from "node:path";
import type { Battle, BattleSource, Outcome } from "../data/battle.ts";
import { readBattles, type ReadOptions } from "../data/battles.ts";
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
export const builtIn = { train: 600, valid: 160, seed: 42 };

export interface RunData {
  train: EncodedBattle[];
  /** Empty if nothing is held out. */
  valid: EncodedBattle[];
  trainRecord: DataRecord;
  /** Of the extra data, and how many of its battles were left out since a validation battle has their prompt. */
  extraRecord?: DataRecord;
  extraLeftOut: number;
  /** Of the validation file, where there is one. */
  validRecord?: DataRecord;
  /** Battles of a validation file whose prompt is trained on too. */
  sharedPrompts: number;
  /** Reads the texts again, e.g. for the baselines; in the order of `train`, without extra battles, and of `valid`. */
  texts(): Promise<{ train: Battle[]; valid: Battle[] }>;
}

export interface LoadOptions extends EncodeOptions {
  /** Files; absent for the built-in sample. */
  data?: string;
  valid?: string;
  validFraction: number;
  extraData?: string;
  extraWeight?: number;
  targetTemperature?: number;
  /** How many folds, and which one is held out, from 1; in place of `validFraction`. */
  folds?: number;
  fold?: number;
  seed: number;
}

/** Reads, checks and encodes all battles of a run. @throws {InputError} with file, row and column */
export async function loadRunData(tokenizer: Tokenizer, options: LoadOptions): Promise<RunData> {
  const { validKeys, ...data } = await loadOwnData(tokenizer, options);
  const { extraData, extraWeight = 1, targetTemperature = 1 } = options;
  let train = data.train;
  const extra: Partial<RunData> = {};
  if (extraData !== undefined) {
    const keys: string[] = [];
    const source = fileSource(extraData, { requireTargets: true });
    const all = await encodeAll(noting(source.battles(), keys), tokenizer, options);
    extra.extraRecord = await source.record(all.length);
    const groups = nearDuplicateKeys([...validKeys, ...keys]), held = new Set(groups.slice(0, validKeys.length));
    const kept = all.filter((_, at) => !held.has(groups[validKeys.length + at]));
    extra.extraLeftOut = all.length - kept.length;
    const weighted = kept.map((battle) => ({ ...battle, weight: (battle.weight ?? 1) * extraWeight }));
    train = train.concat(weighted.map((battle, at) => ({ ...battle, index: train.length + at })));
  }
  return { ...data, ...extra, train: train.map((battle) => withTemperature(battle, targetTemperature)) };
}

/** Of a battle with target probabilities: those to the power 1/T, made to add up to 1. */
function withTemperature(battle: EncodedBattle, temperature: number): EncodedBattle {
  if (!battle.target || temperature === 1) return battle;
  const powers = battle.target.map((p) => p ** (1 / temperature));
  const sum = powers[0] + powers[1] + powers[2];
  return { ...battle, target: powers.map((power) => power / sum) as [number, number, number] };
}

/** Everything but the extra data. @returns also the keys of the validation battles' prompts */
async function loadOwnData(tokenizer: Tokenizer, options: LoadOptions): Promise<RunData & { validKeys: string[] }> {
  const source = options.data === undefined ? sampleSource("train", builtIn.train) : fileSource(options.data);
  const keys: string[] = [];
  const all = await encodeAll(noting(source.battles(), keys), tokenizer, options);
  const trainRecord = await source.record(all.length);
  const held = heldSource(options);
  if (held) {
    const heldKeys: string[] = [], trained = new Set(keys);
    const valid = await encodeAll(noting(held.battles(), heldKeys), tokenizer, options);
    return {
      train: all,
      valid,
      validKeys: heldKeys,
      extraLeftOut: 0,
      sharedPrompts: heldKeys.filter((key) => trained.has(key)).length,
      trainRecord,
      validRecord: await held.record(valid.length),
      texts: async () => ({
        train: await Array.fromAsync(source.battles()),
        valid: await Array.fromAsync(held.battles()),
      }),
    };
  }
  const split = splitBattles(all.map(({ label }) => label!), keys, options);
  const pick = <T>(from: T[], places: number[]) => places.map((place) => from[place]);
  return {
    train: pick(all, split.train),
    valid: pick(all, split.valid),
    validKeys: pick(keys, split.valid),
    extraLeftOut: 0,
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
  labels: readonly Outcome[],
  keys: readonly string[],
  { validFraction, folds, fold, seed }: Pick<LoadOptions, "validFraction" | "folds" | "fold" | "seed">,
): Split {
  if (folds !== undefined) {
    return splitByFold(stratifiedFolds(nearDuplicateKeys(keys), labels, { folds, seed }), fold! - 1);
  }
  if (validFraction > 0) return splitByKey(nearDuplicateKeys(keys), validFraction, seed);
  return { train: [...labels.keys()], valid: [] };
}

/** The battles of a run as texts, each part read anew at each call, without extra battles. */
export interface RunParts {
  train: BattleSource;
  /** Undefined if nothing was held out. */
  valid?: BattleSource;
  /** Of the file that the run learned from, and of that which the held-out battles are in. */
  trainRecord: DataRecord;
  validRecord: DataRecord;
}

/** Cuts a run's battles as `loadRunData` does, without their tokens. */
export async function readRunParts(options: Omit<LoadOptions, keyof EncodeOptions>): Promise<RunParts> {
  const source = options.data === undefined ? sampleSource("train", builtIn.train) : fileSource(options.data);
  const held = heldSource(options);
  const keys: string[] = [], labels: Outcome[] = [];
  for await (const { label } of noting(source.battles(), keys)) labels.push(label!);
  const trainRecord = await source.record(labels.length);
  if (held) {
    return { train: source.battles, valid: held.battles, trainRecord, validRecord: await held.record(0) };
  }
  const split = splitBattles(labels, keys, options);
  const part = (places: number[]): BattleSource => () => picked(source.battles(), new Set(places));
  return {
    train: part(split.train),
    ...(split.valid.length > 0 && { valid: part(split.valid) }),
    trainRecord,
    validRecord: trainRecord,
  };
}

async function* picked(
  battles: Iterable<Battle> | AsyncIterable<Battle>,
  places: ReadonlySet<number>,
): AsyncGenerator<Battle> {
  let at = 0;
  for await (const battle of battles) if (places.has(at++)) yield battle;
}

/** Where the held-out battles come from, if not from those of `--data`. */
function heldSource({ data, valid, folds }: Pick<LoadOptions, "data" | "valid" | "folds">): Source | undefined {
  if (valid !== undefined) return fileSource(valid);
  return data === undefined && folds === undefined ? sampleSource("valid", builtIn.valid) : undefined;
}

interface Source {
  battles: BattleSource;
  record(battles: number): Promise<DataRecord>;
}

function fileSource(path: string, needs: ReadOptions = { requireLabels: true }): Source {
  return {
    battles: () => readBattles(path, needs),
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
