// The model of the end-to-end rows: a BERT with the siamese swap head, from a folder, or random in MiniLM's shape.
import { type PackedBatch } from "../data/batch.ts";
import { Random } from "../data/random.ts";
import { type Gpu } from "../gpu/device.ts";
import { type Schedules } from "../kernels/schedules.ts";
import { type ModelConfig, parseConfig, readConfig } from "../model/config.ts";
import { judgeParameters } from "../model/judge.ts";
import { Parameters } from "../model/parameters.ts";
import { architectureOf } from "../model/registry.ts";
import { GpuEngine, type GpuEngineOptions, openGpuEngine } from "../train/gpu_engine.ts";
import { newLora } from "../train/lora_settings.ts";

/** config.json of all-MiniLM-L6-v2, as far as it shapes the work. */
const miniLm = {
  model_type: "bert",
  vocab_size: 30522,
  hidden_size: 384,
  num_hidden_layers: 6,
  num_attention_heads: 12,
  intermediate_size: 1536,
  hidden_act: "gelu",
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
};

/** The same, by this project's letters. */
export const miniLmShape = {
  layers: miniLm.num_hidden_layers,
  W: miniLm.hidden_size,
  heads: miniLm.num_attention_heads,
  F: miniLm.intermediate_size,
  vocabulary: miniLm.vocab_size,
  positions: miniLm.max_position_embeddings,
};

export interface BenchModelOptions {
  gpu: Gpu;
  schedules: Schedules;
  /** Hugging Face folder; random weights in MiniLM's shape where absent. */
  folder?: string;
  /** Capacity of a micro-batch. */
  tokens: number;
  /** Tokens of the shortest sequence, which decides how many there are. */
  shortest: number;
  /** What is trained; adapters as `train` makes them. @default {"full"} */
  method?: "full" | "lora";
}

/** A judge of random weights that is trained in full. */
export function openRandomModel(
  { gpu, schedules, config, pairing, capacity }: Pick<
    GpuEngineOptions,
    "gpu" | "schedules" | "config" | "pairing" | "capacity"
  >,
): GpuEngine {
  return openRandom(engineOptions({ gpu, schedules, config, pairing, capacity, folder: "" }));
}

function engineOptions(
  given: Pick<GpuEngineOptions, "gpu" | "schedules" | "config" | "pairing" | "capacity" | "folder">,
): GpuEngineOptions {
  return {
    ...given,
    head: "swap",
    method: "full",
    seed: 1,
    dropout: architectureOf(given.config).dropout(given.config),
    optimizer: { clip: 1, weightDecay: 0.01, betas: [0.9, 0.999], eps: 1e-8 },
  };
}

export async function openBenchModel(options: BenchModelOptions): Promise<{ engine: GpuEngine; config: ModelConfig }> {
  const { gpu, schedules, folder, tokens, shortest, method = "full" } = options;
  const config = folder === undefined
    ? parseConfig(JSON.stringify(miniLm), "MiniLM's config.json")
    : await readConfig(folder);
  const segments = Math.ceil(tokens / shortest);
  const capacity = { tokens, segments, battles: segments };
  const all = engineOptions({ gpu, schedules, config, pairing: "siamese", capacity, folder: folder ?? "" });
  if (method === "lora") Object.assign(all, { method, lora: newLora({}, { config, pairing: "siamese" }) });
  const engine = folder === undefined ? openRandom(all) : await openGpuEngine(all);
  return { engine, config };
}

/** Weights are small, norms the identity: activations and gradients stay as large as a trained model's. */
function openRandom(options: GpuEngineOptions): GpuEngine {
  const parameters = new Parameters(options.gpu, judgeParameters(options, options.method));
  const random = new Random(1);
  for (const { name, shape, decay } of parameters.specs) {
    const fixed = /norm\.weight$/i.test(name) ? 1 : 0;
    const size = shape.reduce((product, length) => product * length, 1);
    parameters.write(name, Float32Array.from({ length: size }, () => decay ? 0.02 * random.normal() : fixed));
  }
  return new GpuEngine(options, parameters, { unused: [], initialised: parameters.specs.map(({ name }) => name) });
}

/** Parameters that tokens are multiplied by: all but the embedding tables and their norm. */
export function multipliedParameters({ specs }: Parameters): number {
  return specs.filter(({ name }) => !name.startsWith("embeddings."))
    .reduce((sum, { shape }) => sum + shape.reduce((product, length) => product * length, 1), 0);
}

/** A micro-batch of battles whose sides all have `length` tokens, as many as fit into `tokens`. */
export function uniformBatch(
  { tokens, length, vocabulary }: { tokens: number; length: number; vocabulary: number },
): PackedBatch {
  const battles = Math.floor(tokens / length / 2);
  return batchOf({ lengths: Array(2 * battles).fill(length), sequences: 2, vocabulary });
}

/** A micro-batch of sequences of these lengths, one or two a battle, with random tokens and outcomes. */
export function batchOf(
  { lengths, sequences, vocabulary }: { lengths: readonly number[]; sequences: 1 | 2; vocabulary: number },
): PackedBatch {
  const segments = lengths.length, battles = segments / sequences;
  const starts = new Uint32Array(segments + 1);
  lengths.forEach((length, s) => starts[s + 1] = starts[s] + length);
  const T = starts[segments], random = new Random(T, segments);
  const targets = new Float32Array(battles * 3);
  for (let battle = 0; battle < battles; battle++) targets[battle * 3 + random.below(3)] = 1;
  return {
    tokens: T,
    segments,
    battles,
    inputIds: Uint32Array.from({ length: T }, () => random.below(vocabulary)),
    tokenTypeIds: new Uint32Array(T),
    positions: Uint32Array.from(lengths.flatMap((length) => Array.from({ length }, (_, t) => t))),
    starts,
    sides: Uint32Array.from({ length: 2 * battles }, (_, side) => sequences === 2 ? side : side >> 1),
    targets,
    weights: new Float32Array(battles).fill(1),
    battleIndex: Uint32Array.from({ length: battles }, (_, battle) => battle),
    swapped: new Uint8Array(battles),
  };
}
