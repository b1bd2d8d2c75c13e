// Bytes to and from the GPU outside a Program: uploads are enqueued at once, read-backs wait for the queue.
import { GpuError, ShapeError } from "../errors.ts";
import { stagingBuffer } from "./buffers.ts";
import { type Gpu } from "./device.ts";
import { elementBytes, type Tensor } from "./tensor.ts";

/** Values of one copy: WebGPU stages as much again. */
const UPLOAD = 2 ** 24;

/** Values worth a submit of their own, some 0.2 ms: those of weights, not those of a micro-batch. */
const FLUSH = 2 ** 18;

/** Writes `data` into the tensor, rounded to its type, from element `first` on; the rest keeps what it holds. */
export function upload(
  gpu: Gpu,
  tensor: Tensor,
  data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
  first = 0,
): void {
  if (!tensor.region) throw new GpuError(`Cannot upload to ${tensor.label}: it has no memory yet`);
  if (first + data.length > tensor.size) {
    throw new ShapeError(
      `Cannot upload ${data.length} values from ${first} on to ${tensor.label} of shape [${tensor.shape}]`,
    );
  }
  const { buffer, offset } = tensor.region, { queue } = gpu.device;
  const values = tensor.dtype === "f16" ? new Float16Array(data) : data;
  for (let at = 0; at < values.length; at += UPLOAD) {
    const place = offset + (first + at) * elementBytes(tensor.dtype);
    queue.writeBuffer(buffer, place, values.subarray(at, at + UPLOAD));
    // What is staged is freed once it was submitted: without, 960 MiB of weights took 2,053 MiB to load, with it 1,138.
    if (values.length >= FLUSH) queue.submit([]);
  }
}

/** Reads tensors back, f16 as f32, in one wait (a map costs 10 ms or more in Deno, whatever its size). */
export async function readTensors(gpu: Gpu, tensors: readonly Tensor[]): Promise<Float32Array<ArrayBuffer>[]> {
  const offsets: number[] = [];
  let bytes = 0;
  for (const tensor of tensors) {
    if (!tensor.region) throw new GpuError(`Cannot read ${tensor.label}: it has no memory yet`);
    offsets.push(bytes);
    bytes += Math.ceil(tensor.bytes / 256) * 256;
  }
  const staging = stagingBuffer(gpu, bytes);
  try {
    const encoder = gpu.device.createCommandEncoder();
    tensors.forEach(({ region, bytes }, i) => {
      encoder.copyBufferToBuffer(region!.buffer, region!.offset, staging, offsets[i], bytes);
    });
    gpu.device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    const mapped = staging.getMappedRange();
    const results = tensors.map(({ bytes, dtype }, i) => {
      const own = mapped.slice(offsets[i], offsets[i] + bytes);
      return dtype === "f16" ? Float32Array.from(new Float16Array(own)) : new Float32Array(own);
    });
    gpu.check();
    return results;
  } finally {
    staging.destroy();
  }
}

/** Reads one tensor back. */
export async function readTensor(gpu: Gpu, tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
  return (await readTensors(gpu, [tensor]))[0];
}
