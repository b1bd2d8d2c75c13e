// Parameters of a model in flat buffers, as few as the adapter's limits allow: trainable ones, decayed first, and frozen ones in
// others. Zeroing, the gradient norm, clipping and AdamW are then a few dispatches, whatever the number of tensors.
import { InputError, ShapeError } from "../errors.ts";
import { type Gpu } from "../gpu/device.ts";
import { ownedTensor } from "../gpu/recorder.ts";
import { type DType, elementBytes, type RowPart, SplitTensor, Tensor } from "../gpu/tensor.ts";
import { readJoined, upload } from "../gpu/transfer.ts";
import { QuantisedTensor } from "../kernels/quantised.ts";
import { type QuantForm } from "../kernels/quantiser.ts";
import { ALIGN, cutByBuffer, groupFused, layOut, type Place, type Shard, sizeOf } from "./parameter_layout.ts";
import { QuantisedParameters } from "./quantised_parameters.ts";

/** A parameter as a model asks for it. */
export interface ParameterSpec {
  /** Checkpoint name, without the backbone's prefix. */
  name: string;
  shape: readonly number[];
  /** Whether AdamW's weight decay applies: everything but biases and norms, as Hugging Face's Trainer. */
  decay: boolean;
  trainable: boolean;
  /** Of all values of an undecayed parameter that the checkpoint lacks. @default {0} */
  initial?: number;
  /**
   * Consecutive parameters of one such name lie end to end, so that `Parameters.fused` sees them as one matrix: the
   * query, key and value projections become one product.
   */
  fuse?: string;
  /** The form in which a frozen dense weight is held. Absent: floats. */
  quant?: BaseForm;
}

/** In bits of their own, or in floats of 16 bits. */
export type BaseForm = QuantForm | "f16";

/** A shard of the trainable parameters with their gradients and moments, each flat; lengths are multiples of 64 floats (256 bytes). */
export interface FlatShard {
  parameters: Tensor;
  gradients: Tensor;
  firstMoments: Tensor;
  secondMoments: Tensor;
  /** Leading floats that weight decay applies to. */
  decayedLength: number;
}

/** Owns the buffers of all parameters, and of gradients and moments of the trainable ones. */
export class Parameters {
  /** End to end, whatever the adapter's limits, all that is trained: the order of checkpoints. */
  readonly flat: readonly FlatShard[];
  /** Of each trainable tensor and fused view, for the tape. */
  readonly gradients = new Map<Tensor, Tensor>();
  readonly specs: readonly ParameterSpec[];
  readonly #gpu: Gpu;
  readonly #frozen: readonly Tensor[];
  readonly #quantised: QuantisedParameters;
  readonly #tensors = new Map<string, Tensor>();
  /** Of the first of a fuse name's parameters, of the first two, and so on to all of them. */
  readonly #fused = new Map<string, Tensor[]>();
  readonly #matrices = new Map<string, Tensor>();
  /** Parts of tensors that no buffer holds. */
  readonly #split = new Map<string, RowPart[]>();

