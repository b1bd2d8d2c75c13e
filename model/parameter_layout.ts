// Where parameters lie in flat buffers.
import { ShapeError } from "../errors.ts";
import { type Gpu } from "../gpu/device.ts";
import { type ParameterSpec } from "./parameters.ts";

export interface Place {
  spec: ParameterSpec;
  /** In values. */
  offset: number;
}

/** Values at whose multiples tensors begin: 256 bytes of f32. */
export const ALIGN = 64;
/** And of f16. */
const HALF_ALIGN = 128;

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function alignUp(values: number, align = ALIGN): number {
  return Math.ceil(values / align) * align;
}

/** The places of each fuse name, in order. */
export function groupFused(places: readonly Place[]): Map<string, Place[]> {
  const groups = new Map<string, Place[]>();
  for (const place of places) {
    if (place.spec.fuse) groups.set(place.spec.fuse, [...(groups.get(place.spec.fuse) ?? []), place]);
  }
  return groups;
}

/** Offsets in the order given, from `start` on; aligned but inside a fused group. @throws {ShapeError} past one buffer */
export function layOut(gpu: Gpu, specs: readonly ParameterSpec[], start: number): { places: Place[]; end: number } {
  const { maxBufferSize } = gpu.limits;
  const places: Place[] = [], align = specs.some(({ quant }) => quant === "f16") ? HALF_ALIGN : ALIGN;
  let end = start;
  specs.forEach((spec, i) => {
    if (!spec.fuse || specs[i - 1]?.fuse !== spec.fuse) end = alignUp(end, align);
    const bytes = sizeOf(spec.shape) * 4;
    if (end * 4 + bytes > maxBufferSize) {
      throw new ShapeError(
        `Cannot place "${spec.name}" of ${bytes} bytes after ${
          end * 4
        }: one buffer of this adapter holds ${maxBufferSize} bytes: ` +
          `use a smaller model`,
      );
    }
    places.push({ spec, offset: end });
    end += sizeOf(spec.shape);
  });
  return { places, end: alignUp(end, align) };
}

/** Consecutive specs, as many together as fit one buffer; what is fused stays together. */
export function splitByBuffer(gpu: Gpu, specs: readonly ParameterSpec[]): ParameterSpec[][] {
  const most = Math.floor(gpu.limits.maxBufferSize / 4 / ALIGN) * ALIGN;
  const buffers: ParameterSpec[][] = [[]];
  let used = 0;
  for (let i = 0; i < specs.length;) {
    const group = [specs[i++]], { fuse } = group[0];
    while (fuse && specs[i]?.fuse === fuse) group.push(specs[i++]);
    const floats = alignUp(group.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
    if (used > 0 && used + floats > most) {
      buffers.push([]);
      used = 0;
    }
    buffers.at(-1)!.push(...group);
    used += floats;
  }
  return buffers;
}
