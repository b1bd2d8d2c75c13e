// Frozen dense weights in 4 or 8 bits: each weight, or those fused to one matrix, in a storage of its own, quantised as it is
// written, so that no more than one tensor is ever held as floats.
import { ShapeError } from "../errors.ts";
import { type Gpu } from "../gpu/device.ts";
import { allocateQuantised, QuantisedTensor, writeQuantised } from "../kernels/quantised.ts";
import { isQuantisable } from "../kernels/quantised_layout.ts";
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

  /** @param specs those with a form, in the order of the model @throws {ShapeError} if the adapter cannot bind one */
  constructor(gpu: Gpu, specs: readonly ParameterSpec[]) {
    this.#gpu = gpu;
    for (let i = 0; i < specs.length;) {
      const { fuse, quant, shape: [, inputs] } = specs[i];
      const parts = [specs[i++]];
      while (fuse && specs[i]?.fuse === fuse) parts.push(specs[i++]);
      const rows = parts.map(({ shape }) => shape[0]);
      const storage = allocateQuantised(gpu, quant as QuantForm, rows, inputs);
      const limit = gpu.limits.maxStorageBufferBindingSize;
      if (storage.codes.bytes > limit) {
        throw new ShapeError(
          `Cannot place "${parts[0].name}": its codes are ${storage.codes.bytes} bytes, one binding of this adapter ` +
            `holds ${limit}: use a smaller model`,
        );
      }
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
