// Frozen dense weights in 4 or 8 bits: each weight, or those fused to one matrix, in a storage of its own, quantised as it is
// written, so that no more than one tensor is ever held as floats.
import { ShapeError } from "../errors.ts";
import { type Gpu } from "../gpu/device.ts";
import { allocateQuantised, QuantisedTensor, writeQuantised } from "../kernels/quantised.ts";
import { isQuantisable, QuantisedLayout } from "../kernels/quantised_layout.ts";
import { type QuantForm } from "../kernels/quantiser.ts";
import { linearModules } from "./lora.ts";
import { type BaseForm, type ParameterSpec } from "./parameters.ts";

/** The specs with the form for each weight that is frozen, dense and fit for it; of those fused to one matrix all or none. */
export function quantiseFrozen(backbone: readonly ParameterSpec[], quant: BaseForm): ParameterSpec[] {
  const dense = new Set(linearModules(backbone).map((module) => `${module}.weight`));
  const fits = (spec: ParameterSpec) =>
    !spec.trainable && dense.has(spec.name) && (quant === "f16" || isQuantisable(spec.shape));
  const stays = new Set(backbone.filter((spec) => spec.fuse && !fits(spec)).map(({ fuse }) => fuse));
  return backbone.map((spec) => fits(spec) && !stays.has(spec.fuse) ? { ...spec, quant } : spec);
}

export class QuantisedParameters {
  readonly tensors = new Map<string, QuantisedTensor>();
  /** Of the first of a fuse name's weights, of the first two, and so on to all of them. */
  readonly fused = new Map<string, QuantisedTensor[]>();
  readonly #gpu: Gpu;

  /** @param specs those with a form, in the order of the model @throws {ShapeError} if the adapter cannot hold one */
  constructor(gpu: Gpu, specs: readonly ParameterSpec[]) {
    this.#gpu = gpu;
    for (let i = 0; i < specs.length;) {
      const { fuse, quant, shape: [, inputs] } = specs[i];
      const parts = [specs[i++]];
      while (fuse && specs[i]?.fuse === fuse) parts.push(specs[i++]);
      const rows = parts.map(({ shape }) => shape[0]);
      const layout = new QuantisedLayout(quant as QuantForm, rows, inputs);
      checkFits(gpu, parts[0].name, layout);
      const storage = allocateQuantised(gpu, layout);
      let end = 0;
      const prefixes = parts.map(({ name, shape }) => {
        this.tensors.set(name, new QuantisedTensor(shape, storage, end, name));
        end += shape[0];
        return new QuantisedTensor([end, inputs], storage, 0, fuse);
      });
      if (fuse) this.fused.set(fuse, prefixes);
    }
  }

  /** Quantises the values into their place. */
  write(name: string, data: Float32Array): void {
    const { storage, firstRow } = this.tensors.get(name)!;
    let part = 0;
    for (let row = 0; row < firstRow; part++) row += storage.layout.rows[part];
    writeQuantised(this.#gpu, storage, part, data);
  }

  get bytes(): number {
    return this.#buffers().reduce((sum, { size }) => sum + size, 0);
  }

  dispose(): void {
    for (const buffer of this.#buffers()) buffer.destroy();
  }

  #buffers(): GPUBuffer[] {
    const storages = new Set([...this.tensors.values()].map(({ storage }) => storage));
    return [...storages].flatMap(({ codes, scales }) => [codes.region!.buffer, scales.region!.buffer]);
  }
}

/** Codes are bound in parts of rows (kernels/weight_parts.ts), scales whole. */
function checkFits({ limits }: Gpu, name: string, { codeWords, scaleWords }: QuantisedLayout): void {
  const { maxBufferSize, maxStorageBufferBindingSize } = limits;
  for (
    const [what, bytes, place, limit] of [
      ["codes", codeWords * 4, "buffer", maxBufferSize],
      ["scales", scaleWords * 4, "binding", Math.min(maxBufferSize, maxStorageBufferBindingSize)],
    ] as const
  ) {
    if (bytes <= limit) continue;
    throw new ShapeError(
      `Cannot place "${name}": its ${what} are ${bytes} bytes, one ${place} of this adapter holds ${limit}: use a smaller model`,
    );
  }
}
