// From planned commands to a Program: their buffers and textures, uniforms, pipelines and bind groups.
import { GpuError } from "../errors.ts";
import { uniformBuffer } from "./buffers.ts";
import { type Gpu } from "./device.ts";
import { packUniform, type UniformField } from "./kernel.ts";
import { alignedBytes, BUFFERS, type Entry, type MemoryPlan } from "./memory_plan.ts";
import { type PipelineCache } from "./pipelines.ts";
import { type Command, Program } from "./program.ts";
import { SharedMemory } from "./shared_memory.ts";
import { Tensor } from "./tensor.ts";

type DispatchEntry = Extract<Entry, { kernel: unknown }>;

export interface BuildOptions {
  pipelines: PipelineCache;
  /** The struct of the `step` uniform that all kernels of the program share. */
  stepFields: readonly UniformField[];
  /** Values of tensors that no replay changes. */
  constants: ReadonlyMap<Tensor, Float32Array<ArrayBuffer>>;
  /** That of the plan. */
  memory: SharedMemory;
  /** Whether the Program destroys `memory`. */
  ownsMemory: boolean;
  /** Fills planned memory with NaN. */
  poison: boolean;
}

/** Allocates what is planned and makes the Program. */
export function buildProgram(gpu: Gpu, plan: MemoryPlan, options: BuildOptions): Program {
  const { memory, stepFields } = options;
  const owned: { destroy(): void }[] = [...placeTensors(gpu, plan, options)];
  placeTextures(gpu, plan, memory);
  if (options.ownsMemory) owned.push(memory);
  for (const [{ region }, data] of options.constants) {
    // A tensor that no command touches has no place.
    if (region) gpu.device.queue.writeBuffer(region.buffer, region.offset, data);
  }
  const { buffer: sizes, places } = uploadSizes(gpu, plan.needed.filter((entry) => "kernel" in entry));
  const step = uniformBuffer(gpu, "step", Math.max(256, Math.ceil(stepFields.length / 4) * 16));
  owned.push(step, sizes);
  const commands = plan.needed.map((entry): Command => {
    if ("texture" in entry) return { kind: "texture", operand: entry.texture };
    if ("clear" in entry) return { kind: "clear", tensor: entry.clear };
    const size = places.get(entry);
    return bindDispatch(gpu, entry, options.pipelines, {
      ...(size && { size: { buffer: sizes, ...size } }),
      ...(entry.kernel.bindings.has("step") && { step: { buffer: step } }),
    });
  });
  return new Program(gpu, commands, { step, stepFields, owned, memory: plan.bytes });
}

/** @returns the buffers that are the Program's own */
function placeTensors(gpu: Gpu, { kept, buffers }: MemoryPlan, { memory, poison }: BuildOptions): GPUBuffer[] {
  const own = new SharedMemory(), { places } = own.reserve(BUFFERS, kept.map(alignedBytes));
  const placed = [
    ...kept.map((tensor, i) => [tensor, own.buffer(gpu, BUFFERS, places[i])] as const),
    ...[...buffers].map(([tensor, place]) => [tensor, memory.buffer(gpu, BUFFERS, place)] as const),
  ];
  for (const [tensor, buffer] of placed) tensor.region = { buffer, offset: 0, size: tensor.bytes };
  if (poison) {
    for (const buffer of new Set(placed.map(([, buffer]) => buffer))) {
      // A NaN as one f32 and as two f16.
      gpu.device.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(0x7fff7fff));
    }
  }
  return placed.slice(0, kept.length).map(([, buffer]) => buffer);
}

function placeTextures(gpu: Gpu, { textures }: MemoryPlan, memory: SharedMemory): void {
  for (const { kind, sides, places } of textures) {
    for (const [operand, place] of places) operand.texture = memory.texture(gpu, kind, place, sides);
  }
}

/** The `Size` uniforms of all dispatches in one buffer, and where each lies. */
function uploadSizes(
  gpu: Gpu,
  dispatches: readonly DispatchEntry[],
): { buffer: GPUBuffer; places: Map<Entry, { offset: number; size: number }> } {
  const packed = new Map<DispatchEntry, { offset: number; bytes: ArrayBuffer }>();
  let total = 256;
  for (const entry of dispatches) {
    if (!entry.at.size) continue;
    const fields = entry.kernel.structs.get("Size");
    const where = `${entry.kernel.label}.${entry.entry}`;
    if (!fields) throw new GpuError(`Cannot record ${where}: the kernel has no struct Size`);
    const bytes = packUniform(fields, entry.at.size, where);
    packed.set(entry, { offset: total, bytes });
    total += Math.ceil(bytes.byteLength / 256) * 256;
  }
  const buffer = uniformBuffer(gpu, "sizes", total), all = new Uint8Array(total);
  for (const { offset, bytes } of packed.values()) all.set(new Uint8Array(bytes), offset);
  gpu.device.queue.writeBuffer(buffer, 0, all);
  const places = [...packed].map(([entry, { offset, bytes }]) => [entry, { offset, size: bytes.byteLength }] as const);
  return { buffer, places: new Map(places) };
}

/** @param uniforms by their WGSL names */
function bindDispatch(
  gpu: Gpu,
  { kernel, entry, at }: DispatchEntry,
  pipelines: PipelineCache,
  uniforms: Readonly<Record<string, GPUBufferBinding>>,
): Command {
  const operands = Object.entries({ ...at.read, ...at.write }).map(([name, operand]) =>
    [name, operand instanceof Tensor ? operand.region! : operand.texture!.createView()] as const
  );
  const resources: (readonly [string, GPUBindingResource])[] = [...operands, ...Object.entries(uniforms)];
  const { pipeline, layout } = pipelines.get(kernel, entry, resources.map(([name]) => name), at.constants ?? {});
  const bindGroup = gpu.device.createBindGroup({
    label: kernel.label,
    layout,
    entries: resources.map(([name, resource]) => ({ binding: kernel.bindings.get(name)!.index, resource })),
  });
  const label = `${kernel.label}.${entry}`;
  return { kind: "dispatch", label, pipeline, bindGroup, groups: at.groups, flops: at.flops ?? 0 };
}
