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

/** Numbers that stay on the adapter, or in a file, until they are read. */
export interface Stored {
  readonly length: number;
  /** All of them in order; a piece is valid until the next is asked for. */
  pieces(): AsyncIterable<Float32Array<ArrayBuffer>>;
}

/** Numbers at hand in the same form. */
export function atHand(data: Float32Array<ArrayBuffer>): Stored {
  return {
    length: data.length,
    async *pieces() {
      yield data;
    },
  };
}

/** Brings all of them into memory. */
export async function readStored({ length, pieces }: Stored): Promise<Float32Array<ArrayBuffer>> {
  const all = new Float32Array(length);
  let at = 0;
  for await (const piece of pieces()) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/** Trainable parameters and AdamW's moments, flat, in one order; each as large as the model, so read piece by piece. */
export interface EngineState {
  parameters: Stored;
  firstMoments: Stored;
  secondMoments: Stored;
  /** Where the engine scales its loss: see kernels/loss_scale.ts. */
  lossScale?: Stored;
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
  /** As it is when it is read. */
  readonly state: EngineState;
  /** Takes over what is given; the rest stays. */
  writeState(state: Partial<EngineState>): Promise<void>;
  dispose(): void;
}
