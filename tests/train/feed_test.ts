// Predictions and plans through the loop's eyes, and the battles of a run, with hand-made tokens.
import assert from "node:assert/strict";
import type { PackedBatch } from "../../data/batch.ts";
import type { EncodedBattle } from "../../data/dataset.ts";
import type { Outcome } from "../../data/battle.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { UsageError } from "../../errors.ts";
import { scored, trainingData, validation } from "../../train/feed.ts";
import { builtIn, loadRunData } from "../../train/load_data.ts";
import { predictAll } from "../../train/predict.ts";

const capacity = { tokens: 24, segments: 8, battles: 4 };
const options = { capacity, batch: 4, seed: 1, shuffle: true, swapAugment: false, labelSmoothing: 0 };

/** Battle `index`: side A has tokens of `index`, side B of `index + 100`; 2 to 7 tokens a side. */
const battles = Array.from({ length: 11 }, (_, index): EncodedBattle => {
  const length = 2 + index * 5 % 6;
  const sequence = (side: "a" | "b", id: number) => ({
    side,
    inputIds: new Uint32Array(length).fill(id),
    tokenTypeIds: new Uint8Array(length),
    answerStarts: [1],
    wholeTokens: [length],
  });
  return {
    index,
    id: `battle-${index}`,
    row: index + 2,
    sequences: [sequence("a", index), sequence("b", index + 100)],
    tokens: 2 * length,
    segments: 2,
    label: (index % 3) as Outcome,
    truth: [0.5, 0.25, 0.25],
  };
});

/** Says of each battle which tokens its sides begin with. */
function echo(batch: PackedBatch): Promise<Float32Array> {
  assert.ok(
    batch.tokens <= capacity.tokens && batch.segments <= capacity.segments && batch.battles <= capacity.battles,
  );
  const first = (b: number, side: number) => batch.inputIds[batch.starts[batch.sides[b * 2 + side]]];
  return Promise.resolve(Float32Array.from({ length: batch.battles * 3 }, (_, i) => {
    const b = Math.floor(i / 3);
    return [first(b, 0), first(b, 1), 7][i % 3];
  }));
}

Deno.test("predictAll() gives rows in the order of the battles, whatever the packing", async () => {
  const seen: number[] = [];
  const p = await predictAll({ predict: echo, capacity }, battles, { onProgress: (done) => seen.push(done) });
  assert.deepEqual([...p], battles.flatMap((_, index) => [index, index + 100, 7]));
  assert.equal(seen.at(-1), battles.reduce((sum, { tokens }) => sum + tokens, 0));
});

Deno.test("predictAll() with swapAverage averages with the exchanged battle, its columns exchanged back", async () => {
  // The exchanged battle says (index + 100, index); exchanged back it agrees with the first pass.
  const p = await predictAll({ predict: echo, capacity }, battles, { swapAverage: true });
  assert.deepEqual([...p], battles.flatMap((_, index) => [index, index + 100, 7]));
  const biased = await predictAll(
    {
      predict: (b) => Promise.resolve(new Float32Array(b.battles * 3).map((_, i) => [0.6, 0.2, 0.2][i % 3])),
      capacity,
    },
    battles,
    {
      swapAverage: true,
    },
  );
  for (let i = 0; i < biased.length; i++) assert.ok(Math.abs(biased[i] - [0.4, 0.4, 0.2][i % 3]) < 1e-7);
});

Deno.test("predictAll() refuses a battle that no micro-batch holds", async () => {
  await assert.rejects(predictAll({ predict: echo, capacity: { ...capacity, tokens: 9 } }, battles), UsageError);
});

