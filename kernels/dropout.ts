// Dropout on the CPU's side: the key of each token, and a rate as the kernels take it. The masks are made in dropout.wgsl.
import { type Tensor } from "../gpu/tensor.ts";

/** Where and how strongly to drop; absent while predicting. */
export interface Dropout {
  /** Probability of dropping a channel, 0 < rate < 1. */
  rate: number;
  /** [T] u32, one key per token; see `tokenKey`. */
  tokenKeys: Tensor;
  /** Number of this site in the model: two sites of one token drop different channels. */
  site: number;
}

/** One round of "lowbias32", as `hash1` in dropout.wgsl. */
export function hash32(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The part of a token's key that all tokens of one side of one battle share. */
export function sideKey(at: { seed: number; step: number; battle: number; side: number }): number {
  return [at.seed, at.step, at.battle, at.side].reduce((key, part) => hash32(key + Math.imul(part + 1, 0x9e3779b9)), 0);
}

/** The key of the token at `position` of its sequence. */
export function tokenKey(sideKey: number, position: number): number {
  return hash32(sideKey + Math.imul(position + 1, 0x85ebca6b));
}

/** `dropout` where it drops something. */
export function activeDropout(dropout: Dropout | undefined): Dropout | undefined {
  return dropout && dropout.rate > 0 ? dropout : undefined;
}

/** The fields `dropout4` takes: channels whose hash lies below the threshold are dropped. */
export function dropoutFields(
  dropout: Dropout | undefined,
): { dropThreshold: number; dropScale: number; site: number } {
  if (!dropout || dropout.rate === 0) return { dropThreshold: 0, dropScale: 1, site: 0 };
  const { rate, site } = dropout;
  return { dropThreshold: Math.floor(rate * 2 ** 32), dropScale: 1 / (1 - rate), site };
}
