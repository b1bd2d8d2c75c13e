// Records dispatches and copies once; `build` makes a Program of them, to replay.
import { createHash } from "node:crypto";
import { GpuError, ShapeError } from "../errors.ts";
import { storageBuffer } from "./buffers.ts";
import { buildProgram } from "./build_program.ts";
import { type Gpu } from "./device.ts";
import { type Binding, type Kernel, type UniformField } from "./kernel.ts";
import { type Entry, type MemoryPlan, type Operand, operandsOf, planMemory, textureColumns } from "./memory_plan.ts";
import { type PipelineCache } from "./pipelines.ts";
import { SharedMemory } from "./shared_memory.ts";
import { type Program } from "./program.ts";
import { elementBytes, SplitTensor, Tensor, type TensorOptions } from "./tensor.ts";

/** Counts in use in one replay, and whatever else the step uniform carries: learning rate, seed, ... */
export type StepValues = Readonly<Record<string, number>>;

/** Workgroups of a dispatch: a number is folded over y past the adapter's limit; a function is asked at each replay. */
export type Groups = number | readonly [number, number, number];

/** A tensor's rows as texels of an rgba32float texture, copied at the point of recording. */
export class TextureOperand {
  texture: GPUTexture | undefined;
  constructor(readonly source: Tensor, readonly rows: number, readonly texels: number) {}
}

export interface Dispatch {
  /** Bindings the kernel only reads, by their WGSL names. */
  read?: Readonly<Record<string, Tensor | TextureOperand>>;
  /** Bindings the kernel writes (or reads and writes), by their WGSL names. */
  write?: Readonly<Record<string, Tensor>>;
  /** Fields of the kernel's `Size` uniform. */
  size?: Readonly<Record<string, number>>;
  /** Override constants. */
  constants?: Readonly<Record<string, number>>;
  groups: Groups | ((step: StepValues) => Groups);
  /** Floating-point operations at full capacity, for splitting submits and for the benchmark. */
  flops?: number;
}

/** Collects commands. Not reusable after `build`. */
export class Recorder {
  readonly #entries: Entry[] = [];
  #ifRead = false;
  readonly #kept = new Set<Tensor>();
  readonly #constants = new Map<Tensor, Float32Array<ArrayBuffer>>();

  constructor(readonly gpu: Gpu) {}

  /** A tensor whose memory the plan decides. */
  tensor(shape: readonly number[], options: TensorOptions = {}): Tensor {
    const tensor = new Tensor(shape, options);
    this.#checkBound(tensor, tensor.bytes);
    return tensor;
  }

