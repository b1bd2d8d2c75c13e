// Templates against Hugging Face's pair encoding, and cutting: every part represented, never a token too many.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { Battle } from "../../data/battle.ts";
import { bertTemplate, decoderTemplate, encodeBattle, type Pairing, robertaTemplate } from "../../data/template.ts";
import { loadTokenizer, type Tokenizer } from "../../data/tokenizer.ts";
import { keepHeadAndTail, shareBudget } from "../../data/truncation.ts";
import { InputError, UsageError } from "../../errors.ts";
import { root } from "../imports.ts";

/** Each character is a token, ids from 10 on. */
const letters: Tokenizer = {
  encodeText: (text) => [...text].map((letter) => 10 + letter.codePointAt(0)!),
  startIds: [1],
  clsId: 1,
  sepId: 2,
  padId: 0,
  vocabSize: 200,
};

const battle = (prompt: string, a: string, b: string): Battle => ({
  id: "1",
  row: 2,
  prompt: [prompt],
  responseA: [a],
  responseB: [b],
});

/** Sequences as text: < for CLS, | for SEP. */
function spell(ids: Iterable<number>): string {
  return [...ids].map((id) => id === 1 ? "<" : id === 2 ? "|" : String.fromCodePoint(id - 10)).join("");
}

function encode(of: Battle, pairing: Pairing, maxTokens = 100) {
  return encodeBattle(letters, of, { pairing, maxTokens });
}

