// What the training loop drives. The loop knows nothing of WebGPU: train/gpu_engine.ts implements this on the GPU, tests
// with a few numbers on the CPU.
import type { PackedBatch } from "../data/batch.ts";

/** A tensor by its checkpoint name. */
export interface NamedTensor {
  name: string;
  shape: number[];
  data: Float32Array<ArrayBuffer>;
}

/** What one optimizer step came to. */
export interface StepRecord {
  step: number;
  /** Mean over the step's weight, nats. */
  loss: number;
  /** Before clipping. */
  gradNorm: number;
  /** True where a gradient in f16 was not finite: no parameter moved, and the loss scale was halved. */
  skipped?: boolean;
  /** Battles whose likeliest outcome was the true one. */
  correct: number;
  battles: number;
  tokens: number;
  /** False once a loss or gradient norm was not finite: from that step on no parameter moves. */
  finite: boolean;
}

/** Trainable parameters and AdamW's moments, flat, in one order. */
export interface EngineState {
  parameters: Float32Array<ArrayBuffer>;
  firstMoments: Float32Array<ArrayBuffer>;
  secondMoments: Float32Array<ArrayBuffer>;
  /** Where the engine scales its loss: see kernels/loss_scale.ts. */
  lossScale?: Float32Array<ArrayBuffer>;
}

export interface Engine {
  /** Milliseconds that `accumulate` has spent on uploads so far, if it tells. */
  readonly uploadMs?: number;
  /** Of one micro-batch. */
  readonly capacity: { tokens: number; segments: number; battles: number };
  /** Forward and backward of one micro-batch; gradients add up until `update`. Enqueues, does not wait.
   *  @param at `step` counts from 1; `stepWeight` is the sum of the weights of the whole optimizer step */
  accumulate(batch: PackedBatch, at: { step: number; stepWeight: number }): void;
  /** Clips, applies AdamW to the accumulated gradients, then clears them. Enqueues. */
  update(at: { step: number; lr: number }): void;
  /** Records of the steps not yet read; waits for the GPU. */
  readSteps(): Promise<StepRecord[]>;
  /** Waits until at most `steps` of the enqueued optimizer steps are unfinished. An engine that never enqueues has none. */
  waitUntilInFlight?(steps: number): Promise<void>;
  /** Repeats the forward pass of a micro-batch of a step whose loss or gradient was not finite; parameters have not moved since.
   *  @returns the first layer whose output is not finite, if the forward pass has one */
  firstNonFinite?(batch: PackedBatch, at: { step: number }): Promise<string | undefined>;
  /** Probabilities [battles, 3], without dropout. */
  predict(batch: PackedBatch): Promise<Float32Array>;
  /** Trainable tensors by checkpoint name, read back; frozen ones too when `all`. */
  readParameters(options?: { all?: boolean }): Promise<NamedTensor[]>;
  readState(): Promise<EngineState>;
  writeState(state: EngineState): Promise<void>;
  dispose(): void;
}
