// Folds: no prompt on two sides, outcomes in equal shares, the same whatever the order of the rows.
import assert from "node:assert/strict";
import type { Outcome } from "../../data/battle.ts";
import { Random } from "../../data/random.ts";
import { splitByFold, stratifiedFolds } from "../../data/stratified_folds.ts";
import { InputError } from "../../errors.ts";

function invent(battles: number, prompts: number, seed: number): { keys: string[]; labels: Outcome[] } {
  const random = new Random(seed);
  const keys = Array.from({ length: battles }, () => `prompt ${Math.floor(random.uniform() ** 3 * prompts)}`);
  const labels = keys.map((): Outcome => {
    const coin = random.uniform();
    return coin < 0.5 ? 0 : coin < 0.9 ? 1 : 2;
  });
  return { keys, labels };
}

Deno.test("stratifiedFolds() keeps prompts whole, sizes equal and outcomes in their shares", () => {
  const { keys, labels } = invent(1000, 400, 1);
  const folds = stratifiedFolds(keys, labels, { folds: 5, seed: 7 });
  const foldOf = new Map<string, number>();
  for (const [place, key] of keys.entries()) {
    assert.equal(folds[place], foldOf.get(key) ?? folds[place]);
    foldOf.set(key, folds[place]);
  }
  for (let fold = 0; fold < 5; fold++) {
    const { train, valid } = splitByFold(folds, fold);
    assert.equal(train.length + valid.length, 1000);
    assert.ok(Math.abs(valid.length - 200) <= 2, `${valid.length} battles`);
    for (const outcome of [0, 1, 2]) {
      const [here, all] = [valid, [...keys.keys()]].map((places) =>
        places.filter((place) => labels[place] === outcome).length / places.length
      );
      // A prompt of 130 battles is dealt whole, with whatever ties it has: 2 or 3 battles too many.
      assert.ok(Math.abs(here - all) < 0.015, `outcome ${outcome} of fold ${fold}: ${here} of ${all}`);
    }
  }
});

Deno.test("stratifiedFolds() depends on seed and battles, not on the order of the rows", () => {
  const { keys, labels } = invent(200, 90, 2);
  const folds = [...stratifiedFolds(keys, labels, { folds: 4, seed: 1 })];
  const reversed = [...stratifiedFolds(keys.toReversed(), labels.toReversed(), { folds: 4, seed: 1 })];
  assert.deepEqual(reversed.toReversed(), folds);
  assert.notDeepEqual([...stratifiedFolds(keys, labels, { folds: 4, seed: 2 })], folds);
});

Deno.test("stratifiedFolds() copes with one huge prompt and a missing outcome, and refuses too few prompts", () => {
  const keys = [...Array(50).fill("one"), "two", "three"], labels = keys.map((): Outcome => 0);
  const folds = stratifiedFolds(keys, labels, { folds: 3, seed: 1 });
  assert.equal(new Set(folds).size, 3);
  assert.throws(() => stratifiedFolds(keys, labels, { folds: 4, seed: 1 }), InputError);
});
