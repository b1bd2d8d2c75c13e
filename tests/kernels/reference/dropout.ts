// Dropout's mask as dropout.wgsl states it, by the integer arithmetic of kernels/dropout.ts.
import { hash32 } from "../../../kernels/dropout.ts";

/** 1 / (1 - rate) for each channel [rows, W] that survives, 0 for the others */
export function dropoutMask(keys: ArrayLike<number>, W: number, { rate, site }: { rate: number; site: number }) {
  const mask = new Float64Array(keys.length * W), golden = 0x9e3779b9;
  for (let row = 0; row < keys.length; row++) {
    const base = hash32(keys[row] + Math.imul(site, golden));
    for (let w = 0; w < W; w++) {
      const kept = hash32(base + Math.imul(w, golden)) >= Math.floor(rate * 2 ** 32);
      mask[row * W + w] = kept ? 1 / (1 - rate) : 0;
    }
  }
  return mask;
}
