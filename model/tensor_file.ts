// An open file of tensors whose places are known and sound, whatever its format: read one by one, never the whole file.
import { InputError } from "../errors.ts";
import { isFloatDtype, toF32 } from "./float_formats.ts";

/** Where a tensor lies, in bytes from the start of the data, and what it holds. */
export interface TensorInfo {
  dtype: string;
  shape: number[];
  begin: number;
  end: number;
  /** Elements from one index to the next, per dimension; absent where they lie in row-major order. */
  strides?: number[];
}

/** One read call asks for at most this much, far below any limit of the system calls. */
const readBytes = 64 * 1024 * 1024;

export class TensorFile {
  #queue: Promise<unknown> = Promise.resolve();

  /** @param dataStart byte of the file that places are counted from */
  constructor(
    readonly path: string,
    readonly tensors: ReadonlyMap<string, TensorInfo>,
    private readonly file: Deno.FsFile,
    private readonly dataStart: number,
  ) {}

  /** The tensor's elements in row-major order, widened exactly from F32, F16 or BF16. */
  readF32(name: string): Promise<Float32Array<ArrayBuffer>> {
    // The file has one cursor, so reads take turns.
    const read = this.#queue.then(() => this.#read(name));
    this.#queue = read.catch(() => {});
    return read;
  }

  close(): void {
    this.file.close();
  }

  async #read(name: string): Promise<Float32Array<ArrayBuffer>> {
    const info = this.tensors.get(name);
    if (!info) {
      throw new InputError(`Cannot read ${this.path}: it has no tensor "${name}": use a checkpoint of this model`);
    }
    if (!isFloatDtype(info.dtype)) {
      throw new InputError(
        `Cannot read ${this.path} tensor "${name}": its dtype is ${info.dtype}, must be F32, F16 or BF16: convert the checkpoint`,
      );
    }
    const bytes = new Uint8Array(info.end - info.begin);
    await readFully(this.file, this.dataStart + info.begin, bytes, () => `${this.path} tensor "${name}"`);
    const values = toF32(bytes, info.dtype);
    return info.strides ? inRowMajorOrder(values, info.shape, info.strides) : values;
  }
}

/**
 * Opens a file for `read`, and closes it where that fails.
 *
 * @param kind what to name instead of a folder, for messages
 * @throws {InputError} if there is no such file
 */
export async function openChecked<Result>(
  path: string,
  kind: string,
  read: (file: Deno.FsFile, size: number) => Promise<Result>,
): Promise<Result> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new InputError(`Cannot open ${path}: there is no such file`);
    throw new InputError(`Cannot open ${path}: ${(error as Error).message}`);
  }
  try {
    const { size, isFile } = await file.stat();
    if (!isFile) throw new InputError(`Cannot open ${path}: it is no file: name ${kind}`);
    return await read(file, size);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Whether a value is a list of whole numbers from 0: a shape, offsets, strides. */
export function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** Fills `bytes` from `position` on. @throws {InputError} where the file ends before */
export async function readFully(
  file: Deno.FsFile,
  position: number,
  bytes: Uint8Array,
  where: () => string,
): Promise<void> {
  await file.seek(position, Deno.SeekMode.Start);
  let filled = 0;
  while (filled < bytes.length) {
    const count = await file.read(bytes.subarray(filled, filled + readBytes));
    if (count === null) {
      throw new InputError(`Cannot read ${where()}: the file ended early: it changed while being read, run again`);
    }
    filled += count;
  }
}

function inRowMajorOrder(values: Float32Array, shape: number[], strides: number[]): Float32Array<ArrayBuffer> {
  const result = new Float32Array(values.length), index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = values[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}
