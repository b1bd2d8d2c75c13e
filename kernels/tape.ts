// A tape at record time: operations record their forward dispatches at once and push how to record their backward.
//
// The rule for gradients, stated once:
// - a parameter's gradient always ADDS: micro-batches accumulate into it, the optimizer clears it after its step;
// - an activation's gradient is OVERWRITTEN by its first contribution in backward order and ADDED to by later ones, so that
//   its memory needs no clearing. `grad()` says which, and every kernel obeys through a uniform named `accumulate`;
// - rows beyond the live count of any gradient are dead, and no kernel may read them.
import { GpuError, ShapeError } from "../errors.ts";
import { type Dispatch, type Recorder, type TextureOperand } from "../gpu/recorder.ts";
import { type Kernel } from "../gpu/kernel.ts";
import { type Live, type Tensor } from "../gpu/tensor.ts";
import { type Adapters } from "./adapters.ts";
import { type GeluForm } from "./gelu_forms.ts";
import { HalfRunner } from "./half.ts";
import { type Probe } from "./probe.ts";
import { type MatmulForm } from "./matmul_texture.ts";
import { type ProductTiles, type Schedules, tilesOf } from "./schedules.ts";
import { type ProductSize, shapeClass } from "./shape_classes.ts";

/** Where a contribution to a gradient goes. */
export interface GradientTarget {
  tensor: Tensor;
  /** 1: add to what is there; 0: overwrite. */
  accumulate: 0 | 1;
}

/** What a GELU was applied to: the gradient of its result is yet to be multiplied by its derivative there. */
export interface GeluSlope {
  form: GeluForm;
  pre: Tensor;
}

/** How activations are stored; arithmetic is in f32 either way. */
export type Precision = "f32" | "f16";

export interface TapeOptions {
  /** Gradient of each trainable parameter. Without it, nothing is differentiated. */
  parameterGradients?: ReadonlyMap<Tensor, Tensor>;
  schedules: Schedules;
  /** Gets the class of each product that is recorded. */
  classes?: Set<string>;
  /** Of the weights that have some: `linear` adds them wherever it meets the weight. */
  adapters?: ReadonlyMap<Tensor, Adapters>;
  /** Checks what the model marks. */
  probe?: Probe;
  /** What activations of tokens and their gradients are stored in. @default {"f32"} */
  precision?: Precision;
  /** Whether `checkpoint` forgets what is inside a block and records it again for the backward. @default {false} */
  checkpointLayers?: boolean;
}

interface BackwardStep {
  output: Tensor;
  record: (gradient: Tensor) => void;
}

export class Tape {
  readonly schedules: Schedules;
  readonly #classes: Set<string> | undefined;
  readonly #precision: Precision;
  readonly #halves: HalfRunner;
  readonly #probe: Probe | undefined;
  readonly #adapters: ReadonlyMap<Tensor, Adapters> | undefined;
  readonly #parameterGradients: ReadonlyMap<Tensor, Tensor>;
  readonly #gradients = new Map<Tensor, Tensor>();
  readonly #checkpointLayers: boolean;
  readonly #backward: BackwardStep[] = [];
  readonly #readers = new Map<Tensor, number>();
  readonly #slopes = new Map<Tensor, GeluSlope>();
  readonly #sloped = new Set<Tensor>();
  #nextSite = 0;
  /** Copies of what `keepsTexture`, and, within `sharingTextures`, of the rest; until something is written to the tensor. */
  #textures = new Map<Tensor, TextureOperand>();
  #shared: Map<Tensor, TextureOperand> | undefined;

  constructor(readonly recorder: Recorder, options: TapeOptions) {
    this.schedules = options.schedules;
    this.#classes = options.classes;
    this.#precision = options.precision ?? "f32";
    this.#halves = new HalfRunner(recorder);
    this.#probe = options.probe;
    this.#adapters = options.adapters;
    this.#parameterGradients = options.parameterGradients ?? new Map();
    this.#checkpointLayers = options.checkpointLayers ?? false;
  }

