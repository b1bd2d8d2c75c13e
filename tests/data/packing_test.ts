// Plans: every battle once, within capacity, few micro-batches, the same on every machine; then the arrays of a batch.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Battle, Outcome } from "../../data/battle.ts";
import { encodeAll } from "../../data/dataset.ts";
import { packBatch } from "../../data/packed_batch.ts";
import { type Capacity, planEpoch, planPrediction } from "../../data/packing.ts";
import type { Pairing } from "../../data/template.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { UsageError } from "../../errors.ts";

const letters: Tokenizer = {
  encodeText: (text) => [...text].map((letter) => letter.codePointAt(0)!),
  startIds: [1],
  clsId: 1,
  sepId: 2,
  padId: 0,
  vocabSize: 200,
};

const sized = (tokens: number[], segments = 1) => tokens.map((count, at) => ({ tokens: count, segments, row: at + 2 }));
const roomy: Capacity = { tokens: 1000, segments: 1000, battles: 1000 };

const someBattles = fc.record({
  battles: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 80 }).map((tokens) => sized(tokens, 2)),
  capacity: fc.record({
    tokens: fc.integer({ min: 60, max: 200 }),
    segments: fc.integer({ min: 2, max: 20 }),
    battles: fc.integer({ min: 1, max: 12 }),
  }),
  batch: fc.integer({ min: 1, max: 20 }),
  seed: fc.nat(),
  epoch: fc.nat(5),
  shuffle: fc.boolean(),
  swapAugment: fc.boolean(),
});

Deno.test("planEpoch() takes each battle once, in steps of `batch`, within the capacity", () => {
  fc.assert(fc.property(someBattles, (options) => {
    const { battles, batch, capacity } = options;
    const steps = planEpoch(options);
    const all = steps.flat().flatMap((micro) => micro.battles);
    assert.deepEqual(all.toSorted((a, b) => a - b), [...battles.keys()]);
    assert.equal(steps.length, Math.ceil(battles.length / batch));
    for (const step of steps.slice(0, -1)) assert.equal(step.flatMap((micro) => micro.battles).length, batch);
    for (const micro of steps.flat()) {
      const tokens = micro.battles.reduce((sum, at) => sum + battles[at].tokens, 0);
      assert(tokens <= capacity.tokens && micro.battles.length <= capacity.battles);
      assert(micro.battles.length * 2 <= capacity.segments && micro.battles.length > 0);
      assert.equal(micro.swapped.length, micro.battles.length);
    }
    assert.deepEqual(planEpoch(options), steps, "the same options give the same plan");
  }));
});

Deno.test("planEpoch() keeps the file's order of steps when it does not shuffle", () => {
  const steps = planEpoch({
    battles: sized([5, 6, 7, 8, 9]),
    batch: 2,
    capacity: roomy,
    seed: 1,
    epoch: 0,
    shuffle: false,
  });
  assert.deepEqual(steps.map((step) => step.flatMap(({ battles }) => battles).toSorted()), [[0, 1], [2, 3], [4]]);
});

Deno.test("planEpoch() gives another order for another seed and another epoch", () => {
  const plan = (seed: number, epoch: number) =>
    JSON.stringify(planEpoch({ battles: sized(Array(50).fill(3)), batch: 8, capacity: roomy, seed, epoch }));
  assert.equal(new Set([plan(1, 0), plan(1, 1), plan(2, 0), plan(2, 1)]).size, 4);
});

Deno.test("planEpoch() exchanges A and B of half of the battles, others in each epoch, never without augmentation", () => {
  const battles = sized(Array(2000).fill(3));
  const swapped = (epoch: number, swapAugment: boolean) => {
    const found = new Array<boolean>(2000);
    for (const micro of planEpoch({ battles, batch: 16, capacity: roomy, seed: 5, epoch, swapAugment }).flat()) {
      micro.battles.forEach((battle, at) => found[battle] = micro.swapped[at]);
    }
    return found;
  };
  assert(!swapped(0, false).includes(true));
  const first = swapped(0, true), second = swapped(1, true);
  const share = (list: boolean[]) => list.filter(Boolean).length / 2000;
  // Half of the battles, give or take four deviations of 0.011; both epochs agree on half.
  assert(Math.abs(share(first) - 0.5) < 0.045 && Math.abs(share(second) - 0.5) < 0.045);
  assert(Math.abs(share(first.map((flag, at) => flag === second[at])) - 0.5) < 0.045);
});

Deno.test("planPrediction() takes each battle once and stays near the fewest micro-batches", () => {
  fc.assert(fc.property(someBattles, ({ battles, capacity }) => {
    const plan = planPrediction({ battles, capacity });
    assert.deepEqual(plan.flatMap((micro) => micro.battles).toSorted((a, b) => a - b), [...battles.keys()]);
    const tokens = battles.reduce((sum, battle) => sum + battle.tokens, 0);
    const perBatch = Math.min(capacity.battles, Math.floor(capacity.segments / 2));
    // All but one batch are more than half full, or hold as many battles as they may.
    const atMost = 2 * tokens / capacity.tokens + battles.length / perBatch + 1;
    assert(plan.length <= atMost, `${plan.length} of at most ${atMost}`);
  }));
  assert.deepEqual(
    planPrediction({ battles: sized([6, 4, 5, 5, 7, 3]), capacity: { ...roomy, tokens: 10 } }).map(({ battles }) =>
      battles
    ),
    [[4, 5], [0, 1], [2, 3]],
  );
});

