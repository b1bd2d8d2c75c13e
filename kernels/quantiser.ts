// Quantises frozen weights on the CPU, as bitsandbytes does, a tensor at a time.
//
//   nf4   blocks of 64 values, each value the nearest of 16 quantiles of a normal distribution times the block's largest
//         magnitude; the magnitudes, less their mean, again in 8 bits: the nearest of a dynamic map of 256 times the largest of
//         256 of them. 4.127 bits a value. Dettmers et al. 2023 (QLoRA); functional.py and backends/ of bitsandbytes 0.50.2.
//   int8  blocks of 64 values, each a whole number from -127 to 127 times the block's largest magnitude / 127. 8.5 bits.
//
// All arithmetic is in f32, step by step as there, so that the codes are the same to the bit. (Its CPU build looks the magnitudes' codes
// up on a grid of 2^-15 and takes a neighbour now and then; ours are the nearest, as on its GPUs.)
import { ShapeError } from "../errors.ts";

export type QuantForm = "nf4" | "int8";

/** Values of a block. */
export const BLOCK = 64;

/** Blocks whose magnitudes share one. */
export const SUPERBLOCK = 256;

export const nf4Values: readonly number[] = [
  -1.0,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0.0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1.0,
];

const { fround } = Math;

/** Between neighbours: up to and including it, a value goes to the lower one. */
const nf4Bounds = Float32Array.from({ length: 15 }, (_, i) => fround(fround(nf4Values[i] + nf4Values[i + 1]) / 2));

/**
 * The 256 values of the 8-bit map, ascending: of both signs seven decades, the nearer to 1 the finer, and 0 and 1.
 * `create_dynamic_map` of bitsandbytes.
 */
export const dynamicMap: Float32Array<ArrayBuffer> = makeDynamicMap();

function makeDynamicMap(): Float32Array<ArrayBuffer> {
  const values = [0, 1];
  for (let i = 0; i < 7; i++) {
    const bounds = linspace(0.1, 1, 2 ** i + 1);
    for (let j = 0; j < 2 ** i; j++) {
      const mean = fround(fround(bounds[j] + bounds[j + 1]) / 2), value = fround(fround(10 ** (i - 6)) * mean);
      values.push(value, -value);
    }
  }
  return Float32Array.from(values).sort();
}

/** torch.linspace in f32: from both ends to the middle, each value rounded once. */
function linspace(start: number, end: number, count: number): number[] {
  const [first, last] = [fround(start), fround(end)], step = fround(fround(last - first) / (count - 1));
  return Array.from(
    { length: count },
    (_, i) => i < Math.floor(count / 2) ? fround(first + step * i) : fround(last - step * (count - 1 - i)),
  );
}

export interface Nf4 {
  /** One of 16 a value. */
  codes: Uint8Array<ArrayBuffer>;
  /** One of 256 a block. */
  magnitudes: Uint8Array<ArrayBuffer>;
  /** Largest of each superblock. */
  scales: Float32Array<ArrayBuffer>;
  /** Mean of all magnitudes. */
  offset: number;
}

/** @param w as many values as fill whole blocks */
export function quantiseNf4(w: Float32Array): Nf4 {
  const blocks = blocksOf(w);
  const codes = new Uint8Array(w.length), largest = new Float32Array(blocks);
  let sum = 0;
  for (let block = 0; block < blocks; block++) {
    const first = block * BLOCK, magnitude = largestMagnitude(w, first, first + BLOCK);
    largest[block] = magnitude;
    sum += magnitude;
    const inverse = fround(1 / Math.max(magnitude, fround(1e-38)));
    for (let i = first; i < first + BLOCK; i++) codes[i] = nf4Code(fround(w[i] * inverse));
  }
  const offset = fround(sum / blocks);
  return { codes, offset, ...quantiseMagnitudes(largest.map((magnitude) => magnitude - offset)) };
}

/** How many bounds lie below the value: four comparisons. */
function nf4Code(value: number): number {
  let code = value > nf4Bounds[7] ? 8 : 0;
  if (value > nf4Bounds[code + 3]) code += 4;
  if (value > nf4Bounds[code + 1]) code += 2;
  return value > nf4Bounds[code] ? code + 1 : code;
}

/** The second quantisation: `quantize_blockwise` with blocks of 256. */
export function quantiseMagnitudes(values: Float32Array): Pick<Nf4, "magnitudes" | "scales"> {
  const magnitudes = new Uint8Array(values.length);
  const scales = new Float32Array(Math.ceil(values.length / SUPERBLOCK));
  for (let s = 0; s < scales.length; s++) {
    const first = s * SUPERBLOCK, end = Math.min(values.length, first + SUPERBLOCK);
    scales[s] = largestMagnitude(values, first, end);
    const inverse = fround(1 / Math.max(scales[s], fround(1e-38)));
    for (let i = first; i < end; i++) magnitudes[i] = nearest(fround(values[i] * inverse));
  }
  return { magnitudes, scales };
}

/** The code of the map's value that is nearest; of two as near the lower. */
function nearest(value: number): number {
  let low = 0, high = dynamicMap.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (dynamicMap[middle] <= value) low = middle;
    else high = middle;
  }
  return fround(dynamicMap[high] - value) < fround(value - dynamicMap[low]) ? high : low;
}

export interface Int8 {
  /** One a value. */
  codes: Int8Array<ArrayBuffer>;
  /** One a block: what a code is multiplied by. */
  scales: Float32Array<ArrayBuffer>;
}

/** @param w as many values as fill whole blocks */
export function quantiseInt8(w: Float32Array): Int8 {
  const blocks = blocksOf(w), codes = new Int8Array(w.length), scales = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const first = block * BLOCK, magnitude = largestMagnitude(w, first, first + BLOCK);
    scales[block] = magnitude / 127;
    const inverse = magnitude > 0 ? fround(127 / magnitude) : 0;
    for (let i = first; i < first + BLOCK; i++) codes[i] = roundHalfToEven(fround(w[i] * inverse));
  }
  return { codes, scales };
}

function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

function largestMagnitude(values: Float32Array, first: number, end: number): number {
  let largest = 0;
  for (let i = first; i < end; i++) largest = Math.max(largest, Math.abs(values[i]));
  return largest;
}

function blocksOf(w: Float32Array): number {
  if (w.length === 0 || w.length % BLOCK !== 0) {
    throw new ShapeError(`Cannot quantise ${w.length} values: they must fill blocks of ${BLOCK}`);
  }
  return w.length / BLOCK;
}
