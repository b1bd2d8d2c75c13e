// A run's folder as its report reads it: run.json, metrics.jsonl and, where it is there, times.jsonl. Whatever is
// damaged is told in one line; a last line that was torn by a kill is left out with a note, as --resume drops it.
import { basename, join, resolve } from "node:path";
import { InputError } from "../../errors.ts";
import { isObject, type JsonObject, parseObject } from "../../model/json_text.ts";
import { type KernelTimes, kernelTimesName } from "../../train/kernel_times.ts";
import { type Phase, phases } from "../../train/time_spent.ts";

/** One optimizer step. */
export interface StepRow {
  step: number;
  loss: number;
  lr: number;
  /** Absent where the step was left out: a gradient overflowed f16. */
  gradNorm?: number;
  tokens: number;
  /** The mean of the steps that were read together. */
  ms: number;
}

export interface ValidationRow {
  step: number;
  logLoss: number;
  accuracy: number;
  expectedLogLoss?: number;
}

export interface Run {
  path: string;
  name: string;
  settings: JsonObject;
  adapter: { name: string; isCpu: boolean };
  data: { source: string; sha256: string; battles: number };
  valid?: { source: string; sha256: string; battles: number };
  parameters: { trained: number; frozen: number };
  started: string;
  versions: { tiebreak: string; deno: string };
  /** Bytes on the adapter; absent in runs of earlier versions. */
  memory?: number;
  steps: StepRow[];
  validations: ValidationRow[];
  /** Milliseconds of each phase; empty where nobody noted them. */
  times: Partial<Record<Phase, number>>;
  /** Of a run with --profile. */
  kernels?: KernelTimes;
  /** What the reader should know of the folder; lines. */
  notes: string[];
}

/** @throws {InputError} if the folder holds no run, or a damaged one */
export async function readRunFolder(path: string): Promise<Run> {
  const file = join(path, "run.json");
  const text = await read(file);
  if (text === undefined) throw new InputError(`Cannot read ${path}: it holds no run.json: name a run folder`);
  const run = parseObject(text, `Cannot read ${file}`, "train again");
  const part = (name: string, ...numbers: string[]): JsonObject => {
    const value = run[name];
    const missing = isObject(value) ? numbers.find((key) => typeof value[key] !== "number") : undefined;
    if (!isObject(value) || missing) {
      throw new InputError(`Cannot read ${file}: it has no ${missing ? `${name}.${missing}` : name}: train again`);
    }
    return value;
  };
  const data = part("data", "battles") as unknown as Run["data"];
  const metrics = join(path, "metrics.jsonl");
  const lines = await read(metrics);
  if (lines === undefined) throw new InputError(`Cannot read ${path}: it holds no metrics.jsonl: train again`);
  const notes: string[] = [], rows = parseLines(metrics, lines, notes);
  return {
    path,
    name: basename(resolve(path)),
    settings: part("settings"),
    adapter: part("adapter") as Run["adapter"],
    data,
    ...(run.valid !== undefined && { valid: part("valid", "battles") as unknown as Run["data"] }),
    parameters: part("parameters", "trained", "frozen") as Run["parameters"],
    started: String(run.started ?? ""),
    versions: { tiebreak: String(run.tiebreak ?? "?"), deno: String(run.deno ?? "?") },
    ...(typeof run.memory === "number" && { memory: run.memory }),
    steps: rows.flatMap(({ row, line }) => "validLogLoss" in row ? [] : [stepOf(metrics, line, row)]),
    validations: rows.flatMap(({ row, line }) => "validLogLoss" in row ? [validationOf(metrics, line, row)] : []),
    times: await readTimes(join(path, "times.jsonl"), notes),
    ...await readKernels(join(path, kernelTimesName)),
    notes,
  };
}

async function readKernels(file: string): Promise<Pick<Run, "kernels">> {
  const text = await read(file);
  if (text === undefined) return {};
  const { tokens, battles, kernels } = parseObject(text, `Cannot read ${file}`, "remove it");
  const isSound = Number.isFinite(tokens) && Number.isFinite(battles) && Array.isArray(kernels) &&
    kernels.every((one) => isObject(one) && Number.isFinite(one.ms) && Number.isFinite(one.dispatches));
  if (!isSound) throw new InputError(`Cannot read ${file}: it holds no times of kernels: remove it`);
  return { kernels: { tokens, battles, kernels } as KernelTimes };
}

function stepOf(file: string, line: number, row: JsonObject): StepRow {
  const number = (key: string) => numberOf(file, line, row, key);
  return {
    step: number("step"),
    loss: number("loss"),
    lr: number("lr"),
    ...(row.skipped !== 1 && { gradNorm: number("gradNorm") }),
    tokens: number("tokens"),
    ms: number("ms"),
  };
}

function validationOf(file: string, line: number, row: JsonObject): ValidationRow {
  const number = (key: string) => numberOf(file, line, row, key);
  return {
    step: number("step"),
    logLoss: number("validLogLoss"),
    accuracy: number("validAccuracy"),
    ...("validExpectedLogLoss" in row && { expectedLogLoss: number("validExpectedLogLoss") }),
  };
}

function numberOf(file: string, line: number, row: JsonObject, key: string): number {
  const value = row[key];
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new InputError(
    `Cannot read ${file} line ${line}: ${key} is ${JSON.stringify(value) ?? "missing"}, must be a number: train again`,
  );
}

/** Sums over the processes that worked on the run. */
async function readTimes(file: string, notes: string[]): Promise<Run["times"]> {
  const times: Run["times"] = {};
  for (const { row, line } of parseLines(file, await read(file) ?? "", notes)) {
    for (const phase of Object.keys(phases) as Phase[]) {
      if (phase in row) times[phase] = (times[phase] ?? 0) + numberOf(file, line, row, phase);
    }
  }
  return times;
}

/** @param notes grows by one where the last line is torn */
function parseLines(file: string, text: string, notes: string[]): { row: JsonObject; line: number }[] {
  const lines = text.split("\n"), torn = lines.pop();
  if (torn) notes.push(`${file}: its last line is torn and left out`);
  return lines.map((text, at) => {
    let row: unknown;
    try {
      row = JSON.parse(text);
    } catch {
      row = undefined;
    }
    if (!isObject(row)) {
      throw new InputError(`Cannot read ${file} line ${at + 1}: it is no JSON object: remove the line or train again`);
    }
    return { row, line: at + 1 };
  });
}

async function read(file: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw new InputError(`Cannot read ${file}: ${(error as Error).message.split("\n")[0]}`);
  }
}
