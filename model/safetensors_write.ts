// Writes safetensors files, tensor by tensor, in the order given; the file appears only when it is whole.
import { ShapeError } from "../errors.ts";
import { writeAtomically, writeFully } from "./atomic_file.ts";
import { dtypeBits, type FloatDtype, fromF32 } from "./float_formats.ts";

/** A tensor to write; a function is asked for the data, whole or in pieces, only when its turn has come. */
export interface TensorSource {
  name: string;
  shape: readonly number[];
  data: Float32Array | (() => Promise<Float32Array> | AsyncIterable<Float32Array>);
}

export interface WriteOptions {
  /** Rounds to nearest, ties to even. @default {"F32"} */
  dtype?: FloatDtype;
  /** Strings for the header's `__metadata__`; transformers wants `format: "pt"`. */
  metadata?: Record<string, string>;
}

/** Streams `tensors` into `path`. @throws {ShapeError} if data and shape differ or a name comes twice */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorSource>,
  options: WriteOptions = {},
): Promise<void> {
  const dtype = options.dtype ?? "F32";
  const sources = [...tensors];
  const header = headerBytes(sources, dtype, options.metadata);
  await writeAtomically(path, async (file) => {
    await writeFully(file, header);
    for (const { name, shape, data } of sources) {
      let length = 0;
      const found = typeof data === "function" ? data() : data;
      for await (const values of Symbol.asyncIterator in found ? found : [found]) {
        await writeFully(file, fromF32(values, dtype));
        length += values.length;
      }
      if (length !== elementsOf(shape)) {
        throw new ShapeError(
          `Cannot write ${path} tensor "${name}": shape is [${shape.join(", ")}], data has ${length}`,
        );
      }
    }
  });
}

/** Header length, header, and spaces up to a multiple of 8, so that the data is aligned. */
function headerBytes(sources: TensorSource[], dtype: FloatDtype, metadata?: Record<string, string>): Uint8Array {
  const entries = new Map<string, unknown>();
  if (metadata) entries.set("__metadata__", metadata);
  let begin = 0;
  for (const { name, shape } of sources) {
    if (entries.has(name) || name === "__metadata__") {
      throw new ShapeError(
        `Cannot write tensor "${name}": the name is ${entries.has(name) ? "there twice" : "reserved"}`,
      );
    }
    const end = begin + elementsOf(shape) * dtypeBits.get(dtype)! / 8;
    entries.set(name, { dtype, shape, data_offsets: [begin, end] });
    begin = end;
  }
  // Joined by hand: an object literal would move integer-like names to the front and lose "__proto__".
  const json = `{${[...entries].map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(",")}}`;
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(text, 8);
  return bytes;
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