  /** Lays out and allocates; contents are zero until `write`. @throws {ShapeError} if the adapter cannot hold them */
  constructor(gpu: Gpu, specs: readonly ParameterSpec[]) {
    this.#gpu = gpu;
    this.specs = specs;
    const trainable = specs.filter((s) => s.trainable);
    const decayed = layOut(trainable.filter((s) => s.decay));
    const undecayed = layOut(trainable.filter((s) => !s.decay), decayed.end);
    const laidOut = { places: [...decayed.places, ...undecayed.places], end: undecayed.end };
    const shards = laidOut.end > 0 ? cutByBuffer(gpu, laidOut) : [{ first: 0, end: ALIGN, places: [] }];
    this.flat = shards.map((shard) => {
      const flat = (label: string) => ownedTensor(gpu, [shard.end - shard.first], { label });
      const decayedLength = Math.min(shard.end, Math.max(shard.first, decayed.end)) - shard.first;
      const parameters = flat("parameters"), gradients = flat("gradients");
      this.#view(shard, parameters, gradients);
      const moments = { firstMoments: flat("first moments"), secondMoments: flat("second moments") };
      return { parameters, gradients, ...moments, decayedLength };
    });
    const floats = specs.filter((s) => !s.trainable && !s.quant), halves = specs.filter((s) => s.quant === "f16");
    this.#frozen = [...this.#placeFrozen(floats, "f32"), ...this.#placeFrozen(halves, "f16")];
    this.#joinSplit();
    this.#quantised = new QuantisedParameters(gpu, specs.filter((s) => s.quant && s.quant !== "f16"));
    for (const [name, tensor] of this.#quantised.tensors) this.#tensors.set(name, tensor);
    for (const [name, prefixes] of this.#quantised.fused) this.#fused.set(name, prefixes);
  }

  #placeFrozen(specs: readonly ParameterSpec[], dtype: DType): Tensor[] {
    if (specs.length === 0) return [];
    return cutByBuffer(this.#gpu, layOut(specs), dtype).map((shard) => {
      const flat = ownedTensor(this.#gpu, [shard.end - shard.first], { label: "frozen parameters", dtype });
      this.#view(shard, flat);
      return flat;
    });
  }

  /** @throws {ShapeError} if the model has no such parameter */
  tensor(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (!tensor) throw new ShapeError(`Cannot find parameter "${name}" among those of the model`);
    return tensor;
  }

  /** The parameters of one `fuse` name, or the first `count` of them, as one tensor, their first dimensions added up. */
  fused(name: string, count?: number): Tensor {
    const tensor = this.#fused.get(name)?.at(count === undefined ? -1 : count - 1);
    if (!tensor) throw new ShapeError(`Cannot find fused parameters "${name}" among those of the model`);
    return tensor;
  }

  /** What `fused` gives for each count of a fuse name's parameters, from one to all. */
  fusedPrefixes(name: string): readonly Tensor[] {
    return this.#fused.get(name) ?? [];
  }

  /** Weight [out, in] and bias of a dense layer, for `linear`. */
  linear(prefix: string): { weight: Tensor; bias: Tensor } {
    return { weight: this.tensor(`${prefix}.weight`), bias: this.tensor(`${prefix}.bias`) };
  }

  /** A parameter of more than two dimensions as a matrix, all but its first dimension in one: the kernel of a convolution. */
  matrix(name: string): Tensor {
    const tensor = this.#matrices.get(name);
    if (!tensor) throw new ShapeError(`Cannot find a matrix of parameter "${name}" among those of the model`);
    return tensor;
  }

  /** Gain and bias of a layer norm, for `layerNorm`. */
  norm(prefix: string): { gain: Tensor; bias: Tensor } {
    return { gain: this.tensor(`${prefix}.weight`), bias: this.tensor(`${prefix}.bias`) };
  }

  write(name: string, data: Float32Array<ArrayBuffer>): void {
    const tensor = this.tensor(name);
    if (data.length !== tensor.size) {
      throw new ShapeError(`Cannot write ${data.length} values to "${name}" of shape [${tensor.shape}]`);
    }
    if (tensor instanceof QuantisedTensor) this.#quantised.write(name, data);
    else {
      let first = 0;
      for (const part of partsOf(tensor)) {
        const some = data.subarray(first, first += part.size);
        upload(this.#gpu, part, part.dtype === "f16" ? checkHalf(name, some) : some);
      }
    }
  }

  /** Every parameter, or those of `specs`, read back, in their order. @throws {ShapeError} if one is held in another form */
  async read(specs = this.specs): Promise<{ name: string; shape: number[]; data: Float32Array<ArrayBuffer> }[]> {
    const packed = specs.find(({ quant }) => quant);
    if (packed) throw new ShapeError(`Cannot read "${packed.name}" back: it is held in ${packed.quant}`);
    const data = await readJoined(this.#gpu, specs.map(({ name }) => partsOf(this.tensor(name))));
    return specs.map(({ name, shape }, i) => ({ name, shape: [...shape], data: data[i] }));
  }

  /** The gradient of one trainable parameter, read back; for tests. */
  async readGradient(name: string): Promise<Float32Array<ArrayBuffer>> {
    const gradient = this.gradients.get(this.tensor(name));
    if (!gradient) throw new ShapeError(`Cannot read the gradient of "${name}": it is frozen`);
    return (await readJoined(this.#gpu, [partsOf(gradient)]))[0];
  }

  get trainableCount(): number {
    return this.specs.reduce((sum, { shape, trainable }) => sum + (trainable ? sizeOf(shape) : 0), 0);
  }

  /** Of each of the two sets of moments, gradients and trained parameters; and of the frozen ones. */
  get bytes(): { trained: number; frozen: number } {
    const frozen = this.#frozen.reduce((sum, { bytes }) => sum + bytes, this.#quantised.bytes);
    return { trained: this.flat.reduce((sum, { parameters }) => sum + parameters.bytes, 0), frozen };
  }

  dispose(): void {
    for (const tensor of this.#buffers()) tensor.region!.buffer.destroy();
    this.#quantised.dispose();
  }

  #buffers(): Tensor[] {
    const trained = this.flat.flatMap((shard) => [
      ...[shard.parameters, shard.gradients],
      ...[shard.firstMoments, shard.secondMoments],
    ]);
    return [...trained, ...this.#frozen];
  }

  /** Makes one tensor, and one gradient, of those that are split over several buffers. */
  #joinSplit(): void {
    for (const [name, parts] of this.#split) {
      const shape = this.specs.find((spec) => spec.name === name)!.shape, tensor = new SplitTensor(shape, parts, name);
      this.#tensors.set(name, tensor);
      const gradients = parts.flatMap(({ firstRow, rows }) => {
        const gradient = this.gradients.get(rows);
        return gradient ? [{ firstRow, rows: gradient }] : [];
      });
      if (gradients.length > 0) this.gradients.set(tensor, new SplitTensor(shape, gradients, `d ${name}`));
    }
  }

  #view({ first, places }: Shard, parameters: Tensor, gradients?: Tensor): void {
    const view = (name: string, { offset }: Place, shape: readonly number[]) => {
      const slice = (flat: Tensor, label: string) =>
        new Tensor(shape, { label, dtype: flat.dtype }, {
          buffer: flat.region!.buffer,
          offset: (offset - first) * elementBytes(flat.dtype),
          size: sizeOf(shape) * elementBytes(flat.dtype),
        });
      const tensor = slice(parameters, name);
      if (gradients) this.gradients.set(tensor, slice(gradients, `d ${name}`));
      return tensor;
    };
    for (const place of places) {
      const { spec: { name, shape }, firstRow } = place;
      if (firstRow !== undefined) {
        const rows = view(`${name} from row ${firstRow}`, place, shape);
        this.#split.set(name, [...(this.#split.get(name) ?? []), { firstRow, rows }]);
        continue;
      }
      this.#tensors.set(name, view(name, place, shape));
      if (shape.length > 2) this.#matrices.set(name, view(name, place, [shape[0], sizeOf(shape.slice(1))]));
    }
    for (const [fuse, parts] of groupFused(places)) {
      const [{ spec }] = parts;
      this.#fused.set(
        fuse,
        parts.map((_, last) => {
          const rows = parts.slice(0, last + 1).reduce((sum, part) => sum + part.spec.shape[0], 0);
          return view(`${fuse} to part ${last}`, parts[0], [rows, ...spec.shape.slice(1)]);
        }),
      );
    }
  }
}

function partsOf(tensor: Tensor): Tensor[] {
  return tensor instanceof SplitTensor ? tensor.parts.map(({ rows }) => rows) : [tensor];
}

/** @throws {InputError} if a value lies beyond f16 */
function checkHalf(name: string, data: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const value = data.find((value) => !(Math.abs(value) < 65520));
  if (value === undefined) return data;
  throw new InputError(
    `Cannot hold "${name}" in f16: it holds ${value}, the largest is 65504: leave --precision f16 out`,
  );
}
