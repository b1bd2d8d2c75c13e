// One micro-batch of a plan -> the arrays that the kernels read.
import type { PackedBatch } from "./batch.ts";
import { type EncodedBattle, exchangeSides } from "./dataset.ts";
import { exchangeNumbers } from "./numbers.ts";
import type { MicroBatch } from "./packing.ts";

/** Of A wins, B wins, tie: where each goes when A and B change places. */
const exchanged = [1, 0, 2];

/** Lays the sequences of a micro-batch end to end, side A of each battle first.
 *  Battles without a label or a target have targets 0 and weight 0: they are predicted, never learned from.
 *  @param battles the list that was planned
 *  @param options `labelSmoothing` e makes targets t(1 - e) + e/3 */
export function packBatch(
  battles: readonly EncodedBattle[],
  microBatch: MicroBatch,
  { labelSmoothing = 0 }: { labelSmoothing?: number } = {},
): PackedBatch {
  const B = microBatch.battles.length;
  const laid = microBatch.battles.map((index, at) =>
    microBatch.swapped[at] ? exchangeSides(battles[index].sequences) : battles[index].sequences
  );
  const sequences = laid.flat();
  const T = sequences.reduce((sum, { inputIds }) => sum + inputIds.length, 0), S = sequences.length;
  const batch: PackedBatch = {
    tokens: T,
    segments: S,
    battles: B,
    inputIds: new Uint32Array(T),
    tokenTypeIds: new Uint32Array(T),
    positions: new Uint32Array(T),
    starts: new Uint32Array(S + 1),
    sides: new Uint32Array(B * 2),
    targets: new Float32Array(B * 3),
    weights: new Float32Array(B),
    battleIndex: Uint32Array.from(microBatch.battles),
    swapped: Uint8Array.from(microBatch.swapped, Number),
  };
  const numbers = microBatch.battles.flatMap((index, at) => {
    const own = battles[index].numbers;
    return own ? [microBatch.swapped[at] ? exchangeNumbers(own) : own] : [];
  });
  if (numbers.length > 0) batch.numbers = numbers;
  const pooled = sequences.flatMap((sequence) => sequence.pooled ?? []);
  if (S > 0 && pooled.length === S) batch.pooled = pooled;
  let token = 0;
  for (const [segment, { inputIds, tokenTypeIds }] of sequences.entries()) {
    batch.starts[segment] = token;
    batch.inputIds.set(inputIds, token);
    batch.tokenTypeIds.set(tokenTypeIds, token);
    for (let position = 0; position < inputIds.length; position++) batch.positions[token++] = position;
  }
  batch.starts[S] = token;
  let segment = 0;
  for (const [at, index] of microBatch.battles.entries()) {
    batch.sides.set([segment, segment + laid[at].length - 1], at * 2);
    segment += laid[at].length;
    const { label, target, weight = 1 } = battles[index];
    if (label === undefined && target === undefined) continue;
    for (let outcome = 0; outcome < 3; outcome++) {
      const share = target ? target[outcome] : Number(outcome === label);
      const column = microBatch.swapped[at] ? exchanged[outcome] : outcome;
      batch.targets[at * 3 + column] = share * (1 - labelSmoothing) + labelSmoothing / 3;
    }
    batch.weights[at] = weight;
  }
  return batch;
}
