// Twenty battles of a few tokens, planned into steps of four, each of two micro-batches; the outcome follows the tokens.
import type { PackedBatch } from "../../data/batch.ts";
import type { TrainingData, Validate } from "../../train/loop.ts";

const battles = 20, perStep = 4;

/** Battle `index`: `index % 5 + 1` tokens. */
function pack(indices: number[]): PackedBatch {
  const ids = indices.map((index) => Array.from({ length: index % 5 + 1 }, (_, t) => index * 3 + t * t));
  const lengths = ids.map((tokens) => tokens.length);
  const starts = [0];
  for (const length of lengths) starts.push(starts.at(-1)! + length);
  const tokens = starts.at(-1)!;
  return {
    tokens,
    segments: indices.length,
    battles: indices.length,
    inputIds: Uint32Array.from(ids.flat()),
    tokenTypeIds: new Uint32Array(tokens),
    positions: Uint32Array.from(lengths.flatMap((length) => Array.from({ length }, (_, t) => t))),
    starts: Uint32Array.from(starts),
    sides: Uint32Array.from(indices.flatMap((_, segment) => [segment, segment])),
    targets: Float32Array.from(indices.flatMap((index) => [0, 1, 2].map((c) => Number(c === index * 3 % 7 % 3)))),
    weights: new Float32Array(indices.length).fill(1),
    battleIndex: Uint32Array.from(indices),
    swapped: new Uint8Array(indices.length),
  };
}

/** Another order in each epoch, the same at each call. */
export const fakeData: TrainingData = {
  stepsPerEpoch: battles / perStep,
  planEpoch(epoch) {
    const order = Array.from({ length: battles }, (_, i) => (i * 7 + epoch * 3) % battles);
    return Array.from({ length: battles / perStep }, (_, step) => () => {
      const own = order.slice(step * perStep, (step + 1) * perStep);
      return [pack(own.slice(0, 1)), pack(own.slice(1))];
    });
  },
};

/** Log loss and accuracy on eight battles of their own. */
export const fakeValidate: Validate = async (predict) => {
  const batch = pack([100, 101, 102, 103, 104, 105, 106, 107]);
  const p = await predict(batch);
  let loss = 0, correct = 0;
  for (let b = 0; b < batch.battles; b++) {
    const row = [...p.subarray(b * 3, b * 3 + 3)];
    const label = batch.targets.subarray(b * 3, b * 3 + 3).indexOf(1);
    loss -= Math.log(row[label]);
    if (row.indexOf(Math.max(...row)) === label) correct++;
  }
  return { logLoss: loss / batch.battles, accuracy: correct / batch.battles };
};
