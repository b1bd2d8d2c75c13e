// The step uniform as TypeScript sees it, and how a tensor's live rows are named to a kernel.
import source from "./step.wgsl" with { type: "text" };
import { type Kernel, kernel } from "../gpu/kernel.ts";
import { type Live } from "../gpu/tensor.ts";

/** One field per scalar of `struct Step`; see step.wgsl. */
export interface StepUniform {
  tokens: number;
  segments: number;
  battles: number;
  blocks: number;
  slot: number;
  inverseWeight: number;
  uniqueWords: number;
  uniquePositions: number;
  learningRate: number;
  optimizerStep: number;
}

export const stepFields = kernel("step", source).structs.get("Step")!;

/** A kernel whose source may use `step` and the functions of step.wgsl. */
export function stepKernel(label: string, code: string): Kernel {
  return kernel(label, source + code);
}

/** The number by which `live_rows` of step.wgsl knows a tensor's count. */
export function liveSource(live: Live | undefined): number {
  return live === "tokens" ? 1 : live === "segments" ? 2 : live === "battles" ? 3 : 0;
}

/** Rows in use of a tensor of `capacity` rows, on the CPU's side. */
export function liveRows(live: Live | undefined, capacity: number, step: Readonly<Record<string, number>>): number {
  return live ? step[live] : capacity;
}
