// A tensor is a shape with a place: either a region of a buffer somebody owns, or a place the memory plan will give it.
import { ShapeError } from "../errors.ts";

/** "f16": two bytes in memory, where the adapter has shader-f16; kernels compute in f32 all the same. "packed": values in a form or
 *  in places of their own, which only operations made for it take. */
export type DType = "f32" | "u32" | "f16" | "packed";

/** Which runtime count tells how many leading rows are in use; the rest is dead. Absent: all rows are. */
export type Live = "tokens" | "segments" | "battles";

export interface TensorOptions {
  dtype?: DType;
  live?: Live;
  label?: string;
  /** True where a gradient must flow to it. @default {false} */
  requiresGrad?: boolean;
}

/** A region of a buffer, in bytes. */
export interface Region {
  buffer: GPUBuffer;
  offset: number;
  size: number;
}

/** Bytes of one element. */
export function elementBytes(dtype: DType = "f32"): number {
  return dtype === "f16" ? 2 : 4;
}

/** Row-major. */
export class Tensor {
  readonly dtype: DType;
  readonly live: Live | undefined;
  readonly label: string;
  readonly requiresGrad: boolean;
  /** Set at once for tensors of an owned buffer, by `Recorder.build` for the arena's. */
  region: Region | undefined;
  /** True where the memory plan decides the region. */
  readonly planned: boolean;

  constructor(readonly shape: readonly number[], options: TensorOptions = {}, region?: Region) {
    if (shape.length === 0 || shape.some((n) => !Number.isInteger(n) || n < 1)) {
      throw new ShapeError(
        `Cannot make tensor ${options.label ?? ""} of shape [${shape}]: sizes must be whole and positive`,
      );
    }
    this.dtype = options.dtype ?? "f32";
    this.live = options.live;
    this.label = options.label ?? "";
    this.requiresGrad = options.requiresGrad ?? false;
    this.region = region;
    this.planned = region === undefined;
  }

  /** Number of elements. */
  get size(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }

  get bytes(): number {
    return this.size * elementBytes(this.dtype);
  }
}

/** Rows of a matrix from `firstRow` on. */
export interface RowPart {
  firstRow: number;
  rows: Tensor;
}

/** A matrix that no buffer holds, as parts of its rows in buffers of their own; operations that do not know of parts refuse it. */
export class SplitTensor extends Tensor {
  constructor(shape: readonly number[], readonly parts: readonly RowPart[], label: string) {
    super(shape, { label, dtype: "packed" }, parts[0].rows.region);
  }
}

/** The sizes of a matrix. @throws {ShapeError} if `x` has another rank */
export function shape2(x: Tensor): [number, number] {
  if (x.shape.length !== 2) throw new ShapeError(`Cannot use ${x.label} as a matrix: its shape is [${x.shape}]`);
  return [x.shape[0], x.shape[1]];
}
