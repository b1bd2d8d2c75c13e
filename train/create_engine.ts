// From settings to a ready engine: opens the GPU, measures schedules, chooses the size of a micro-batch.
import { type NumberSet } from "../data/numbers.ts";
import { ShapeError, UsageError } from "../errors.ts";
import { type AdapterReport, type Gpu, openGpu } from "../gpu/device.ts";
import { type PlannedAdapter } from "../gpu/planning.ts";
import { type BaseForm } from "../model/parameters.ts";
import { defaultSchedules, type Schedules } from "../kernels/schedules.ts";
import { type Precision } from "../kernels/tape.ts";
import { type AdapterConfig } from "../model/adapter_config.ts";
import { type ModelConfig } from "../model/config.ts";
import { type Lora } from "../model/lora.ts";
import { type Capacity } from "../model/inputs.ts";
import { ownCache, processEnvironment } from "../model/environment.ts";
import { type Method } from "../model/judge.ts";
import { architectureOf } from "../model/registry.ts";
import { type Pairing, type SiameseHead } from "../model/tiebreak_entry.ts";
import { type GpuEngine, openGpuEngine } from "./gpu_engine.ts";
import { type EstimateOptions, usedClasses } from "./memory.ts";
import { checkMemory } from "./memory_check.ts";
import { tunedSchedules } from "./schedule_cache.ts";
import { dropoutRates } from "./settings.ts";

export interface CreateEngineOptions {
  /** Hugging Face folder of the weights. */
  folder: string;
  config: ModelConfig;
  pairing: Pairing;
  head: SiameseHead;
  method: Method;
  /** Adapters of the backbone's weights. */
  lora?: Lora;
  /** Where they come from, if they are not new; added to the weights where `lora` is absent. */
  adapter?: AdapterConfig;
  /** The form in which the backbone's frozen dense weights are held. @default floats */
  quant?: BaseForm;
  /** Numbers beside the text. @default {"none"} */
  features?: NumberSet;
  /** Of a frozen backbone with a siamese head: sequences come pooled, see pooled_features.ts. @default {false} */
  pooledOnce?: boolean;
  /** Trains only so many of the top layers. @default all */
  trainLayers?: number;
  /** Battles of one optimizer step. */
  batch: number;
  /** Token budget of one micro-batch. @default chosen for the adapter */
  batchTokens?: number;
  /** Tokens of one sequence, at most: a micro-batch holds at least one battle of that length. */
  maxTokens: number;
  /** One rate for all sites. @default the rates of config.json */
  dropout?: number;
  /** Computes each layer's forward again in the backward pass. @default {false} */
  checkpointLayers?: boolean;
  /** What training stores activations in. @default {"f32"} */
  precision?: Precision;
  /** False: for predictions alone. @default {true} */
  trains?: boolean;
  /** GB of 2^30 bytes that the run may hold on the adapter. @default what a CPU adapter's machine has free */
  memoryLimit?: number;
  weightDecay: number;
  clip: number;
  seed: number;
  /** Of a run that is resumed; else from the cache, else measured. */
  schedules?: Schedules;
  /** The adapter whose they are: another one does without them. @default any */
  schedulesOf?: string;
  /** False: take good defaults in place of measured schedules. @default {true} */
  tune?: boolean;
  /** Told in one line what the user should know. */
  onNotice?: (line: string) => void;
}

export interface CreatedEngine {
  engine: GpuEngine;
  adapter: AdapterReport;
  schedules: Schedules;
  /** Releases the engine and its device. */
  dispose(): void;
}

/** torch.optim.AdamW's defaults. */
const adamw = { betas: [0.9, 0.999], eps: 1e-8 } as const;

/** Opens everything a run needs. Whoever calls it calls `dispose()`. */
export async function createEngine(options: CreateEngineOptions): Promise<CreatedEngine> {
  const gpu = await openGpu();
  try {
    checkPrecision(gpu, options.quant === "f16" ? "f16" : options.precision);
    const asked = { ...options, gpu, ...engineChoices(gpu, options) };
    const isOther = options.schedulesOf !== undefined && options.schedulesOf !== gpu.report.name;
    const schedules = (isOther ? undefined : options.schedules) ??
      (options.tune === false ? defaultSchedules(gpu.report.isCpu) : (await tunedSchedules(gpu, {
        folder: ownCache(processEnvironment),
        classes: classesOf(gpu, asked),
        onNotice: options.onNotice,
      })).schedules);
    const engineOptions = { ...asked, schedules };
    if (options.trains !== false) checkMemory(gpu, engineOptions);
    const engine = await openGpuEngine(engineOptions);
    const dispose = () => {
      engine.dispose();
      gpu.dispose();
    };
    return { engine, adapter: gpu.report, schedules, dispose };
  } catch (error) {
    gpu.dispose();
    throw error;
  }
}

/** Of the products of the run's programs; none where the adapter cannot hold them, which `checkMemory` says in its own words. */
function classesOf(gpu: Gpu, options: Omit<EstimateOptions, "schedules">): string[] {
  try {
    return usedClasses(gpu, { ...options, schedules: defaultSchedules(gpu.report.isCpu) });
  } catch (error) {
    if (error instanceof ShapeError) return [];
    throw error;
  }
}

/** @throws {UsageError} if the adapter cannot store what is asked for */
export function checkPrecision({ report }: Gpu, precision: Precision | undefined): void {
  if (precision !== "f16" || report.features.includes("shader-f16")) return;
  throw new UsageError(
    `Cannot use --precision f16 on "${report.name}": this adapter has no shader-f16: leave the flag out`,
  );
}

/** What an engine of these settings takes beside its schedules. */
export function engineChoices(adapter: PlannedAdapter, options: Omit<CreateEngineOptions, "folder" | "seed">) {
  const { config, weightDecay, clip } = options;
  return {
    capacity: chooseCapacity(adapter, options),
    dropout: dropoutRates(options, architectureOf(config).dropout(config)),
    optimizer: { ...adamw, weightDecay, clip },
  };
}

/**
 * A CPU adapter is as fast at 2,048 tokens as at more; a GPU wants enough rows to fill it. Battles are bounded by one for
 * every 8 tokens: no template makes sequences shorter than 3 tokens, and answers of a word are rare.
 */
function chooseCapacity(
  { report }: PlannedAdapter,
  { pairing, batch, batchTokens, maxTokens }: Pick<
    CreateEngineOptions,
    "pairing" | "batch" | "batchTokens" | "maxTokens"
  >,
): Capacity {
  const sequences = pairing === "siamese" ? 2 : 1;
  const tokens = batchTokens ?? Math.max(report.isCpu ? 2048 : 8192, sequences * maxTokens);
  const battles = Math.max(batch, Math.ceil(tokens / 8));
  return { tokens, segments: sequences * battles, battles };
}
