// Target probabilities and weights, from the CSV file to the arrays of a batch.
import assert from "node:assert/strict";
import { readBattles, type ReadOptions } from "../../data/battles.ts";
import { packBatch } from "../../data/packed_batch.ts";
import { builtIn, loadRunData } from "../../train/load_data.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import type { Battle } from "../../data/battle.ts";

const header =
  "id,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie,target_a,target_b,target_tie,weight";

async function inFiles(
  files: Record<string, string[]>,
  test: (path: (name: string) => string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, rows] of Object.entries(files)) {
      Deno.writeTextFileSync(`${folder}/${name}`, [header, ...rows].join("\n") + "\n");
    }
    await test((name) => `${folder}/${name}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const read = (rows: string[], options: ReadOptions): Promise<Battle[]> => {
  let battles: Battle[] = [];
  return inFiles({ "a.csv": rows }, async (path) => {
    battles = await Array.fromAsync(readBattles(path("a.csv"), options));
  }).then(() => battles);
};

Deno.test("readBattles() reads target probabilities and weights, and refuses rows that have nothing to learn", async () => {
  const [soft, both, hard] = await read(
    ["1,p,x,y,,,,0.2,0.3,0.5,2", "2,p,x,y,1,0,0,0.333,0.333,0.333,", "3,p,x,y,0,0,1,,,,0.5"],
    { requireTargets: true },
  );
  assert.deepEqual([soft.target, soft.weight, soft.label], [[0.2, 0.3, 0.5], 2, undefined]);
  assert.deepEqual([both.weight, both.label], [undefined, 0]);
  for (const p of both.target!) assert.ok(Math.abs(p - 1 / 3) < 1e-15);
  assert.deepEqual([hard.target, hard.weight, hard.label], [undefined, 0.5, 2]);
  const wrong: [string, RegExp][] = [
    ["1,p,x,y,,,,,,,", /row 2: it has no outcome and no target_a, target_b, target_tie/],
    ["1,p,x,y,,,,0.5,0.4,0.05,", /row 2: target_a, target_b, target_tie are .* must be probabilities that add up to 1/],
    ["1,p,x,y,,,,0.5,,0.5,", /must be probabilities/],
    ["1,p,x,y,1,0,0,,,,0", /row 2: weight is 0, must be a number above 0/],
    ["1,p,x,y,1,0,0,,,,x", /weight is x/],
  ];
  for (const [row, message] of wrong) await assert.rejects(read([row], { requireTargets: true }), message);
});

const letters: Tokenizer = {
  encodeText: (text) => [...text].map((letter) => letter.codePointAt(0)! % 90 + 5),
  startIds: [1],
  clsId: 1,
  sepId: 2,
  padId: 0,
  vocabSize: 100,
};
const loading = { pairing: "siamese" as const, maxTokens: 64, seed: 3, validFraction: 0 };

Deno.test("loadRunData() adds extra battles with their weight and temperature, but none that validation holds", () =>
  inFiles({
    "train.csv": ["1,apple trees,x,y,1,0,0,,,,", "2,old bridges,x,y,0,1,0,0.1,0.2,0.7,3"],
    "valid.csv": ["1,what is the capital of france,x,y,1,0,0,0.2,0.3,0.5,"],
    "extra.csv": [
      "1,What is the capital of France?,x,y,,,,0.1,0.8,0.1,",
      "2,new boats,x,y,,,,0.04,0.64,0.32,4",
      "3,grey stones,x,y,0,0,1,,,,",
    ],
  }, async (path) => {
    const files = { data: path("train.csv"), valid: path("valid.csv"), extraData: path("extra.csv") };
    const options = { ...loading, ...files, extraWeight: 0.25, targetTemperature: 2 };
    const { train, extraLeftOut, extraRecord, texts } = await loadRunData(letters, options);
    assert.deepEqual([extraLeftOut, extraRecord!.battles], [1, 3]);
    assert.deepEqual(train.map(({ weight }) => weight), [undefined, 3, 1, 0.25]);
    assert.deepEqual(train.map(({ index }) => index), [0, 1, 2, 3]);
    const roots = [0.04, 0.64, 0.32].map(Math.sqrt), sum = roots[0] + roots[1] + roots[2];
    train[2].target!.forEach((p, c) => assert.ok(Math.abs(p - roots[c] / sum) < 1e-12));
    assert.equal((await texts()).train.length, 2);

    // Targets change places with A and B; smoothing comes last.
    const batch = packBatch(train, { battles: [0, 1, 2], swapped: [false, false, true] }, { labelSmoothing: 0.3 });
    const smooth = (p: number) => Math.fround(p * 0.7 + 0.1);
    const expected = [[1, 0, 0], train[1].target!, [1, 0, 2].map((c) => train[2].target![c])];
    assert.deepEqual([...batch.targets], expected.flat().map(smooth));
    assert.deepEqual([...batch.weights], [1, 3, 1]);
  }));

Deno.test("loadRunData() takes extra battles beside the built-in sample", () =>
  inFiles({ "extra.csv": ["1,a question of its own kind,x,y,,,,0.1,0.8,0.1,"] }, async (path) => {
    const { train } = await loadRunData(letters, { ...loading, extraData: path("extra.csv") });
    assert.equal(train.length, builtIn.train + 1);
  }));