Deno.test("planPrediction() and planEpoch() plan 60,000 battles without a quadratic search", () => {
  const battles = sized(Array.from({ length: 60_000 }, (_, i) => 100 + (i * 7919) % 900), 2);
  const started = performance.now();
  const plan = planPrediction({ battles, capacity: { tokens: 2048, segments: 64, battles: 32 } });
  planEpoch({ battles, batch: 16, capacity: { tokens: 2048, segments: 64, battles: 32 }, seed: 1, epoch: 0 });
  assert(performance.now() - started < 5000, "a quadratic search takes minutes");
  const tokens = battles.reduce((sum, battle) => sum + battle.tokens, 0);
  assert(plan.length < 1.05 * tokens / 2048, `${plan.length} micro-batches`);
});

Deno.test("planEpoch() refuses a battle longer than a micro-batch, naming its row and the flag", () => {
  const options = { battles: sized([10, 30]), batch: 2, seed: 1, epoch: 0 };
  assert.throws(
    () => planEpoch({ ...options, capacity: { ...roomy, tokens: 29 } }),
    (error) =>
      error instanceof UsageError && error.message ===
        "Cannot pack the battle of row 3: its 30 tokens are more than the 29 of a micro-batch: raise --batch-tokens or lower --max-tokens",
  );
  assert.throws(() => planPrediction({ battles: sized([5], 2), capacity: { ...roomy, segments: 1 } }), UsageError);
});

const battle = (prompt: string, a: string, b: string, label?: Outcome): Battle => ({
  id: prompt,
  row: 2,
  prompt: [prompt],
  responseA: [a],
  responseB: [b],
  ...(label !== undefined && { label }),
});

const encode = (battles: Battle[], pairing: Pairing, maxTokens = 40) =>
  encodeAll(battles, letters, { pairing, maxTokens });

Deno.test("packBatch() lays siamese battles end to end, side A first", async () => {
  const battles = await encode([battle("p", "aa", "b", 0), battle("q", "c", "", 2), battle("r", "d", "e")], "siamese");
  const batch = packBatch(battles, { battles: [2, 0], swapped: [false, false] });
  assert.deepEqual([batch.tokens, batch.segments, batch.battles], [21, 4, 2]);
  assert.deepEqual(
    String.fromCodePoint(...batch.inputIds).replaceAll("\x01", "<").replaceAll("\x02", "|"),
    "<r|d|<r|e|<p|aa|<p|b|",
  );
  assert.deepEqual([...batch.starts], [0, 5, 10, 16, 21]);
  assert.deepEqual([...batch.positions.subarray(8)], [3, 4, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4]);
  assert.deepEqual([...batch.tokenTypeIds.subarray(10)], [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1]);
  assert.deepEqual([...batch.sides], [0, 1, 2, 3]);
  assert.deepEqual([...batch.battleIndex], [2, 0]);
  assert.deepEqual([...batch.targets], [0, 0, 0, 1, 0, 0]);
  assert.deepEqual([...batch.weights], [0, 1], "a battle without a label weighs nothing");
});

Deno.test("packBatch() exchanges A and B, their targets, and keeps ties", async () => {
  const battles = await encode([battle("p", "aa", "b", 0), battle("q", "c", "dd", 2)], "siamese");
  const batch = packBatch(battles, { battles: [0, 1], swapped: [true, true] });
  assert.equal(
    String.fromCodePoint(...batch.inputIds).replaceAll("\x01", "<").replaceAll("\x02", "|"),
    "<p|b|<p|aa|<q|dd|<q|c|",
  );
  assert.deepEqual([...batch.targets], [0, 1, 0, 0, 0, 1]);
  assert.deepEqual([...batch.swapped], [1, 1]);
  assert.deepEqual(battles[0].sequences.map(({ side }) => side), ["a", "b"], "the encoded battle stays as it was");
});

Deno.test("packBatch() smooths targets as target * (1 - e) + e / 3", async () => {
  const battles = await encode([battle("p", "a", "b", 1)], "joint");
  const { targets, sides } = packBatch(battles, { battles: [0], swapped: [false] }, { labelSmoothing: 0.3 });
  assert.deepEqual([...targets], [0.1, 0.8, 0.1].map(Math.fround));
  assert.deepEqual([...sides], [0, 0]);
});

Deno.test("packBatch() exchanged equals the exchanged battle packed, cut or not, both pairings", async () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "d"), maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(text, text, text, fc.integer({ min: 7, max: 60 }), async (prompt, a, b, maxTokens) => {
      for (const pairing of ["joint", "siamese"] as const) {
        const [whole, exchanged] = await encode([battle(prompt, a, b, 0), battle(prompt, b, a, 1)], pairing, maxTokens);
        const one = packBatch([whole], { battles: [0], swapped: [true] });
        const other = packBatch([exchanged], { battles: [0], swapped: [false] });
        assert.deepEqual({ ...one, swapped: 0 }, { ...other, swapped: 0 });
        const twice = packBatch([{ ...whole, sequences: exchanged.sequences }], { battles: [0], swapped: [true] });
        assert.deepEqual(twice.inputIds, packBatch([whole], { battles: [0], swapped: [false] }).inputIds);
      }
    }),
  );
});
