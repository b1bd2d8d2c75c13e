// Where parameters lie in flat buffers.
import { ShapeError } from "../errors.ts";
import { type Gpu } from "../gpu/device.ts";
import { type DType, elementBytes } from "../gpu/tensor.ts";
import { type ParameterSpec } from "./parameters.ts";

export interface Place {
  spec: ParameterSpec;
  /** In values. */
  offset: number;
  /** Where it is not the whole parameter: the first of its rows. */
  firstRow?: number;
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

/** Offsets in the order given, from `start` on; aligned but inside a fused group. */
export function layOut(specs: readonly ParameterSpec[], start = 0): { places: Place[]; end: number } {
  const places: Place[] = [], align = specs.some(({ quant }) => quant === "f16") ? HALF_ALIGN : ALIGN;
  let end = start;
  specs.forEach((spec, i) => {
    if (!spec.fuse || specs[i - 1]?.fuse !== spec.fuse) end = alignUp(end, align);
    places.push({ spec, offset: end });
    end += sizeOf(spec.shape);
  });
  return { places, end: alignUp(end, align) };
}

/** Values from `first` to `end` of what was laid out, in a buffer of their own. */
export interface Shard {
  first: number;
  end: number;
  places: Place[];
}

/** Rows at whose multiples parts in other buffers begin, so that they are aligned whatever the width. */
const ALIGN_ROWS = 64;

/**
 * Consecutive places, as many in one buffer as one binding of the adapter holds; what is fused stays together, and what is larger
 * has a buffer to itself, or is a matrix whose rows are split over several. End to end the shards are what was laid out.
 *
 * @throws {ShapeError} where that cannot be
 */
export function cutByBuffer(
  { limits: { maxBufferSize, maxStorageBufferBindingSize } }: Gpu,
  { places, end }: { places: readonly Place[]; end: number },
  dtype: DType = "f32",
): Shard[] {
  const shards: Shard[] = [], bytesOf = (values: number) => values * elementBytes(dtype);
  const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  for (let i = 0; i < places.length;) {
    const { spec: { fuse }, offset } = places[i], group = [places[i++]];
    while (fuse && places[i]?.spec.fuse === fuse) group.push(places[i++]);
    const groupEnd = places[i]?.offset ?? end, last = shards.at(-1);
    if (last && bytesOf(groupEnd - last.first) <= most) {
      last.places.push(...group);
      last.end = groupEnd;
      continue;
    }
    if (bytesOf(groupEnd - offset) <= maxBufferSize) {
      shards.push({ first: offset, end: groupEnd, places: group });
      continue;
    }
    const parts = splitRows(group, Math.floor(most / elementBytes(dtype)));
    if (!parts) {
      throw new ShapeError(
        `Cannot place "${group[0].spec.name}"${group.length > 1 ? " and what is fused with it" : ""} of ` +
          `${bytesOf(groupEnd - offset)} bytes: one buffer of this adapter holds ${maxBufferSize}: use a smaller model`,
      );
    }
    parts.forEach((part, n) => {
      shards.push({ first: part.offset, end: parts[n + 1]?.offset ?? groupEnd, places: [part] });
    });
  }
  return shards;
}

/** A matrix as parts of its rows of at most so many values; undefined where it is none, or 64 of its rows are more. */
function splitRows([{ spec, offset }, ...others]: readonly Place[], values: number): Place[] | undefined {
  const [rows, width] = spec.shape, most = Math.floor(values / width / ALIGN_ROWS) * ALIGN_ROWS;
  if (others.length > 0 || spec.fuse || spec.shape.length !== 2 || most === 0) return undefined;
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
    const firstRow = i * most, shape = [Math.min(most, rows - firstRow), width];
    return { spec: { ...spec, shape }, offset: offset + firstRow * width, firstRow };
  });
}
