// The programs of a run, recorded: training (forward and backward of a micro-batch), prediction, the optimizer, and the backbone alone.
// What the engine builds of them, train/memory.ts only plans.
import { type Gpu } from "../gpu/device.ts";
import { Recorder } from "../gpu/recorder.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { recordAdamw } from "../kernels/adamw.ts";
import { crossEntropy, softmax } from "../kernels/cross_entropy.ts";
import { type Schedules } from "../kernels/schedules.ts";
import { type LossScale, usualGrowAfter } from "../kernels/loss_scale.ts";
import { type Precision, Tape } from "../kernels/tape.ts";
import { type DropoutRates } from "../model/dropout_sites.ts";
import { type ModelInputs } from "../model/inputs.ts";
import { adaptersOf, judge, type JudgeShape, pooledSides } from "../model/judge.ts";
import { type Parameters } from "../model/parameters.ts";

/** How a run computes, whatever its weights. */
export interface ProgramOptions extends JudgeShape {
  gpu: Gpu;
  schedules: Schedules;
  /** Gets the class of each product that is recorded. */
  classes?: Set<string>;
  /** Zero rates record no dropout at all. */
  dropout: DropoutRates;
  /** Keeps only each layer's input for the backward pass and computes the rest again. @default {false} */
  checkpointLayers?: boolean;
  /** What the training program stores activations in; prediction takes f32. @default {"f32"} */
  precision?: Precision;
  optimizer: { clip: number; weightDecay: number; betas: readonly [number, number]; eps: number };
}

/** What the programs read and write. */
export interface ProgramTensors {
  parameters: Parameters;
  inputs: ModelInputs;
  /** The ring of losses and norms. */
  metrics: Tensor;
  /** Set once a loss or a norm is not finite. */
  flag: Tensor;
  /** There where activations are f16. */
  lossScale?: Tensor;
}

export function recordTraining(
  options: ProgramOptions,
  { parameters, inputs, metrics, flag, lossScale }: ProgramTensors,
): Recorder {
  const { gpu, dropout } = options;
  const recorder = new Recorder(gpu);
  const judgeOptions = { ...options, parameters, inputs, dropout };
  const adapters = adaptersOf(judgeOptions);
  const tape = new Tape(recorder, { ...options, parameterGradients: parameters.gradients, adapters });
  const logits = judge(tape, judgeOptions);
  const { targets, weights } = inputs;
  crossEntropy(tape, logits, { targets, weights, metrics, flag, lossScale: scaleOf(lossScale) });
  tape.backward();
  return recorder;
}

export function recordPrediction(
  options: ProgramOptions,
  { parameters, inputs }: Pick<ProgramTensors, "parameters" | "inputs">,
): { recorder: Recorder; logits: Tensor; probabilities: Tensor } {
  const recorder = new Recorder(options.gpu);
  const judgeOptions = { ...options, parameters, inputs, dropout: undefined };
  const { schedules, classes } = options;
  const tape = new Tape(recorder, { schedules, classes, adapters: adaptersOf(judgeOptions) });
  const logits = recorder.keep(judge(tape, judgeOptions));
  return { recorder, logits, probabilities: recorder.keep(softmax(tape, logits)) };
}

/** The backbone alone: pooled [S, W]. */
export function recordPooling(
  options: ProgramOptions,
  { parameters, inputs }: Pick<ProgramTensors, "parameters" | "inputs">,
): { recorder: Recorder; pooled: Tensor } {
  const recorder = new Recorder(options.gpu);
  const { schedules, classes } = options;
  const tape = new Tape(recorder, { schedules, classes });
  return { recorder, pooled: recorder.keep(pooledSides(tape, { ...options, parameters, inputs, dropout: undefined })) };
}

export function recordOptimizer(
  options: ProgramOptions,
  { parameters, metrics, flag, lossScale }: Omit<ProgramTensors, "inputs">,
): Recorder {
  const recorder = new Recorder(options.gpu);
  recordAdamw(recorder, parameters.flat, {
    metrics,
    flag,
    lossScale: scaleOf(lossScale),
    schedules: options.schedules,
    ...options.optimizer,
  });
  return recorder;
}

function scaleOf(state: Tensor | undefined): LossScale | undefined {
  return state && { state, growAfter: usualGrowAfter };
}
