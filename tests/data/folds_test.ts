// Validation splits: a prompt never stands on both sides, and the order of the rows does not matter.
import assert from "node:assert/strict";
import fc from "fast-check";
import { promptKey, splitByKey, splitByPrompt } from "../../data/folds.ts";
import { InputError, UsageError } from "../../errors.ts";

const prompts = (...texts: string[]) => texts.map((text) => ({ prompt: [text] }));

Deno.test("splitByPrompt() never puts a prompt on both sides, and never leaves one empty", () => {
  const keys = fc.array(fc.nat(12).map((n) => `prompt ${n}`), { minLength: 2, maxLength: 60 });
  fc.assert(fc.property(keys, fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.nat(), (texts, fraction, seed) => {
    const different = new Set(texts).size;
    fc.pre(different > 1);
    const { train, valid } = splitByPrompt(prompts(...texts), fraction, seed);
    assert.deepEqual([...train, ...valid].toSorted((a, b) => a - b), [...texts.keys()]);
    const trained = new Set(train.map((at) => texts[at])), held = new Set(valid.map((at) => texts[at]));
    assert(trained.isDisjointFrom(held) && trained.size > 0 && held.size > 0);
    const wanted = Math.min(Math.max(Math.round(fraction * different), 1), different - 1);
    assert.equal(held.size, wanted);
  }));
});

Deno.test("splitByPrompt() holds out the same prompts whatever the order of the rows, others under another seed", () => {
  const texts = Array.from({ length: 100 }, (_, i) => `prompt ${i}`);
  const held = (list: string[], seed: number) => splitByKey(list, 0.2, seed).valid.map((at) => list[at]).toSorted();
  assert.deepEqual(held(texts, 1), held(texts.toReversed(), 1));
  assert.notDeepEqual(held(texts, 1), held(texts, 2));
});

Deno.test("promptKey() sees through case, white space and forms of characters, not through words", () => {
  assert.equal(promptKey(["  What is\n\tthe TIME?  "]), promptKey(["what is the time?"]));
  assert.equal(promptKey(["ﬁne Ｃafé"]), promptKey(["fine cafe\u0301"]));
  assert.equal(promptKey(["a", "b"]), promptKey(["a\nb"]));
  assert.notEqual(promptKey(["a b"]), promptKey(["ab"]));
});

Deno.test("splitByPrompt() refuses one prompt alone, and shares that leave a side empty", () => {
  assert.throws(
    () => splitByPrompt(prompts("Hi", "hi "), 0.5, 1),
    (error) =>
      error instanceof InputError && error.message ===
        "Cannot hold out prompts for validation: 2 battles share 1 prompt: give --valid a file, or add --valid-fraction 0",
  );
  for (const fraction of [0, 1, -1, NaN]) {
    assert.throws(() => splitByPrompt(prompts("a", "b"), fraction, 1), UsageError);
  }
});