Deno.test("encodeBattle() lays prompt, A and B with types 0, 0, 1 when joint", () => {
  const [{ side, inputIds, tokenTypeIds, answerStarts }, ...others] = encode(battle("pp", "a", "bbb"), "joint");
  assert.equal(others.length, 0);
  assert.equal(side, "ab");
  assert.equal(spell(inputIds), "<pp|a|bbb|");
  assert.deepEqual([...tokenTypeIds], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
  assert.deepEqual(answerStarts, [4, 6]);
});

Deno.test("encodeBattle() lays prompt and response with types 0 and 1, A then B, when siamese", () => {
  const sequences = encode(battle("pp", "a", ""), "siamese");
  assert.deepEqual(sequences.map(({ side }) => side), ["a", "b"]);
  assert.deepEqual(sequences.map(({ inputIds }) => spell(inputIds)), ["<pp|a|", "<pp||"]);
  assert.deepEqual(sequences.map(({ tokenTypeIds }) => [...tokenTypeIds]), [[0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]);
});

Deno.test("encodeBattle() joins turns by a line end", () => {
  const turns = { ...battle("", "", ""), prompt: ["p", "q"], responseA: ["a", "", "c"], responseB: [] };
  assert.deepEqual(encode(turns, "siamese").map(({ inputIds }) => spell(inputIds)), ["<p\nq|a\n\nc|", "<p\nq||"]);
});

const pairForms = [
  { name: "BERT", folder: "", template: bertTemplate },
  { name: "RoBERTa", folder: "roberta", template: robertaTemplate },
  { name: "ModernBERT", folder: "modernbert", template: bertTemplate },
];

for (const { name, folder, template } of pairForms) {
  Deno.test(`encodeBattle() gives Hugging Face's ids and types for a prompt and a response, as in ${name}`, async () => {
    const path = join(root, "tests/goldens/tokenizer", folder);
    const { pairs } = JSON.parse(readFileSync(join(path, "golden.json"), "utf8"));
    const tokenizer = await loadTokenizer(path);
    assert(pairs.length >= 6);
    for (const { prompt, response, input_ids, token_type_ids } of pairs) {
      const [, b] = encodeBattle(tokenizer, { id: "", row: 2, prompt, responseA: ["x"], responseB: response }, {
        pairing: "siamese",
        maxTokens: 64,
        template,
      });
      assert.deepEqual([...b.inputIds], input_ids);
      assert.deepEqual([...b.tokenTypeIds], token_type_ids);
    }
  });
}

Deno.test("robertaTemplate puts two marks between parts, counts them, and has one type", () => {
  const lay = (pairing: Pairing, maxTokens = 100) =>
    encodeBattle(letters, battle("pp", "a", "bbb"), { pairing, maxTokens, template: robertaTemplate });
  const [{ inputIds, tokenTypeIds, answerStarts }] = lay("joint");
  assert.equal(spell(inputIds), "<pp||a||bbb|");
  assert.deepEqual([...tokenTypeIds], new Array(12).fill(0));
  assert.deepEqual(answerStarts, [5, 8]);
  assert.deepEqual(lay("siamese").map(({ inputIds }) => spell(inputIds)), ["<pp||a|", "<pp||bbb|"]);
  assert.equal(spell(lay("joint", 9)[0].inputIds), "<p||a||b|");
  assert.throws(() => lay("joint", 8), /joint sequences need 9 or more/);
});

Deno.test("encodeBattle() refuses a tokenizer without marks where the template needs them", () => {
  const { clsId: _, ...unmarked } = letters;
  assert.throws(
    () => encodeBattle(unmarked, battle("p", "a", "b"), { pairing: "joint", maxTokens: 9, template: robertaTemplate }),
    (error) => error instanceof InputError && /^Cannot lay out the form "roberta": the tokenizer/.test(error.message),
  );
});

Deno.test("encodeBattle() cuts the middle of the longest parts and keeps heads and tails", () => {
  const long = battle("0123456789", "abcdefghij", "xyz");
  // 17 tokens less 4 marks are 13: the short answer keeps 3, the others 5 each.
  assert.equal(spell(encode(long, "joint", 17)[0].inputIds), "<01289|abcij|xyz|");
  assert.deepEqual(encode(long, "siamese", 10).map(({ inputIds }) => spell(inputIds)), ["<019|abij|", "<0189|xyz|"]);
  assert.equal(spell(encode(long, "joint", 27)[0].inputIds), "<0123456789|abcdefghij|xyz|", "what fits is left alone");
});

Deno.test("encodeBattle() refuses a budget with less than a token for each part", () => {
  assert.throws(
    () => encode(battle("p", "a", "b"), "joint", 6),
    (error) =>
      error instanceof UsageError &&
      error.message === "Cannot use --max-tokens 6: joint sequences need 7 or more: raise it",
  );
  assert.throws(() => encode(battle("p", "a", "b"), "siamese", 4), /siamese sequences need 5 or more/);
  assert.equal(spell(encode(battle("ppp", "aaa", "bbb"), "joint", 7)[0].inputIds), "<p|a|b|");
});

Deno.test("encodeBattle() never gives more than maxTokens, keeps each part, and cuts A and B alike", () => {
  const text = fc.nat(40).map((length) => "x".repeat(length));
  fc.assert(
    fc.property(text, text, text, fc.integer({ min: 7, max: 140 }), (prompt, a, b, maxTokens) => {
      const whole = battle(prompt, a, b), exchanged = battle(prompt, b, a);
      for (const pairing of ["joint", "siamese"] as const) {
        const lengths = (of: Battle) =>
          encode(of, pairing, maxTokens).map(({ inputIds }) => {
            assert(inputIds.length <= maxTokens);
            return spell(inputIds).slice(1, -1).split("|").map((part) => part.length);
          });
        const found = lengths(whole), mirrored = lengths(exchanged);
        const full = pairing === "joint" ? [[prompt, a, b]] : [[prompt, a], [prompt, b]];
        for (const [at, parts] of full.entries()) {
          const marks = parts.length + 1, fits = parts.join("").length + marks <= maxTokens;
          const fairShare = Math.floor((maxTokens - marks) / parts.length);
          parts.forEach((part, index) => {
            if (fits) assert.equal(found[at][index], part.length);
            assert(found[at][index] >= Math.min(part.length, fairShare));
            assert(found[at][index] <= part.length);
          });
          // All of the budget is used, but for one token that A and B cannot share.
          if (!fits) assert(found[at].reduce((sum, length) => sum + length, marks) >= maxTokens - 1);
        }
        if (pairing === "siamese") assert.deepEqual(mirrored, found.toReversed());
        else assert.deepEqual(mirrored[0], [found[0][0], found[0][2], found[0][1]]);
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("shareBudget() gives the rest to the first part alone or to all the others", () => {
  assert.deepEqual(shareBudget([9, 9, 9], 7), [3, 2, 2]);
  assert.deepEqual(shareBudget([9, 9, 9], 8), [2, 3, 3]);
  assert.deepEqual(shareBudget([1, 9, 9], 8), [1, 3, 3]);
  assert.deepEqual(shareBudget([9, 0, 9], 5), [2, 0, 3]);
  assert.deepEqual(shareBudget([9, 1, 1], 5), [3, 1, 1]);
  assert.deepEqual(shareBudget([2, 2, 2], 6), [2, 2, 2]);
});

Deno.test("keepHeadAndTail() keeps one token more of the head when the number is odd", () => {
  assert.deepEqual(keepHeadAndTail([1, 2, 3, 4, 5], 3), [1, 2, 5]);
  assert.deepEqual(keepHeadAndTail([1, 2, 3, 4, 5], 1), [1]);
  assert.deepEqual(keepHeadAndTail([1, 2], 2), [1, 2]);
  assert.deepEqual(keepHeadAndTail([1, 2], 0), []);
});

Deno.test("decoderTemplate puts headings in plain text round prompt, A and B, and only the tokenizer's own first token", () => {
  const text = (of: Battle, pairing: Pairing, maxTokens = 200) =>
    encodeBattle(letters, of, { pairing, maxTokens, template: decoderTemplate }).map(({ inputIds }) => spell(inputIds));
  assert.deepEqual(text(battle("pp", "a", "bbb"), "joint"), [
    "<### Prompt\npp\n\n### Response A\na\n\n### Response B\nbbb\n\n### Better response:",
  ]);
  assert.deepEqual(text(battle("pp", "a", "bbb"), "siamese"), [
    "<### Prompt\npp\n\n### Response\na",
    "<### Prompt\npp\n\n### Response\nbbb",
  ]);
  const [{ inputIds, tokenTypeIds, answerStarts }] = encodeBattle(letters, battle("pp", "a", "bbb"), {
    pairing: "joint",
    maxTokens: 200,
    template: decoderTemplate,
  });
  assert.deepEqual([...tokenTypeIds], [...inputIds].map(() => 0));
  assert.deepEqual(answerStarts.map((start) => spell(inputIds.slice(start, start + 1))), ["a", "b"]);
  const [cut] = text(battle("p".repeat(90), "a".repeat(90), "b".repeat(90)), "joint", 100);
  assert.equal(cut.length, 100);
  assert(cut.endsWith("\n\n### Better response:"), "the last token is what the classifier reads");
  assert.throws(() => text(battle("p", "a", "b"), "joint", 64), UsageError);
});