Deno.test("trainingData() plans every battle once in each epoch, the same at each call", () => {
  const data = trainingData(battles, options);
  assert.equal(data.stepsPerEpoch, 3);
  const order = (epoch: number) =>
    data.planEpoch(epoch).map((step) => step().map(({ battleIndex }) => [...battleIndex]));
  for (const epoch of [0, 1]) {
    assert.equal(order(epoch).length, 3);
    assert.deepEqual(order(epoch).flat(2).sort((a, b) => a - b), battles.map(({ index }) => index));
    assert.deepEqual(order(epoch), order(epoch));
  }
  assert.notDeepEqual(order(0), order(1));
});

Deno.test("trainingData() smooths labels, and without shuffling keeps the order of the file", () => {
  const data = trainingData(battles, { ...options, shuffle: false, labelSmoothing: 0.3 });
  const steps = data.planEpoch(5).map((step) => step());
  const members = (step: PackedBatch[]) => step.flatMap(({ battleIndex }) => [...battleIndex]).sort((a, b) => a - b);
  assert.deepEqual(steps.map(members), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]);
  const [{ targets, battleIndex }] = steps[0];
  assert.deepEqual(
    [...targets.subarray(0, 3)],
    [0, 1, 2].map((c) => Math.fround(c === battleIndex[0] % 3 ? 0.8 : 0.1)),
  );
});

Deno.test("validation() scores predictions against labels and truth", async () => {
  const predict = (batch: PackedBatch) => Promise.resolve(new Float32Array(batch.battles * 3).fill(1 / 3));
  const result = await validation(battles, capacity)(predict);
  assert.ok(Math.abs(result.logLoss - Math.log(3)) < 1e-6);
  assert.ok(Math.abs(result.expectedLogLoss! - Math.log(3)) < 1e-6);
  assert.equal(
    scored(battles.map(({ truth: _, ...battle }) => battle), new Float64Array(33).fill(1)).expectedLogLoss,
    undefined,
  );
});

const letters: Tokenizer = {
  encodeText: (text) => [...text].map((letter) => letter.codePointAt(0)! % 90 + 5),
  startIds: [1],
  clsId: 1,
  sepId: 2,
  padId: 0,
  vocabSize: 100,
};
const loading = { pairing: "siamese" as const, maxTokens: 64, validFraction: 0.25, seed: 3 };

Deno.test("loadRunData() without files draws the built-in sample, whose validation shares no prompt with training", async () => {
  const data = await loadRunData(letters, loading);
  assert.deepEqual([data.train.length, data.valid.length], [builtIn.train, builtIn.valid]);
  assert.match(data.trainRecord.source, /^built-in sample/);
  assert.equal((await loadRunData(letters, loading)).trainRecord.sha256, data.trainRecord.sha256);
  const texts = await data.texts();
  assert.deepEqual(texts.valid.map(({ id }) => id), data.valid.map(({ id }) => id));
});

Deno.test("loadRunData() holds out a share of the prompts of a file, none of them on both sides", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/train.csv`;
  const rows = Array.from({ length: 40 }, (_, i) => `${i},m,n,prompt ${i % 20},good,bad,${i % 2},${1 - i % 2},0`);
  const header = "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie";
  await Deno.writeTextFile(path, [header, ...rows].join("\n"));
  const data = await loadRunData(letters, { ...loading, data: path });
  assert.deepEqual([data.train.length, data.valid.length], [30, 10]);
  const texts = await data.texts();
  const prompts = (battles: { prompt: string[] }[]) => new Set(battles.map(({ prompt }) => prompt.join()));
  assert.equal(prompts(texts.train).intersection(prompts(texts.valid)).size, 0);
  assert.deepEqual(texts.train.map(({ id }) => id), data.train.map(({ id }) => id));
  assert.equal((await loadRunData(letters, { ...loading, data: path, validFraction: 0 })).valid.length, 0);
  const own = await loadRunData(letters, { ...loading, data: path, valid: path });
  assert.deepEqual([own.train.length, own.valid.length, own.validRecord!.sha256], [40, 40, own.trainRecord.sha256]);
  assert.deepEqual([data.sharedPrompts, own.sharedPrompts], [0, 40]);
  await Deno.remove(folder, { recursive: true });
});
