// Memory of a run on the adapter: what an engine holds, and the same from the configuration alone, by recording the programs
// and planning them without allocating.
import { type ProgramMemory } from "../gpu/program.ts";
import { type Gpu } from "../gpu/device.ts";
import { type PlannedAdapter, planningGpu } from "../gpu/planning.ts";
import { ownedTensor } from "../gpu/recorder.ts";
import { SharedMemory } from "../gpu/shared_memory.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { type Precision } from "../kernels/tape.ts";
import { type Capacity, makeInputs } from "../model/inputs.ts";
import { hasNumbers, judgeParameters, type JudgeShape, type Method } from "../model/judge.ts";
import { Parameters } from "../model/parameters.ts";
import {
  type ProgramOptions,
  type ProgramTensors,
  recordOptimizer,
  recordPooling,
  recordPrediction,
  recordTraining,
} from "./programs.ts";

/** Bytes, by what they hold. */
export interface MemoryUse {
  /** Trained parameters. */
  parameters: number;
  /** Parameters that no gradient reaches. */
  frozen: number;
  gradients: number;
  /** Both of AdamW's. */
  moments: number;
  /** Of all programs: activations, their gradients, scratch memory. */
  activations: number;
  /** Copies of operands for CPU adapters. */
  textures: number;
  /** A micro-batch's ids, targets and work lists, and the ring of losses. */
  inputs: number;
}

/** Rows of the metrics ring: the number of optimizer steps that may pass between two readings. */
export const RING = 1024;

/** What the programs of a run share beside the parameters. */
export function ownedTensors(
  gpu: Gpu,
  { precision, ...shape }: JudgeShape & { capacity: Capacity; precision?: Precision },
): Omit<ProgramTensors, "parameters"> {
  return {
    inputs: makeInputs(gpu, shape.capacity, shape.config, {
      hasNumbers: hasNumbers(shape),
      pooledWidth: shape.pooledOnce ? shape.config.hidden_size : undefined,
    }),
    metrics: ownedTensor(gpu, [RING, 4], { label: "metrics" }),
    flag: ownedTensor(gpu, [1], { label: "flag", dtype: "u32" }),
    ...(precision === "f16" && { lossScale: ownedTensor(gpu, [3], { label: "loss scale" }) }),
  };
}

export function memoryUse({ parameters, ...owned }: ProgramTensors, programs: readonly ProgramMemory[]): MemoryUse {
  const { trained, frozen } = parameters.bytes;
  return {
    parameters: trained,
    frozen,
    gradients: trained,
    moments: 2 * trained,
    activations: programs.reduce((sum, { buffers }) => sum + buffers, 0),
    textures: programs.reduce((sum, { textures }) => sum + textures, 0),
    inputs: bufferBytes(owned),
  };
}

export function totalBytes(use: MemoryUse): number {
  return Object.values(use).reduce((a, b) => a + b, 0);
}

/** Of all tensors in a value, each in a buffer of its own. */
function bufferBytes(value: unknown): number {
  if (value === null || typeof value !== "object") return 0;
  if ("region" in value) return (value as Tensor).region?.buffer.size ?? 0;
  return Object.values(value).reduce((sum: number, inner) => sum + bufferBytes(inner), 0);
}

export interface EstimateOptions extends Omit<ProgramOptions, "gpu"> {
  method: Method;
  capacity: Capacity;
}

/**
 * What an engine of these options will hold once its programs are recorded, to the byte but for uniforms; no weights are needed.
 *
 * @throws {ShapeError} if the adapter cannot bind one of the tensors
 */
export function estimateMemory(adapter: PlannedAdapter, options: EstimateOptions): MemoryUse {
  const { tensors, recorders } = recordPrograms(adapter, options);
  const shared = new SharedMemory();
  return memoryUse(tensors, recorders.map((recorder) => recorder.plan(shared).bytes));
}

/** The classes of the products that a run of these options records, sorted; see kernels/shape_classes.ts.
 *  @throws {ShapeError} as `estimateMemory` does */
export function usedClasses(adapter: PlannedAdapter, options: EstimateOptions & { trains?: boolean }): string[] {
  const classes = new Set<string>();
  recordPrograms(adapter, { ...options, classes });
  return [...classes].sort();
}

/** @param options.trains false: for predictions alone */
function recordPrograms(adapter: PlannedAdapter, options: EstimateOptions & { trains?: boolean }) {
  const gpu = planningGpu(adapter);
  const tensors = {
    parameters: new Parameters(gpu, judgeParameters(options, options.method)),
    ...ownedTensors(gpu, options),
  };
  const planned = { ...options, gpu };
  const recorders = [
    ...(options.trains === false ? [] : [recordTraining(planned, tensors), recordOptimizer(planned, tensors)]),
    recordPrediction(planned, tensors).recorder,
    // The whole backbone, before the head alone trains; not needed where the cache has its rows.
    ...(options.pooledOnce ? [recordPooling(planned, tensors).recorder] : []),
  ];
  return { tensors, recorders };
}
