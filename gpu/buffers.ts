// The kinds of buffers there are, by what they are used for.
import { type Gpu } from "./device.ts";

/** Memory of tensors: read and written by kernels, uploaded to and copied from. */
export function storageBuffer({ device }: Gpu, label: string, bytes: number): GPUBuffer {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  return device.createBuffer({ label, size: bytes, usage });
}

/** Sizes and step values of kernels. */
export function uniformBuffer({ device }: Gpu, label: string, bytes: number): GPUBuffer {
  return device.createBuffer({ label, size: bytes, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
}

/** What is copied from the GPU to be mapped. */
export function stagingBuffer({ device }: Gpu, bytes: number): GPUBuffer {
  return device.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
}
