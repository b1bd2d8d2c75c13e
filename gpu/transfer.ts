// Bytes to and from the GPU outside a Program: uploads are enqueued at once, read-backs wait for the queue.
import { GpuError, ShapeError } from "../errors.ts";
import { stagingBuffer } from "./buffers.ts";
import { type Gpu } from "./device.ts";
import { elementBytes, type Region, type Tensor } from "./tensor.ts";

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

/** Bytes that are staged at once, if one buffer holds as many: a wait costs 10 ms or more in Deno, whatever its size. */
const STAGED = 2 ** 28;

/** Reads tensors back, f16 as f32. */
export function readTensors(gpu: Gpu, tensors: readonly Tensor[]): Promise<Float32Array<ArrayBuffer>[]> {
  return readJoined(gpu, tensors.map((tensor) => [tensor]));
}

/** Reads tensors back, those of each list end to end in one array. */
export async function readJoined(
  gpu: Gpu,
  lists: readonly (readonly Tensor[])[],
): Promise<Float32Array<ArrayBuffer>[]> {
  const limit = Math.min(STAGED, Math.floor(gpu.limits.maxBufferSize / 256) * 256);
  const joined = lists.map((tensors) => new Uint8Array(tensors.reduce((sum, { bytes }) => sum + bytes, 0)));
  let pieces: Piece[] = [], staged = 0;
  for (const [i, tensors] of lists.entries()) {
    let first = 0;
    for (const { region, bytes, label } of tensors) {
      if (!region) throw new GpuError(`Cannot read ${label}: it has no memory yet`);
      for (let at = 0; at < bytes;) {
        const size = Math.min(bytes - at, limit - staged), to = joined[i].subarray(first + at, first + at + size);
        pieces.push({ from: { buffer: region.buffer, offset: region.offset + at, size }, at: staged, to });
        at += size;
        staged += Math.ceil(size / 256) * 256;
        if (staged < limit) continue;
        await fill(gpu, pieces, staged);
        [pieces, staged] = [[], 0];
      }
      first += bytes;
    }
  }
  if (pieces.length > 0) await fill(gpu, pieces, staged);
  return joined.map(({ buffer }, i) =>
    lists[i][0].dtype === "f16" ? Float32Array.from(new Float16Array(buffer)) : new Float32Array(buffer)
  );
}

interface Piece {
  from: Region;
  /** Its first byte in the staging buffer. */
  at: number;
  to: Uint8Array<ArrayBuffer>;
}

async function fill(gpu: Gpu, pieces: readonly Piece[], bytes: number): Promise<void> {
  const staging = stagingBuffer(gpu, bytes);
  try {
    const mapped = await copyAndMap(gpu, staging, pieces);
    for (const { at, to } of pieces) to.set(new Uint8Array(mapped, at, to.length));
  } finally {
    staging.destroy();
  }
}

/** @returns the staging buffer's bytes, there until it is destroyed */
async function copyAndMap(
  gpu: Gpu,
  staging: GPUBuffer,
  places: readonly Pick<Piece, "from" | "at">[],
): Promise<ArrayBuffer> {
  const encoder = gpu.device.createCommandEncoder();
  for (const { from, at } of places) encoder.copyBufferToBuffer(from.buffer, from.offset, staging, at, from.size);
  gpu.device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  gpu.check();
  return staging.getMappedRange();
}

/** Bytes of one piece. */
const PIECE = 2 ** 25;

/** Reads f32 tensors back, end to end, a piece at a time and with no copy of it: it is gone when the next is asked for. */
export async function* readPieces(gpu: Gpu, tensors: readonly Tensor[]): AsyncGenerator<Float32Array<ArrayBuffer>> {
  for (const { region, bytes, label } of tensors) {
    if (!region) throw new GpuError(`Cannot read ${label}: it has no memory yet`);
    for (let at = 0; at < bytes; at += PIECE) {
      const from = { ...region, offset: region.offset + at, size: Math.min(PIECE, bytes - at) };
      const staging = stagingBuffer(gpu, from.size);
      try {
        yield new Float32Array(await copyAndMap(gpu, staging, [{ from, at: 0 }]));
      } finally {
        staging.destroy();
      }
    }
  }
}

/** Reads one tensor back. */
export async function readTensor(gpu: Gpu, tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
  return (await readTensors(gpu, [tensor]))[0];
}