  #checkBound(tensor: Tensor, bytes: number): void {
    const limit = this.gpu.limits.maxStorageBufferBindingSize;
    if (bytes <= limit) return;
    throw new ShapeError(
      `Cannot record ${tensor.label || "a tensor"} of shape [${tensor.shape}]: one binding of this adapter holds ` +
        `${limit} bytes: ${tensor.planned ? "lower --batch-tokens" : "use a smaller model"}`,
    );
  }

  /** Keeps a planned tensor's memory to itself, so that it can be uploaded before or read after a replay. */
  keep(tensor: Tensor): Tensor {
    this.#kept.add(tensor);
    return tensor;
  }

  /** A tensor of values that no replay changes, in memory of its own. */
  constant(shape: readonly number[], data: Float32Array<ArrayBuffer>, label: string): Tensor {
    const tensor = this.keep(this.tensor(shape, { label }));
    if (data.length !== tensor.size) {
      throw new ShapeError(`Cannot fill ${label} of shape [${shape}] with ${data.length} values: they must be as many`);
    }
    this.#constants.set(tensor, data);
    return tensor;
  }

  /**
   * Whether `texture` would accept this tensor, or the floats of an f16 or packed one: rows must be a multiple of 256 bytes and fit the
   * adapter's texture size. A vector is one row.
   */
  texturable(tensor: Tensor): boolean {
    const { dtype, size } = tensor, rows = textureRows(tensor);
    const width = size / rows, { maxTextureDimension2D: limit, maxStorageBufferBindingSize } = this.gpu.limits;
    return dtype !== "u32" && width % 64 === 0 && textureColumns(width / 4) <= limit && rows < limit &&
      size * 4 <= maxStorageBufferBindingSize;
  }

  /** Copies the tensor, as it is at this point of the recording, into a texture of [rows, width / 4] texels. */
  texture(tensor: Tensor): TextureOperand {
    if (!this.texturable(tensor) || tensor.dtype !== "f32") {
      throw new ShapeError(
        `Cannot copy ${tensor.label} of shape [${tensor.shape}] into a texture: rows must be 64n floats`,
      );
    }
    const rows = textureRows(tensor);
    const operand = new TextureOperand(tensor, rows, tensor.size / rows / 4);
    this.#push({ texture: operand });
    return operand;
  }

  clear(tensor: Tensor): void {
    this.#push({ clear: tensor });
  }

  /** What `record` records is left out of the Program where it writes nothing but planned memory that nobody reads later. */
  ifRead<Result>(record: () => Result): Result {
    const outer = this.#ifRead;
    this.#ifRead = true;
    try {
      return record();
    } finally {
      this.#ifRead = outer;
    }
  }

  /**
   * Records one dispatch.
   *
   * @throws {GpuError} if a binding is unknown to the kernel, or declared with another access than used here
   */
  run(kernel: Kernel, entry: string, at: Dispatch): void {
    const where = `${kernel.label}.${entry}`;
    const check = (name: string, wanted: Binding["access"]) => {
      const binding = kernel.bindings.get(name);
      if (!binding) throw new GpuError(`Cannot record ${where}: the kernel declares no binding "${name}"`);
      if (binding.access !== wanted) {
        throw new GpuError(
          `Cannot record ${where}: binding "${name}" is declared ${binding.access}, used as ${wanted}`,
        );
      }
    };
    for (const [name, operand] of Object.entries({ ...at.read, ...at.write })) {
      if (operand instanceof TextureOperand || operand.dtype !== "packed") continue;
      if (operand instanceof SplitTensor) {
        const { label, shape } = operand, { maxBufferSize } = this.gpu.limits;
        throw new ShapeError(
          `Cannot record ${label} of shape [${shape}]: one buffer of this adapter holds ${maxBufferSize} bytes: use a smaller model`,
        );
      }
      throw new GpuError(`Cannot record ${where}: binding "${name}" would be ${operand.label}, which is packed`);
    }
    for (const [name, operand] of Object.entries(at.read ?? {})) {
      check(name, operand instanceof TextureOperand ? "texture" : "read");
    }
    for (const name of Object.keys(at.write ?? {})) check(name, "write");
    for (const operand of [...Object.values(at.read ?? {}), ...Object.values(at.write ?? {})]) {
      if (operand instanceof Tensor && operand.region) this.#checkBound(operand, operand.region.size);
    }
    this.#push({ kernel, entry, at });
  }

  #push(entry: Entry): void {
    this.#entries.push(this.#ifRead ? { ...entry, ifRead: true } : entry);
  }

  /** Whether a command that was recorded reads or writes the tensor. */
  uses(tensor: Tensor): boolean {
    return this.#entries.some((entry) =>
      Object.values(operandsOf(entry)).some((operands) => operands.includes(tensor))
    );
  }

  /** The commands that the Program holds: all but those of `ifRead` that nobody needs. */
  #needed(): Entry[] {
    const wanted = new Set<Operand>();
    return this.#entries.toReversed().filter((entry) => {
      const { reads, writes } = operandsOf(entry);
      const isNeeded = !entry.ifRead || writes.some((operand) => wanted.has(operand) || this.#isLasting(operand));
      // A written tensor may also be read: `accumulate` adds to what is there.
      if (isNeeded) { for (const operand of [...reads, ...writes]) wanted.add(operand); }
      return isNeeded;
    }).reverse();
  }

  #isLasting(operand: Operand): boolean {
    return operand instanceof Tensor && (!operand.planned || this.#kept.has(operand));
  }

  /**
   * Plans memory and makes the Program.
   *
   * @param stepFields the struct of the `step` uniform that all kernels of the program share
   * @param poison fills planned memory with NaN, so that a test sees whoever reads what nobody wrote
   * @param shared memory that other programs use too; its maker destroys it. Without it the Program has its own
   */
  build(
    pipelines: PipelineCache,
    stepFields: readonly UniformField[],
    { poison = false, shared }: { poison?: boolean; shared?: SharedMemory } = {},
  ): Program {
    const memory = shared ?? new SharedMemory(), constants = this.#constants;
    const options = { pipelines, stepFields, constants, memory, ownsMemory: !shared, poison };
    return buildProgram(this.gpu, this.plan(memory), options);
  }

  /**
   * What `build` would allocate, without allocating it; uniforms, some hundred bytes a dispatch, are not counted.
   *
   * @param shared as for `build`
   */
  plan(shared = new SharedMemory()): MemoryPlan {
    return planMemory(this.#needed(), this.#kept, shared);
  }

  /** Another one where a dispatch has other code or constants, whatever the sizes: results may differ in their last bits. */
  digest(): string {
    const hash = createHash("sha256");
    for (const entry of this.#needed()) {
      if ("kernel" in entry) hash.update(JSON.stringify([entry.kernel.code, entry.entry, entry.at.constants]));
    }
    return hash.digest("hex");
  }
}

function textureRows({ shape }: Tensor): number {
  return shape.length === 1 ? 1 : shape[0];
}

/** A tensor in memory of its own, alive until its buffer is destroyed by the caller: parameters, inputs, results. */
export function ownedTensor(gpu: Gpu, shape: readonly number[], options: TensorOptions = {}): Tensor {
  const bytes = shape.reduce((a, b) => a * b, 1) * elementBytes(options.dtype);
  const buffer = storageBuffer(gpu, options.label ?? "", Math.ceil(bytes / 256) * 256);
  return new Tensor(shape, options, { buffer, offset: 0, size: bytes });
}
