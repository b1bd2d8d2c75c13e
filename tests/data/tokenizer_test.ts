// Token ids against Hugging Face's Rust tokenizers (tests/oracle/tokenizer.py), for a small tokenizer and for MiniLM's own.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loadTokenizer, type Tokenizer } from "../../data/tokenizer.ts";
import { InputError } from "../../errors.ts";
import { defaultModel, resolveModel } from "../../model/hub.ts";
import { root } from "../imports.ts";
import { inFolder } from "../model/hand_made.ts";

const goldens = join(root, "tests/goldens/tokenizer");

interface Golden {
  texts: { why: string; text: string; ids: number[] }[];
  pairs: { prompt: string[]; response: string[]; input_ids: number[]; token_type_ids: number[] }[];
}

const golden = (name: string): Golden => JSON.parse(readFileSync(join(goldens, name), "utf8"));

function assertSameIds(tokenizer: Tokenizer, { texts }: Pick<Golden, "texts">): void {
  assert(texts.length >= 35);
  for (const { why, text, ids } of texts) {
    assert.deepEqual(tokenizer.encodeText(text), ids, why);
    // Words are remembered: the second time must not differ.
    assert.deepEqual(tokenizer.encodeText(text), ids, `${why}, again`);
  }
}

Deno.test("encodeText() gives the ids of Hugging Face's tokenizers on nasty texts", async () => {
  const tokenizer = await loadTokenizer(goldens);
  assertSameIds(tokenizer, golden("golden.json"));
  assert.deepEqual([tokenizer.padId, tokenizer.clsId, tokenizer.sepId], [0, 2, 3]);
  assert.deepEqual(tokenizer.startIds, [2]);
  const { model } = JSON.parse(readFileSync(join(goldens, "tokenizer.json"), "utf8"));
  assert.equal(tokenizer.vocabSize, Object.keys(model.vocab).length);
});

Deno.test("encodeText() gives the ids of Hugging Face's tokenizers for MiniLM, where its files are on this disk", async (t) => {
  const folder = await resolveModel(defaultModel, { offline: true }).catch((error: Error) => error);
  const name = "tokenizer.json of all-MiniLM-L6-v2";
  const ignore = folder instanceof Error;
  if (ignore) console.log(`skipped: ${folder.message}`);
  await t.step({
    name,
    ignore,
    fn: async () => assertSameIds(await loadTokenizer(folder as string), golden("minilm.json")),
  });
});

Deno.test("encodeText() never gives a special token for users' text", async () => {
  const tokenizer = await loadTokenizer(goldens);
  const ids = tokenizer.encodeText("[CLS][SEP] [PAD] [MASK] [sep] \u0000[SEP]\u0000 [\u200bSEP]");
  for (const id of [0, 2, 3, 4]) assert(!ids.includes(id));
});

Deno.test("encodeText() reads a lone surrogate as the replacement character", async () => {
  const tokenizer = await loadTokenizer(goldens);
  for (const lone of ["\ud83d", "\ude00", "\ude00\ud83d"]) {
    const replaced = lone.replaceAll(/[\ud83d\ude00]/g, "\ufffd");
    assert.deepEqual(tokenizer.encodeText(`a${lone}b`), tokenizer.encodeText(`a${replaced}b`));
  }
});

Deno.test("encodeText() finds words added to the vocabulary, special tokens still not", async () => {
  const { added_tokens, ids } = JSON.parse(readFileSync(join(goldens, "added_words.json"), "utf8"));
  const json = JSON.parse(readFileSync(join(goldens, "tokenizer.json"), "utf8"));
  json.added_tokens.push(...added_tokens);
  await inFolder({ "tokenizer.json": JSON.stringify(json) }, async (folder) => {
    const tokenizer = await loadTokenizer(folder);
    assert.equal(tokenizer.vocabSize, Object.keys(json.model.vocab).length + added_tokens.length);
    for (const { why, text } of golden("golden.json").texts) {
      assert.deepEqual(tokenizer.encodeText(text), ids[why], why);
    }
    const whole = [tokenizer.clsId, ...tokenizer.encodeText("a KeepCase keepcase [SEP] hello🎉world"), tokenizer.sepId];
    assert.deepEqual(whole, ids.added);
  });
});

