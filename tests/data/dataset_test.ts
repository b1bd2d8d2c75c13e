// Encoded battles, and the JSON lines that `deno task tokenize` writes.
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Battle } from "../../data/battle.ts";
import { encodeAll, writeTokens } from "../../data/dataset.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { inFolder, namesIn } from "../model/hand_made.ts";

const letters: Tokenizer = {
  encodeText: (text) => [...text].map((letter) => letter.codePointAt(0)!),
  startIds: [1],
  clsId: 1,
  sepId: 2,
  padId: 0,
  vocabSize: 200,
};

const battles: Battle[] = [
  { id: 'x"1', row: 2, prompt: ["p"], responseA: ["a"], responseB: ["bb"], label: 2, truth: [0.2, 0.3, 0.5] },
  { id: "7", row: 3, prompt: [], responseA: ["a"], responseB: [] },
];

Deno.test("encodeAll() keeps id, row, label and truth, and counts tokens and sequences", async () => {
  async function* slowly() {
    yield* battles;
  }
  const encoded = await encodeAll(slowly(), letters, { pairing: "siamese", maxTokens: 30 });
  const seen = encoded.map(({ sequences: _, ...rest }) => rest);
  assert.deepEqual(seen, [
    { index: 0, id: 'x"1', row: 2, tokens: 11, segments: 2, label: 2, truth: [0.2, 0.3, 0.5] },
    { index: 1, id: "7", row: 3, tokens: 7, segments: 2 },
  ]);
});

Deno.test("writeTokens() writes one JSON line per sequence", async () => {
  await inFolder({}, async (folder) => {
    const path = join(folder, "tokens.jsonl");
    assert.equal(await writeTokens(path, battles, letters, { pairing: "siamese", maxTokens: 30 }), 4);
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines, [
      { id: 'x"1', side: "a", input_ids: [1, 112, 2, 97, 2], token_type_ids: [0, 0, 0, 1, 1], label: 2 },
      { id: 'x"1', side: "b", input_ids: [1, 112, 2, 98, 98, 2], token_type_ids: [0, 0, 0, 1, 1, 1], label: 2 },
      { id: "7", side: "a", input_ids: [1, 2, 97, 2], token_type_ids: [0, 0, 1, 1], label: null },
      { id: "7", side: "b", input_ids: [1, 2, 2], token_type_ids: [0, 0, 1], label: null },
    ]);
    assert.deepEqual(namesIn(folder), ["tokens.jsonl"]);
  });
});

Deno.test("writeTokens() leaves the earlier file when reading breaks off", async () => {
  await inFolder({ "tokens.jsonl": "earlier" }, async (folder) => {
    async function* broken() {
      yield battles[0];
      await Promise.reject(new Error("broken off"));
    }
    const path = join(folder, "tokens.jsonl");
    const writing = writeTokens(path, broken(), letters, { pairing: "joint", maxTokens: 30 });
    await assert.rejects(writing, /broken off/);
    assert.equal(await Deno.readTextFile(path), "earlier");
    assert.deepEqual(namesIn(folder), ["tokens.jsonl"]);
  });
});
