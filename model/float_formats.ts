// The element types of safetensors files: their sizes, and how F16 and BF16 become f32 and back.

/** Bits per element of every dtype of the format; sub-byte types must fill whole bytes. */
export const dtypeBits: ReadonlyMap<string, number> = new Map([
  ["BOOL", 8],
  ["U8", 8],
  ["I8", 8],
  ["F8_E5M2", 8],
  ["F8_E4M3", 8],
  ["F8_E8M0", 8],
  ["F8_E4M3FNUZ", 8],
  ["F8_E5M2FNUZ", 8],
  ["F6_E2M3", 6],
  ["F6_E3M2", 6],
  ["F4", 4],
  ["U16", 16],
  ["I16", 16],
  ["F16", 16],
  ["BF16", 16],
  ["U32", 32],
  ["I32", 32],
  ["F32", 32],
  ["U64", 64],
  ["I64", 64],
  ["F64", 64],
  ["C64", 64],
]);

/** The dtypes that can be read as f32 without loss, and written. */
export type FloatDtype = "F32" | "F16" | "BF16";

export function isFloatDtype(dtype: string): dtype is FloatDtype {
  return dtype === "F32" || dtype === "F16" || dtype === "BF16";
}

/** Exact widening of little-endian elements; F32 shares `bytes`' memory, so `bytes` must start at offset 0 of its buffer. */
export function toF32(bytes: Uint8Array<ArrayBuffer>, dtype: FloatDtype): Float32Array<ArrayBuffer> {
  if (dtype === "F32") return new Float32Array(bytes.buffer, 0, bytes.length / 4);
  if (dtype === "F16") return new Float32Array(new Float16Array(bytes.buffer, 0, bytes.length / 2));
  const halves = new Uint16Array(bytes.buffer, 0, bytes.length / 2);
  const words = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) words[i] = halves[i] << 16;
  return new Float32Array(words.buffer);
}

/** Little-endian bytes of `values`, rounded to nearest, ties to even; F32 shares the memory of `values`. */
export function fromF32(values: Float32Array, dtype: FloatDtype): Uint8Array {
  if (dtype === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (dtype === "F16") return new Uint8Array(new Float16Array(values).buffer);
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(words.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    const isNan = (word & 0x7fffffff) > 0x7f800000;
    // A NaN keeps its sign and becomes quiet: rounding could carry its payload into infinity.
    halves[i] = isNan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return new Uint8Array(halves.buffer);
}
