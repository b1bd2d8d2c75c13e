// The optimizer: AdamW with clipping over flat buffers, recorded once; what changes from step to step is in the step
// uniform: `slot`, `learningRate`, `optimizerStep`. Not on the tape: nothing is differentiated here. See adamw.wgsl.
import finite from "./finite.wgsl" with { type: "text" };
import source from "./adamw.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { type Recorder } from "../gpu/recorder.ts";
import { Tensor } from "../gpu/tensor.ts";
import { type LossScale } from "./loss_scale.ts";
import { stepKernel } from "./step.ts";
import { type Schedules } from "./schedules.ts";

const kernel = stepKernel("adamw", finite + source);

/** A shard of the trainable parameters with their gradients and moments, each flat [N] in memory of its own, N a multiple of 64. */
export interface OptimizerShard {
  parameters: Tensor;
  gradients: Tensor;
  firstMoments: Tensor;
  secondMoments: Tensor;
  /** Values before this index decay; a multiple of 64. */
  decayedLength: number;
}

export interface AdamwOptions {
  /** Largest norm of the gradient; 0 switches clipping off. @default {1} */
  clip?: number;
  /** @default {0.01} */
  weightDecay?: number;
  /** @default {[0.9, 0.999]} */
  betas?: readonly [number, number];
  /** @default {1e-8} */
  eps?: number;
  /** [slots, 4]; the norm goes into column 3 of row `slot`. */
  metrics: Tensor;
  /** [1] u32, sticky: set where the norm is not finite; once it is set, parameters and moments stay as they are. */
  flag: Tensor;
  schedules: Schedules;
  /** Gradients are so many times too large; a step with one that is not finite is left out and the scale halved, and the flag
   *  is set only where that does not help. */
  lossScale?: LossScale;
  /** Longest range of the flat buffers that one dispatch takes, in values. @default {what one binding holds} */
  rangeLength?: number;
}

/** vec4f of one group; as the product of the lanes and runs below. */
const BLOCK = 512;

/**
 * Records one optimizer step: norm of all shards together, clip coefficient, update, gradients cleared.
 *
 * @throws {ShapeError} if a length is not a multiple of 64 or the four tensors of a shard differ in length
 */
export function recordAdamw(recorder: Recorder, shards: readonly OptimizerShard[], options: AdamwOptions): void {
  const { clip: maxNorm = 1, weightDecay = 0.01, betas: [beta1, beta2] = [0.9, 0.999], eps = 1e-8 } = options;
  shards.forEach(checkLengths);
  const constants = options.schedules.rowPerGroup ? { LANES: 64, RUN: BLOCK / 64 } : { LANES: 8, RUN: BLOCK / 8 };
  const bound = Math.floor(recorder.gpu.limits.maxStorageBufferBindingSize / 256) * 64;
  const ranges = rangesOf(shards, Math.min(options.rangeLength ?? bound, bound));
  const groups = ranges.map(({ length }) => Math.ceil(length / 4 / BLOCK));
  const partial = recorder.tensor([groups.reduce((a, b) => a + b, 0)], { label: "partial norms" });
  const clip = recorder.tensor([4], { label: "clip" });
  const { metrics, flag } = options;
  const common = {
    groups: partial.size,
    maxNorm,
    beta2,
    eps,
    weightDecay,
    firstRate: 1 - beta1,
    secondRate: 1 - beta2,
    growAfter: options.lossScale?.growAfter ?? 0,
    logBeta1: logOf(beta1),
    logBeta2: logOf(beta2),
  };
  let offset = 0;
  const sizes = ranges.map(({ shard, first, length }, i) => {
    const decayed = Math.min(length, Math.max(0, shard.decayedLength - first));
    const size = { ...common, N: length, offset, decayed };
    offset += groups[i];
    return size;
  });

  ranges.forEach((range, i) => {
    recorder.run(kernel, "partial_norm", {
      read: { g: slice(range.shard.gradients, range) },
      write: { partial },
      size: sizes[i],
      constants,
      groups: groups[i],
    });
  });
  const scaled = options.lossScale;
  recorder.run(kernel, scaled ? "finish_scaled_norm" : "finish_norm", {
    write: { partial, clip, metrics, flag, ...(scaled && { scale: scaled.state }) },
    size: sizes[0],
    constants: { LANES: 64, RUN: 1 },
    groups: 1,
  });
  ranges.forEach((range, i) => {
    const { parameters, firstMoments, secondMoments } = range.shard;
    const [p, m, v] = [parameters, firstMoments, secondMoments].map((tensor) => slice(tensor, range));
    recorder.run(kernel, "update", {
      read: { g: slice(range.shard.gradients, range) },
      write: { p, m, v, clip },
      size: sizes[i],
      constants,
      groups: groups[i],
    });
  });
  for (const { gradients } of shards) recorder.clear(gradients);
}

function checkLengths({ decayedLength, parameters, gradients, firstMoments, secondMoments }: OptimizerShard): void {
  const N = parameters.size, lengths = [parameters, gradients, firstMoments, secondMoments].map(({ size }) => size);
  if (lengths.some((length) => length !== N) || N % 64 !== 0 || decayedLength % 64 !== 0 || decayedLength > N) {
    throw new ShapeError(
      `Cannot optimise flat buffers of ${lengths} values with ${decayedLength} decayed: one multiple of 64 is needed`,
    );
  }
}

/** A power of 0 is 0, as is e^-100. */
function logOf(beta: number): number {
  return Math.max(-100, Math.log(beta));
}

/** What one dispatch takes of a shard. */
interface Range {
  shard: OptimizerShard;
  first: number;
  length: number;
}

function rangesOf(shards: readonly OptimizerShard[], limit: number): Range[] {
  return shards.flatMap((shard) => {
    const N = shard.parameters.size;
    return Array.from({ length: Math.ceil(N / limit) }, (_, i) => {
      const first = i * limit;
      return { shard, first, length: Math.min(limit, N - first) };
    });
  });
}

function slice(flat: Tensor, { first, length }: Range): Tensor {
  const { buffer, offset } = flat.region!;
  return new Tensor([length], { label: flat.label }, { buffer, offset: offset + first * 4, size: length * 4 });
}