  /** Scratch memory in f32 that needs no gradient. */
  tensor(shape: readonly number[], live?: Live, label = ""): Tensor {
    return this.recorder.tensor(shape, { live, label });
  }

  /** An activation that needs no gradient of its own: what an operation keeps of its result for the backward pass. */
  activation(shape: readonly number[], live?: Live, label = ""): Tensor {
    return this.recorder.tensor(shape, { live, label, dtype: this.#dtypeOf(live) });
  }

  /** Rows of tokens make up nearly all of the memory; those of segments and battles stay f32. */
  #dtypeOf(live: Live | undefined): Precision {
    return live === "tokens" ? this.#precision : "f32";
  }

  /** The result of an operation on `inputs`: it needs a gradient where one of them does. */
  output(
    shape: readonly number[],
    live: Live | undefined,
    inputs: readonly (Tensor | undefined)[],
    label = "",
  ): Tensor {
    for (const input of inputs) if (input) this.#readers.set(input, (this.#readers.get(input) ?? 0) + 1);
    const requiresGrad = inputs.some((input) => input !== undefined && this.needsGrad(input));
    return this.recorder.tensor(shape, { live, label, requiresGrad, dtype: this.#dtypeOf(live) });
  }

  run(kernel: Kernel, entry: string, at: Dispatch): void {
    this.#halves.run(kernel, entry, at);
    for (const tensor of Object.values(at.write ?? {})) this.#forgetTexture(tensor);
  }

  clear(tensor: Tensor): void {
    this.recorder.clear(tensor);
    this.#forgetTexture(tensor);
  }

  #forgetTexture(tensor: Tensor): void {
    this.#textures.delete(tensor);
    this.#shared?.delete(tensor);
  }

  /** How a product of this size runs. */
  tilesOf(form: MatmulForm, size: ProductSize): ProductTiles {
    this.#classes?.add(shapeClass(form, size));
    return tilesOf(this.schedules, form, size);
  }

  /** Names a layer's output, for the search of the first one that is not finite. */
  mark(name: string, x: Tensor): Tensor {
    this.#probe?.record(this.recorder, name, this.#halves.full(x));
    return x;
  }

  /** Numbers the dropout sites in the order of recording, so that two sites of one token drop different channels. */
  nextSite(): number {
    return this.#nextSite++;
  }

  /** The adapters of a weight, or of several that are one matrix. */
  adaptersOf(weight: Tensor): Adapters | undefined {
    return this.#adapters?.get(weight);
  }

  /** A copy of `tensor` as it is at this point: an earlier one where nothing was written to the tensor since. */
  texture(tensor: Tensor): TextureOperand {
    const known = this.#textures.get(tensor) ?? this.#shared?.get(tensor);
    if (known) return known;
    const operand = this.recorder.texture(this.#halves.full(tensor));
    (keepsTexture(tensor) ? this.#textures : this.#shared)?.set(tensor, operand);
    return operand;
  }

  /** Within `record`, also what is not kept is copied into a texture once, as long as nothing is written to it. */
  sharingTextures<Result>(record: () => Result): Result {
    const outer = this.#shared;
    this.#shared = new Map();
    try {
      return record();
    } finally {
      this.#shared = outer;
    }
  }

  needsGrad(x: Tensor): boolean {
    return this.#parameterGradients.has(x) || (x.planned && x.requiresGrad);
  }

  /** Where to write the next contribution to the gradient of `x`; undefined where nobody wants it. */
  grad(x: Tensor): GradientTarget | undefined {
    const parameter = this.#parameterGradients.get(x);
    if (parameter) return { tensor: parameter, accumulate: 1 };
    if (!this.needsGrad(x)) return undefined;
    if (this.#sloped.has(x)) throw new GpuError(`Cannot add to the gradient of ${x.label}: one product gave it whole`);
    const known = this.#gradients.get(x);
    if (known) return { tensor: known, accumulate: 1 };
    const tensor = this.recorder.tensor(x.shape, { live: x.live, label: `d ${x.label}`, dtype: x.dtype });
    this.#gradients.set(x, tensor);
    return { tensor, accumulate: 0 };
  }

  /** Gives `x` a gradient that an operation has written already: where the backward pass starts. */
  setGrad(x: Tensor, gradient: Tensor): void {
    if (x.size !== gradient.size) {
      throw new ShapeError(`Cannot use [${gradient.shape}] as the gradient of [${x.shape}]`);
    }
    if (this.#gradients.has(x)) throw new GpuError(`Cannot set the gradient of ${x.label} twice`);
    this.#gradients.set(x, gradient);
  }

  /**
   * Gives `x` the gradient `dy` of a later result itself, without a copy; false where `x` has one already, or wants none.
   * What adds to the gradient of `x` from then on changes `dy`: whatever else reads `dy` is recorded before.
   */
  adoptGrad(x: Tensor, dy: Tensor): boolean {
    if (this.#parameterGradients.has(x) || this.#gradients.has(x) || !this.needsGrad(x)) return false;
    this.#gradients.set(x, dy);
    return true;
  }

  /** Says that `y` is a GELU's result, for the product that will give its gradient. */
  setSlope(y: Tensor, slope: GeluSlope): void {
    this.#slopes.set(y, slope);
  }

  /**
   * What the gradient of `x` is to be multiplied by, where one product gives it whole: `x` is read by one operation only, whose
   * backward calls this behind `grad(x)` and must then multiply.
   */
  takeSlope(x: Tensor): GeluSlope | undefined {
    const slope = this.#readers.get(x) === 1 ? this.#slopes.get(x) : undefined;
    if (slope) this.#sloped.add(x);
    return slope;
  }

  /** Whether the gradient of `y` was multiplied already. */
  isSloped(y: Tensor): boolean {
    return this.#sloped.has(y);
  }

  /** Registers how to record the backward of the operation that made `output`. */
  onBackward(output: Tensor, record: (gradient: Tensor) => void): void {
    if (output.requiresGrad) this.#backward.push({ output, record });
  }

  /**
   * A block of layers as one operation, [rows, W] -> [rows, W]. With `checkpointLayers` nothing inside the block is kept for the
   * backward: that records the block's forward again, with the same dropout sites, and then its backward, so that the
   * results are the same to the bit and only `x` and whatever else the block reads from outside live on between the two.
   */
  checkpoint(x: Tensor, block: (x: Tensor) => Tensor): Tensor {
    if (!this.#checkpointLayers) return block(x);
    const [site, steps] = [this.#nextSite, this.#backward.length];
    const y = block(x);
    this.#backward.splice(steps);
    this.#slopes.delete(y);
    this.onBackward(y, (dy) => {
      const after = this.#nextSite;
      this.#nextSite = site;
      // Copies of the first forward would live until here, those of this one for other blocks.
      this.#textures = new Map();
      const again = this.recorder.ifRead(() => block(x));
      this.#nextSite = after;
      this.setGrad(again, dy);
      this.backward();
      this.#textures = new Map();
    });
    return y;
  }

  /** Records the backward of everything, last operation first; an output nobody differentiated is skipped. */
  backward(): void {
    for (const { output, record } of this.#backward.splice(0).reverse()) {
      const gradient = this.#gradients.get(output);
      if (gradient) record(gradient);
    }
  }
}

/** Bytes of a parameter that is copied once for the forward and the backward pass: of adapters and norms. */
const SMALL = 2 ** 17;

/**
 * Whether a copy may live from the forward to the backward pass. An activation's takes the memory of the activation itself, which
 * nobody reads any more once all who want texels have their copy; that of a weight would be its second.
 */
function keepsTexture(tensor: Tensor): boolean {
  return tensor.dtype === "f32" && (tensor.planned || tensor.bytes <= SMALL);
}
