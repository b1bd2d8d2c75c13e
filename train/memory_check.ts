// Refuses, before anything is loaded, a run that cannot fit, and says which flag would make it fit.
import { ShapeError, UsageError } from "../errors.ts";
import { type Gpu } from "../gpu/device.ts";
import { estimateMemory, type EstimateOptions, totalBytes } from "./memory.ts";
import { trainsAdapters } from "../model/judge.ts";
import { newLora } from "./lora_settings.ts";
import { baseForm } from "./settings.ts";
import { trainFlags } from "./train_flags.ts";

export interface MemoryCheckOptions extends EstimateOptions {
  /** Tokens of one sequence, at most. */
  maxTokens: number;
  /** What the user allows, in GB of 2^30 bytes. @default the machine's free memory on CPU adapters; WebGPU tells nothing of GPUs */
  memoryLimit?: number;
}

interface Change {
  flags: string;
  options: Partial<EstimateOptions>;
}

/** @throws {UsageError} with what is needed, what there is, and the flags of the nearest run that fits */
export function checkMemory(gpu: Gpu, options: MemoryCheckOptions): void {
  const limit = limitOf(gpu, options.memoryLimit);
  const used = attempt(gpu, options);
  if (typeof used === "number" && (!limit || used <= limit.bytes)) return;
  let advice = "no flag makes it fit: use a smaller model";
  for (const change of changes(gpu, options)) {
    const bytes = attempt(gpu, { ...options, ...change.options });
    if (typeof bytes === "string" || (limit && bytes > limit.bytes)) continue;
    advice = `use ${change.flags} (${gigabytes(bytes)})`;
    break;
  }
  if (typeof used === "string") throw new UsageError(`${used.replace(/: [^:]*$/, "")}: ${advice}`);
  throw new UsageError(`Cannot train with ${gigabytes(used)} of memory: ${limit!.says}: ${advice}`);
}

/** Bytes, or why the adapter refuses. */
function attempt(gpu: Gpu, options: EstimateOptions): number | string {
  try {
    return totalBytes(estimateMemory(gpu, options));
  } catch (error) {
    if (error instanceof ShapeError) return error.message;
    throw error;
  }
}

function limitOf(gpu: Gpu, asked: number | undefined): { bytes: number; says: string } | undefined {
  if (asked !== undefined) return { bytes: asked * 2 ** 30, says: `--memory-limit allows ${asked} GB` };
  if (!gpu.report.isCpu) return undefined;
  try {
    const { available } = Deno.systemMemoryInfo();
    return { bytes: available, says: `this machine has ${gigabytes(available)} free` };
  } catch {
    return undefined; // Not permitted, or not known on this system.
  }
}

/** From the least loss to the largest. */
function changes(gpu: Gpu, options: MemoryCheckOptions): Change[] {
  const { capacity, pairing, maxTokens, checkpointLayers, method, precision } = options;
  const sequences = pairing === "siamese" ? 2 : 1, all: Change[] = [];
  const layers: Change = checkpointLayers
    ? { flags: "", options: {} }
    : { flags: "--checkpoint-layers", options: { checkpointLayers: true } };
  if (!checkpointLayers) all.push(layers);
  const add = (change: Change) =>
    all.push({ flags: `${layers.flags} ${change.flags}`.trim(), options: { ...layers.options, ...change.options } });
  const tokensOf = (tokens: number) => ({ capacity: { ...capacity, tokens } });
  for (const length of [maxTokens, Math.ceil(maxTokens / 2), Math.ceil(maxTokens / 4)]) {
    const tokens = sequences * length, shorter = length < maxTokens ? `--max-tokens ${length} ` : "";
    if (tokens < capacity.tokens) add({ flags: `${shorter}--batch-tokens ${tokens}`, options: tokensOf(tokens) });
  }
  if (precision !== "f16" && gpu.report.features.includes("shader-f16")) {
    add({ flags: "--precision f16", options: { precision: "f16", quant: baseForm({ ...options, precision: "f16" }) } });
  }
  const choices = trainFlags.method.choices ?? [];
  for (const cheaper of ["lora", "qlora", "head"] as const) {
    if (!choices.includes(cheaper) || cheaper === method) continue;
    const methodOptions = { method: cheaper as EstimateOptions["method"] };
    const lora = trainsAdapters(methodOptions.method) ? newLora({}, options) : undefined;
    const changed = {
      ...methodOptions,
      lora,
      quant: baseForm({ ...options, method: cheaper, quant: undefined }) ??
        (cheaper === "qlora" ? "nf4" as const : undefined),
    };
    add({ flags: `--method ${cheaper}`, options: changed });
    const tokens = sequences * maxTokens;
    if (tokens < capacity.tokens) {
      add({ flags: `--method ${cheaper} --batch-tokens ${tokens}`, options: { ...changed, ...tokensOf(tokens) } });
    }
  }
  return all;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GB`;
}
