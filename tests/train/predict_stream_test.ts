// Predictions of a stream: the same as of a whole data set, wherever it is cut, and the same parts of a run as training cut.
import assert from "node:assert/strict";
import type { PackedBatch } from "../../data/batch.ts";
import type { Battle, BattleSource, Outcome } from "../../data/battle.ts";
import { encodeAll } from "../../data/dataset.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { loadRunData, readRunParts } from "../../train/load_data.ts";
import { predictAll } from "../../train/predict.ts";
import { predictStream } from "../../train/predict_stream.ts";
import { inFolder } from "../cli/command_line.ts";

const letters: Tokenizer = {
  encodeText: (text) => [...text].map((letter) => letter.codePointAt(0)! % 90 + 5),
  startIds: [1],
  clsId: 1,
  sepId: 2,
  padId: 0,
  vocabSize: 100,
};
const capacity = { tokens: 60, segments: 8, battles: 4 };
const encoding = { pairing: "siamese" as const, maxTokens: 24 };

const battles = Array.from({ length: 11 }, (_, at): Battle => ({
  id: String(at),
  row: at + 2,
  prompt: [`prompt ${at % 4}`],
  responseA: ["a".repeat(1 + at * 5 % 9)],
  responseB: ["b".repeat(1 + at * 3 % 7)],
  label: (at % 3) as Outcome,
}));

/** Probabilities that depend on the texts and, a little, on the order of the answers. */
function predict(batch: PackedBatch): Promise<Float32Array> {
  const tokens = (b: number, side: number) => {
    const segment = batch.sides[b * 2 + side];
    return batch.starts[segment + 1] - batch.starts[segment];
  };
  const rows = Array.from({ length: batch.battles }, (_, b) => {
    const [a, other] = [tokens(b, 0), tokens(b, 1)], sum = a + other + 3;
    return [(a + 1) / sum, (other + 0.5) / sum, 1.5 / sum];
  });
  return Promise.resolve(Float32Array.from(rows.flat()));
}

// deno-lint-ignore no-explicit-any -- the engine's other half takes no part
const trained = { engine: { predict, capacity } as any, tokenizer: letters, encoding };

Deno.test("predictStream() gives what predictAll() gives, wherever the stream is cut", async () => {
  const encoded = await encodeAll(battles, letters, encoding);
  for (const swapAverage of [false, true]) {
    const wanted = await predictAll(trained.engine, encoded, { swapAverage });
    for (const together of [1, 4, 11, 100]) {
      const seen: number[] = [];
      const onProgress = (done: number) => seen.push(done);
      const found = await predictStream(trained, () => battles, { swapAverage, together, onProgress });
      assert.deepEqual(found.probabilities, wanted, `${together} together`);
      assert.equal(seen.at(-1), battles.length);
    }
  }
});

Deno.test("predictStream() predicts chosen battles both ways, or all with swapAverage", async () => {
  const { bothWays, probabilities } = await predictStream(trained, () => battles, {
    exchange: (place) => place % 5 === 1,
    together: 4,
  });
  assert.deepEqual(bothWays.places, [1, 6]);
  assert.deepEqual([...bothWays.asGiven.subarray(3, 6)], [...probabilities.subarray(18, 21)]);
  // B stands first: it gets the 1 of the first place, and its column is B's again.
  const all = await predictStream(trained, () => battles, { swapAverage: true, together: 4 });
  assert.deepEqual(all.bothWays.places, [...battles.keys()]);
  const at = 6 * 3, { asGiven, exchanged } = all.bothWays;
  assert.ok(asGiven[at] > exchanged[at] && asGiven[at + 1] < exchanged[at + 1]);
  assert.deepEqual([...bothWays.exchanged.subarray(3, 6)], [...exchanged.subarray(at, at + 3)]);
  assert.equal(all.probabilities[at], (asGiven[at] + exchanged[at]) / 2);
});

const idsOf = async (source: BattleSource) => await Array.fromAsync(source(), ({ id }) => id);

Deno.test("readRunParts() cuts battles as loadRunData() does", () =>
  inFolder(async (folder) => {
    const header = "id,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie";
    const write = (name: string, from: number, count: number) => {
      const rows = Array.from({ length: count }, (_, at) => {
        const number = from + at, outcome = number * 7 % 3;
        return `${number},question ${number % 20},good,bad,${[0, 1, 2].map((one) => Number(one === outcome)).join()}`;
      });
      Deno.writeTextFileSync(`${folder}/${name}`, [header, ...rows].join("\n") + "\n");
    };
    write("train.csv", 0, 60);
    write("valid.csv", 100, 9);
    const data = `${folder}/train.csv`, common = { validFraction: 0.25, seed: 3 };
    const cases = [
      { data, ...common },
      { data, ...common, validFraction: 0 },
      { data, ...common, folds: 4, fold: 2 },
      { data, ...common, valid: `${folder}/valid.csv` },
      common,
    ];
    for (const options of cases) {
      const wanted = await loadRunData(letters, { ...options, ...encoding }), why = JSON.stringify(options);
      const { train, valid, trainRecord, validRecord } = await readRunParts(options);
      assert.deepEqual(await idsOf(train), wanted.train.map(({ id }) => id), why);
      assert.deepEqual(valid ? await idsOf(valid) : [], wanted.valid.map(({ id }) => id), why);
      assert.deepEqual(trainRecord, wanted.trainRecord, why);
      assert.equal(validRecord.sha256, (wanted.validRecord ?? wanted.trainRecord).sha256, why);
    }
  }));
