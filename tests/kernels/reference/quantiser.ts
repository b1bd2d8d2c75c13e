// What the codes of kernels/quantiser.ts stand for.
import { BLOCK, dynamicMap, type Int8, type Nf4, nf4Values, SUPERBLOCK } from "../../../kernels/quantiser.ts";

/** The values that the codes stand for, in f32 step by step as bitsandbytes. */
export function dequantiseNf4({ codes, magnitudes, scales, offset }: Nf4): Float32Array<ArrayBuffer> {
  return Float32Array.from(codes, (code, i) => {
    const block = Math.floor(i / BLOCK), scale = scales[Math.floor(block / SUPERBLOCK)];
    return nf4Values[code] * Math.fround(Math.fround(dynamicMap[magnitudes[block]] * scale) + offset);
  });
}

export function dequantiseInt8({ codes, scales }: Int8): Float32Array<ArrayBuffer> {
  return Float32Array.from(codes, (code, i) => code * scales[Math.floor(i / BLOCK)]);
}
