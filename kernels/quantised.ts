// Quantised frozen weights on the tape: `linear` takes one as it takes any weight; nothing else may read it.
import dequantise from "./dequantise.wgsl" with { type: "text" };
import functions from "./quantised.wgsl" with { type: "text" };
import { type Gpu } from "../gpu/device.ts";
import { kernel } from "../gpu/kernel.ts";
import { ownedTensor } from "../gpu/recorder.ts";
import { Tensor } from "../gpu/tensor.ts";
import { upload } from "../gpu/transfer.ts";
import { QuantisedLayout } from "./quantised_layout.ts";
import { BLOCK, type QuantForm } from "./quantiser.ts";

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

  /** Whether it is all rows of its storage. */
  get isWhole(): boolean {
    return this.size === this.storage.layout.blocks * BLOCK;
  }
}

/** Room for a weight, or for several below each other. @throws {ShapeError} if they cannot be quantised */
export function allocateQuantised(
  gpu: Gpu,
  form: QuantForm,
  rows: readonly number[],
  inputs: number,
): QuantisedStorage {
  const layout = new QuantisedLayout(form, rows, inputs);
  const words = (label: string, count: number) => ownedTensor(gpu, [count], { label, dtype: "u32" });
  const storage = { layout, codes: words("codes", layout.codeWords), scales: words("scales", layout.scaleWords) };
  for (const { into, first, words } of layout.tables()) upload(gpu, storage[into], words, first);
  return storage;
}

/** Quantises one of the weights into its place. */
export function writeQuantised(gpu: Gpu, storage: QuantisedStorage, part: number, w: Float32Array): void {
  for (const { into, first, words } of storage.layout.pack(part, w)) upload(gpu, storage[into], words, first);
}

/** The override constants of kernels that read the weight. */
export function quantisedConstants({ layout: { form, superblock } }: QuantisedStorage): Record<string, number> {
  return { BITS: form === "nf4" ? 4 : 8, SUPERBLOCK: superblock };
}

/** Records the weight's values as floats, in scratch memory that all weights share by lifetime. */
export function dequantised(tape: Tape, weight: QuantisedTensor): Tensor {
  const { storage: { layout, codes, scales }, firstRow } = weight;
  const y = tape.tensor(weight.shape, undefined, `floats of ${weight.label}`);
  const perWord = layout.form === "nf4" ? 8 : 4, words = weight.size / perWord;
  tape.run(dequantiseKernel, "main", {
    read: { codes, scales },
    write: { y },
    size: { words, firstWord: firstRow * layout.inputs / perWord, blocks: layout.blocks },
    constants: quantisedConstants(weight.storage),
    groups: Math.ceil(words / 64),
  });
  return y;
}
