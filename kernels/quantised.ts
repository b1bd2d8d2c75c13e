// Quantised frozen weights on the tape: `linear` takes one as it takes any weight; nothing else may read it.
import dequantise from "./dequantise.wgsl" with { type: "text" };
import functions from "./quantised.wgsl" with { type: "text" };
import { type Gpu } from "../gpu/device.ts";
import { kernel } from "../gpu/kernel.ts";
import { ownedTensor } from "../gpu/recorder.ts";
import { Tensor } from "../gpu/tensor.ts";
import { upload } from "../gpu/transfer.ts";
import { QuantisedLayout } from "./quantised_layout.ts";

import { type Tape } from "./tape.ts";

const dequantiseKernel = kernel("dequantise", functions + dequantise);

/** Where a quantised weight's words lie. */
export interface QuantisedStorage {
  layout: QuantisedLayout;
  /** u32 each */
  codes: Tensor;
  scales: Tensor;
}

/** Rows of a quantised weight, [out, in]. */
export class QuantisedTensor extends Tensor {
  constructor(shape: readonly number[], readonly storage: QuantisedStorage, readonly firstRow = 0, label = "") {
    super(shape, { label, dtype: "packed" }, storage.codes.region);
  }
}

/** Room for a weight, or for several below each other. */
export function allocateQuantised(gpu: Gpu, layout: QuantisedLayout): QuantisedStorage {
  const words = (label: string, count: number) => ownedTensor(gpu, [count], { label, dtype: "u32" });
  const storage = { layout, codes: words("codes", layout.codeWords), scales: words("scales", layout.scaleWords) };
  for (const { into, first, words } of layout.tables()) upload(gpu, storage[into], words, first);
  return storage;
}

/** Quantises one of the weights into its place. */
export function writeQuantised(gpu: Gpu, storage: QuantisedStorage, part: number, w: Float32Array): void {
  for (const { into, first, words } of storage.layout.pack(part, w)) upload(gpu, storage[into], words, first);
}

/** What a kernel that reads the weight binds: the codes of its rows and all scales; and how it finds its values there. */
export function quantisedOperand({ shape, size, storage, firstRow, label }: QuantisedTensor) {
  const { layout: { perWord, superblock, inputs, blocks }, codes, scales } = storage;
  const firstValue = firstRow * inputs, first = alignedWord(firstValue / perWord);
  const words = (firstValue + size) / perWord - first, { buffer, offset } = codes.region!;
  const place = { buffer, offset: offset + first * 4, size: words * 4 };
  return {
    read: { codes: new Tensor([words], { label: `codes of ${label} [${shape}]`, dtype: "u32" }, place), scales },
    size: { firstValue, bound: first * perWord, blocks },
    constants: { BITS: 32 / perWord, SUPERBLOCK: superblock },
  };
}

/** The last word up to this one at which a binding may begin: they do at multiples of 256 bytes. */
function alignedWord(word: number): number {
  return word - word % 64;
}

/** Records the weight's values as floats, in scratch memory that all weights share by lifetime. */
export function dequantised(tape: Tape, weight: QuantisedTensor): Tensor {
  const { read, size, constants } = quantisedOperand(weight);
  const y = tape.tensor(weight.shape, undefined, `floats of ${weight.label}`),
    words = weight.size * constants.BITS / 32;
  tape.run(dequantiseKernel, "main", {
    read,
    write: { y },
    size: { ...size, words },
    constants,
    groups: Math.ceil(words / 64),
  });
  return y;
}