const bpeForms: { name: string; startIds: number[]; marks?: number[] }[] = [
  { name: "llama2", startIds: [1] },
  { name: "llama3", startIds: [0] },
  { name: "qwen2", startIds: [] },
  { name: "roberta", startIds: [0], marks: [0, 2] },
  { name: "modernbert", startIds: [2], marks: [2, 3] },
];

for (const { name, startIds, marks = [undefined, undefined] } of bpeForms) {
  Deno.test(`encodeText() gives the ids of Hugging Face's tokenizers for BPE as in ${name}`, async () => {
    const tokenizer = await loadTokenizer(join(goldens, name));
    const ids: Record<string, number[]> = JSON.parse(readFileSync(join(goldens, name, "golden.json"), "utf8")).ids;
    for (const { why, text } of golden("golden.json").texts) {
      assert.deepEqual(tokenizer.encodeText(text), ids[why], why);
    }
    const special = tokenizer.encodeText("<s> </s> <|end|><|begin|> [CLS][SEP]<mask>").filter((id) => id < 3);
    assert.deepEqual(special, [], "look-alikes stay text");
    assert.deepEqual(tokenizer.startIds, startIds);
    assert.deepEqual([tokenizer.clsId, tokenizer.sepId], marks);
  });
}

Deno.test("loadTokenizer() refuses files it cannot read, naming file and entry", async () => {
  const good = JSON.parse(readFileSync(join(goldens, "tokenizer.json"), "utf8"));
  const vocab = good.model.vocab;
  const advice = "take the tokenizer files of the model's own folder";
  const refusals: [string | object, string][] = [
    ["{", "Cannot read tokenizer.json: it is no JSON ("],
    ["[1]", `Cannot read tokenizer.json: its JSON is no object: ${advice}`],
    [{}, `Cannot load tokenizer.json: model is missing: ${advice}`],
    [
      { ...good, model: { ...good.model, type: "WordLevel" } },
      'Cannot load tokenizer.json: model.type is "WordLevel", must be "WordPiece", "BPE" or "Unigram": use another model',
    ],
    [
      { ...good, model: { ...good.model, type: "BPE", merges: ["ab"] } },
      `Cannot load tokenizer.json: model.merges is no list of pairs: ${advice}`,
    ],
    [
      { ...good, model: { ...good.model, vocab: [] } },
      `Cannot load tokenizer.json: model.vocab is no object: ${advice}`,
    ],
    [
      { ...good, model: { ...good.model, vocab: { ...vocab, the: 1e9 } } },
      `Cannot load tokenizer.json: model.vocab gives "the" the id 1000000000: ${advice}`,
    ],
    [
      { ...good, model: { ...good.model, vocab: { ...vocab, the: "7" } } },
      `Cannot load tokenizer.json: model.vocab gives "the" the id "7": ${advice}`,
    ],
    [
      { ...good, model: { ...good.model, unk_token: "[none]" } },
      `Cannot load tokenizer.json: model.unk_token is not in model.vocab: ${advice}`,
    ],
    [{ ...good, added_tokens: null }, `Cannot load tokenizer.json: added_tokens is no list of tokens: ${advice}`],
    [
      { ...good, added_tokens: [{ id: -1 }] },
      `Cannot load tokenizer.json: added_tokens is no list of tokens: ${advice}`,
    ],
    [
      { ...good, normalizer: { type: "Unheard" } },
      `Cannot load tokenizer.json: Unknown Normalizer type: Unheard: ${advice}`,
    ],
    [
      { ...good, added_tokens: [], model: { ...good.model, vocab: { "[UNK]": 0, a: 1 } } },
      `Cannot load tokenizer.json: it has no cls token [CLS]: ${advice}`,
    ],
  ];
  for (const [content, message] of refusals) {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    await inFolder({ "tokenizer.json": text }, async (folder) => {
      await assert.rejects(loadTokenizer(folder), (error) => {
        assert(error instanceof InputError, String(error));
        assert(error.message.replace(`${folder}/`, "").startsWith(message), error.message);
        return true;
      });
    });
  }
  await inFolder(
    {},
    (folder) => assert.rejects(loadTokenizer(folder), /Cannot open .*tokenizer.json: there is no such file/),
  );
});
