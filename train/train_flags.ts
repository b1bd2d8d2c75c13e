// The flags of `train`: names, help, defaults and bounds. `settings.ts` makes settings of what the user typed.
import { numberSets } from "../data/numbers.ts";
import { defaultPipSource } from "../model/pip_source.ts";
import { choice, integer, number, text, toggle, type Values } from "./flags.ts";
import { loraDefaults } from "./lora_settings.ts";

const data = "Data",
  model = "Model",
  lora = "Adapters (--method lora or qlora)",
  size = "Size of a step",
  length = "Length and optimizer",
  run = "Run";

/** By field of the settings. */
export const trainFlags = {
  data: text({ group: data, value: "FILE", help: "battles in Kaggle's layout", otherwise: "the built-in sample" }),
  valid: text({ group: data, value: "FILE", help: "battles to validate on", otherwise: "a share of --data's prompts" }),
  validFraction: number({ group: data, help: "share of the prompts held out", default: 0.1, min: 0, max: 0.9 }),
  extraData: text({
    group: data,
    value: "FILE",
    help: "more battles to learn from, never validated on; with outcomes or target_a, target_b, target_tie",
  }),
  extraWeight: number({ group: data, help: "weight of an extra battle in the loss", default: 1, min: 1e-6, max: 1e6 }),
  targetTemperature: number({
    group: data,
    help: "target probabilities are raised to the power 1/X: above 1 softer, below 1 sharper",
    default: 1,
    min: 0.05,
    max: 100,
  }),
  folds: integer({
    group: data,
    help: "cut the prompts into so many folds, each with its share of every outcome, in place of --valid-fraction",
    otherwise: "none",
    min: 2,
    max: 1000,
  }),
  fold: integer({ group: data, help: "the fold to validate on, from 1 to --folds", min: 1, max: 1000 }),
  shuffle: toggle({ group: data, help: "keep the file's order instead of shuffling", default: true }),
  swapAugment: toggle({
    group: data,
    help: "exchange A and B at random in each epoch",
    otherwise: "on when the pairing is joint",
  }),

  model: text({ group: model, value: "FOLDER|ID", help: "folder or Hugging Face id", default: defaultPipSource.id }),
  revision: text({ group: model, value: "REV", help: "branch, tag or commit on the Hub", otherwise: "main" }),
  offline: toggle({ group: model, help: "use only what is on this disk", default: false, perRun: true }),
  pairing: choice(["siamese", "joint"], {
    group: model,
    help: "each answer alone with the prompt, or both in one sequence",
    otherwise: "as the run's that --model names, else siamese for encoders and joint for decoders",
  }),
  head: choice(["swap", "concat"], {
    group: model,
    help: "siamese head",
    otherwise: "swap, or the run's that --model names",
  }),
  features: choice(numberSets, {
    group: model,
    help: "numbers beside the text for a siamese head: lengths and formats of both answers",
    otherwise: "none, or the run's that --model names",
  }),
  poolOnce: toggle({
    group: model,
    help:
      "with --method head and siamese pairs: run the backbone at each step, with its dropout, instead of once and without",
    default: true,
  }),
  method: choice(["full", "head", "lora", "qlora"], {
    group: model,
    help:
      "train every layer, only the head, or the head and low-rank adapters of the layers; qlora: of quantised layers",
    otherwise: "full for encoders, lora for decoders",
  }),
  quant: choice(["nf4", "int8"], {
    group: model,
    help: "form of the layers' frozen weights, with --method qlora: 4 bits as bitsandbytes', or 8",
    otherwise: "nf4",
  }),
  trainLayers: integer({
    group: model,
    value: "N",
    help: "train only the top N layers, or adapters only there",
    otherwise: "all, and the embeddings",
    min: 1,
    max: 10000,
  }),
  dropout: number({ group: model, help: "dropout at every site", otherwise: "as config.json", min: 0, max: 0.99 }),

  loraRank: integer({ group: lora, help: "rank of an adapter", otherwise: `${loraDefaults.rank}`, min: 1, max: 1024 }),
  loraAlpha: number({
    group: lora,
    help: "adapters are scaled by alpha / rank",
    otherwise: `${loraDefaults.alpha}`,
    min: 1e-6,
    max: 1e6,
  }),
  loraRs: toggle({ group: lora, help: "scale by alpha / sqrt(rank)", otherwise: "off" }),
  loraDropout: number({
    group: lora,
    help: "dropout of the adapters' inputs",
    otherwise: `--dropout, or ${loraDefaults.dropout}`,
    min: 0,
    max: 0.99,
  }),
  loraTargets: text({
    group: lora,
    value: "NAMES",
    help: "weights with adapters: all-linear, ends of names behind commas, or a regular expression of whole names",
    otherwise: loraDefaults.targets,
  }),

  batch: integer({ group: size, help: "battles of one optimizer step", default: 16, min: 1, max: 65536 }),
  batchTokens: integer({
    group: size,
    help: "token budget of one micro-batch",
    otherwise: "chosen for the adapter",
    min: 1,
    max: 1 << 24,
  }),
  maxTokens: integer({
    group: size,
    help: "tokens of one sequence",
    otherwise: "the run's that --model names, else 512 or the model's positions if fewer",
    min: 8,
    max: 1 << 20,
  }),
  checkpointLayers: toggle({
    group: size,
    help:
      "keep only each layer's input for the backward pass and compute the rest again: less memory, a quarter to a half more time",
    otherwise: "on for --method qlora",
  }),
  memoryLimit: number({
    group: size,
    value: "GB",
    help: "refuse to begin what would hold more on the adapter",
    otherwise: "what a CPU adapter's machine has free; unknown on GPUs",
    min: 0.001,
    max: 1e6,
    perRun: true,
  }),
  precision: choice(["f32", "f16"], {
    group: size,
    help:
      "storage of activations and their gradients while training, and of the weights that LoRA leaves; f16 takes half the memory, " +
      "and an adapter with shader-f16",
    default: "f32",
  }),
  tune: toggle({
    group: size,
    help: "take usual kernel schedules instead of measuring which are fastest here",
    default: true,
    perRun: true,
  }),

  epochs: number({
    group: length,
    help: "passes over the data",
    otherwise: "2; 1 on the built-in sample; 5 where the backbone runs once",
    min: 0,
    max: 100000,
  }),
  steps: integer({
    group: length,
    help: "optimizer steps, in place of --epochs; 0 writes the untrained model",
    min: 0,
  }),
  lr: number({
    group: length,
    help: "peak learning rate",
    otherwise: "5e-5 full, 3e-4 on the built-in sample; 2e-4 lora; 1e-3 head",
    min: 0,
    max: 10,
  }),
  schedule: choice(["linear", "cosine", "constant"], {
    group: length,
    help: "fall of the learning rate after warm-up",
    default: "linear",
  }),
  warmup: number({ group: length, help: "share of the steps spent warming up", default: 0.1, min: 0, max: 1 }),
  weightDecay: number({ group: length, help: "AdamW's decay", default: 0.01, min: 0, max: 10 }),
  clip: number({ group: length, help: "largest gradient norm; 0 never clips", default: 1, min: 0 }),
  labelSmoothing: number({ group: length, help: "weight spread over all outcomes", default: 0, min: 0, max: 1 }),
  seed: integer({ group: length, help: "seed of every random choice", default: 42, min: 0, max: 2 ** 32 - 1 }),

  out: text({ group: run, value: "FOLDER", help: "run folder", otherwise: "runs/<date and time>" }),
  resume: toggle({ group: run, help: "go on from the checkpoint in --out", default: false, perRun: true }),
  force: toggle({ group: run, help: "replace the run in --out", default: false, perRun: true }),
  validateEvery: integer({ group: run, value: "STEPS", help: "validate", otherwise: "after each epoch", min: 1 }),
  patience: integer({
    group: run,
    help: "stop after this many validations without a better one",
    otherwise: "never",
    min: 1,
  }),
  checkpointEvery: integer({
    group: run,
    value: "STEPS",
    help: "write a checkpoint",
    otherwise: "at each validation, and every 5 minutes",
    min: 1,
    perRun: true,
  }),
  logEvery: integer({
    group: run,
    value: "STEPS",
    help: "read losses from the GPU",
    default: 10,
    min: 1,
    max: 1000,
    perRun: true,
  }),
  profile: toggle({
    group: run,
    help: "time each kernel once the run is done, for its report.html",
    default: false,
    perRun: true,
  }),
};

/** What the user typed, defaults of the table filled in. */
export type TrainFlags = Values<typeof trainFlags>;
