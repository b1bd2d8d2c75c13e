// A Program replays recorded commands: write the step uniform, encode, submit. Nothing is allocated but what WebGPU demands.
import { GpuError } from "../errors.ts";
import { stagingBuffer } from "./buffers.ts";
import { type Gpu } from "./device.ts";
import { packUniform, type UniformField } from "./kernel.ts";
import { type Groups, type StepValues, type TextureOperand } from "./recorder.ts";
import { type Tensor } from "./tensor.ts";

export type Command =
  | {
    kind: "dispatch";
    label: string;
    pipeline: GPUComputePipeline;
    bindGroup: GPUBindGroup;
    groups: Groups | ((step: StepValues) => Groups);
    flops: number;
  }
  | { kind: "texture"; operand: TextureOperand }
  | { kind: "clear"; tensor: Tensor };

/** Bytes of planned memory. */
export interface ProgramMemory {
  buffers: number;
  textures: number;
}

interface Parts {
  step: GPUBuffer;
  stepFields: readonly UniformField[];
  owned: { destroy(): void }[];
  memory: ProgramMemory;
}

/** Work of one submit, in floating-point operations: 0.2 s at 1 TFLOP/s, a tenth of Windows' 2 s watchdog there. */
const FLOPS_PER_SUBMIT = 2e11;

/** Timestamps of one query set: WebGPU's limit. */
const mostQueries = 4096;

export class Program {
  readonly memory: ProgramMemory;
  readonly #gpu: Gpu;
  readonly #commands: readonly Command[];
  readonly #parts: Parts;
  readonly #limit: number;
  readonly #flopsPerSubmit: number;

  constructor(gpu: Gpu, commands: readonly Command[], parts: Parts) {
    this.#gpu = gpu;
    this.#commands = commands;
    this.#parts = parts;
    this.memory = parts.memory;
    this.#limit = gpu.limits.maxComputeWorkgroupsPerDimension;
    // A CPU adapter has no watchdog, and there a second submit blocks until the first is done: 6 s of "encoding" a step
    // in place of 0.01 (llvmpipe LLVM 15.0.6, Deno 2.9.6, 2026-11-24).
    this.#flopsPerSubmit = gpu.report.isCpu ? Infinity : FLOPS_PER_SUBMIT;
  }

  /** Of buffers and textures. */
  get bytes(): number {
    return this.memory.buffers + this.memory.textures;
  }

  get dispatches(): number {
    return this.#commands.filter(({ kind }) => kind === "dispatch").length;
  }

  /** Enqueues one replay. `values` holds every field of the step uniform; dispatch sizes are taken from it as well. */
  run(values: StepValues): void {
    const { device } = this.#gpu;
    device.queue.writeBuffer(this.#parts.step, 0, packUniform(this.#parts.stepFields, values, "the step uniform"));
    let encoder = device.createCommandEncoder();
    let pass: GPUComputePassEncoder | undefined;
    let flops = 0;
    for (const command of this.#commands) {
      if (command.kind === "dispatch") {
        const [x, y, z] = this.#fold(command.groups, values);
        if (x === 0 || y === 0 || z === 0) continue;
        if (flops > 0 && flops + command.flops > this.#flopsPerSubmit) {
          pass?.end();
          pass = undefined;
          device.queue.submit([encoder.finish()]);
          encoder = device.createCommandEncoder();
          flops = 0;
        }
        flops += command.flops;
        pass ??= encoder.beginComputePass();
        pass.setPipeline(command.pipeline);
        pass.setBindGroup(0, command.bindGroup);
        pass.dispatchWorkgroups(x, y, z);
        continue;
      }
      pass?.end();
      pass = undefined;
      encodeCopy(encoder, command, values);
    }
    pass?.end();
    device.queue.submit([encoder.finish()]);
  }

  /**
   * Runs once with a timestamp around every dispatch.
   *
   * @returns nanoseconds of each dispatch, in order, with its label
   */
  async profile(values: StepValues): Promise<{ label: string; ns: number; flops: number }[]> {
    const { device } = this.#gpu;
    device.queue.writeBuffer(this.#parts.step, 0, packUniform(this.#parts.stepFields, values, "the step uniform"));
    const dispatches = this.#commands.filter((c) => c.kind === "dispatch");
    const count = dispatches.length * 2;
    if (count > mostQueries) {
      throw new GpuError(
        `Cannot time ${dispatches.length} dispatches: WebGPU times ${mostQueries / 2} at once: take a smaller model`,
      );
    }
    const querySet = device.createQuerySet({ type: "timestamp", count });
    const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
    const resolved = device.createBuffer({ size: count * 8, usage });
    const staging = stagingBuffer(this.#gpu, count * 8);
    const encoder = device.createCommandEncoder();
    let i = 0;
    for (const command of this.#commands) {
      if (command.kind !== "dispatch") {
        encodeCopy(encoder, command, values);
        continue;
      }
      const timestampWrites = { querySet, beginningOfPassWriteIndex: i, endOfPassWriteIndex: i + 1 };
      i += 2;
      const pass = encoder.beginComputePass({ timestampWrites });
      const [x, y, z] = this.#fold(command.groups, values);
      pass.setPipeline(command.pipeline);
      pass.setBindGroup(0, command.bindGroup);
      pass.dispatchWorkgroups(x, y, z);
      pass.end();
    }
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, count * 8);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const times = new BigUint64Array(staging.getMappedRange().slice(0));
    for (const resource of [querySet, resolved, staging]) resource.destroy();
    this.#gpu.check();
    return dispatches.map(({ label, flops }, d) => ({ label, flops, ns: Number(times[2 * d + 1] - times[2 * d]) }));
  }

  dispose(): void {
    for (const resource of this.#parts.owned) resource.destroy();
  }

  #fold(groups: Groups | ((step: StepValues) => Groups), values: StepValues): readonly [number, number, number] {
    const wanted = typeof groups === "function" ? groups(values) : groups;
    if (typeof wanted !== "number") return wanted;
    if (wanted <= this.#limit) return [wanted, 1, 1];
    const y = Math.ceil(wanted / this.#limit);
    return [Math.ceil(wanted / y), y, 1];
  }
}

/** Copies only the rows in use: the rest of a texture is as dead as the rest of its buffer. */
function encodeCopy(
  encoder: GPUCommandEncoder,
  command: Exclude<Command, { kind: "dispatch" }>,
  values: StepValues,
): void {
  if (command.kind === "clear") {
    const { buffer, offset, size } = command.tensor.region!;
    encoder.clearBuffer(buffer, offset, size);
    return;
  }
  const { source, texture, rows, texels } = command.operand;
  const live = source.live ? values[source.live] : rows;
  if (live === 0) return;
  const { buffer, offset } = source.region!;
  encoder.copyBufferToTexture({ buffer, offset, bytesPerRow: texels * 16 }, { texture: texture! }, [texels, live]);
}
