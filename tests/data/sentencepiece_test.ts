// Token ids of SentencePiece models and of tokenizer.json of the Unigram kind, against SentencePiece itself and against Hugging
// Face's Rust tokenizers (tests/oracle/sentencepiece_models.py); older vocabulary files, against the goldens of their tokenizer.json.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Charsmap } from "../../data/charsmap.ts";
import { parseSentencePieceModel } from "../../data/sentencepiece_model.ts";
import { loadTokenizer, type Tokenizer } from "../../data/tokenizer.ts";
import { symbolFinder } from "../../data/user_defined.ts";
import { InputError } from "../../errors.ts";
import { root } from "../imports.ts";
import { inFolder } from "../model/hand_made.ts";

const goldens = join(root, "tests/goldens/tokenizer");
const readJson = (path: string) => JSON.parse(readFileSync(join(goldens, path), "utf8"));
const texts = new Map<string, string>(
  readJson("golden.json").texts.map(({ why, text }: { why: string; text: string }) => [why, text]),
);

function assertSameIds(tokenizer: Tokenizer, ids: Record<string, number[]>, count = texts.size): void {
  assert.equal(Object.keys(ids).length, count);
  for (const [why, expected] of Object.entries(ids)) {
    for (const again of ["", ", again"]) assert.deepEqual(tokenizer.encodeText(texts.get(why)!), expected, why + again);
  }
}

Deno.test("encodeText() gives SentencePiece's ids for DeBERTa's spm.model", async () => {
  const tokenizer = await loadTokenizer(join(goldens, "deberta"));
  assertSameIds(tokenizer, readJson("deberta/golden.json").ids);
  assert.deepEqual([tokenizer.padId, tokenizer.clsId, tokenizer.sepId, tokenizer.startIds], [0, 1, 2, [1]]);
  assert.equal(tokenizer.vocabSize, 318);
});

Deno.test("encodeText() gives fairseq's ids for XLM-R's sentencepiece.bpe.model", async () => {
  const tokenizer = await loadTokenizer(join(goldens, "xlm_roberta"));
  assertSameIds(tokenizer, readJson("xlm_roberta/golden.json").ids);
  assert.deepEqual([tokenizer.startIds, tokenizer.clsId, tokenizer.padId, tokenizer.sepId], [[0], 0, 1, 2]);
  // Of the pieces the first three give way to fairseq's four.
  assert.equal(tokenizer.vocabSize, 332 + 1);
});

Deno.test("encodeText() gives SentencePiece's ids for Llama's tokenizer.model", async () => {
  const tokenizer = await loadTokenizer(join(goldens, "llama_model"));
  assertSameIds(tokenizer, readJson("llama_model/golden.json").ids);
  assert.deepEqual([tokenizer.startIds, tokenizer.clsId, tokenizer.vocabSize], [[1], undefined, 500]);
});

for (const { why, tokenizer: json, ids } of readJson("deberta/golden.json").json) {
  Deno.test(`encodeText() gives the ids of Hugging Face's Unigram, ${why}`, async () => {
    const path = join(goldens, "deberta/spm.model");
    const { charsmap } = parseSentencePieceModel(readFileSync(path), path).normalizer;
    const text = JSON.stringify(json).replace("that of spm.model", Buffer.from(charsmap!).toString("base64"));
    await inFolder({ "tokenizer.json": text }, async (folder) => {
      const tokenizer = await loadTokenizer(folder);
      assertSameIds(tokenizer, ids, texts.size - 2);
      assert.deepEqual([tokenizer.startIds, tokenizer.clsId, tokenizer.sepId, tokenizer.vocabSize], [[1], 1, 2, 318]);
      for (const special of [0, 1, 2]) assert(!tokenizer.encodeText("[CLS][SEP] [PAD]").includes(special));
      const added = {
        id: 318,
        content: "KeepCase",
        special: false,
        normalized: false,
        single_word: false,
        lstrip: false,
        rstrip: false,
      };
      const more = JSON.parse(text);
      more.added_tokens.push(added);
      await Deno.writeTextFile(join(folder, "tokenizer.json"), JSON.stringify(more));
      const wider = await loadTokenizer(folder), around = tokenizer.encodeText("the answer");
      assert.deepEqual(wider.encodeText("the answerKeepCase the answer"), [...around, 318, ...around]);
      assert.equal(wider.vocabSize, 319);
    });
  });
}

Deno.test("encodeText() never gives a control piece for users' text", async () => {
  for (const form of ["deberta", "xlm_roberta", "llama_model"]) {
    const tokenizer = await loadTokenizer(join(goldens, form));
    const ids = tokenizer.encodeText("[CLS][SEP] [PAD] [MASK] <s></s> <pad> <mask>");
    const marks = [...tokenizer.startIds, tokenizer.clsId, tokenizer.sepId, tokenizer.padId];
    assert(marks.every((mark) => mark === undefined || !ids.includes(mark)), form);
  }
});

Deno.test("encodeText() reads vocab.json and merges.txt as the tokenizer.json of the same pieces", async () => {
  const forms = [["roberta", "RobertaTokenizer", [0], 2], ["qwen2", "Qwen2TokenizerFast", [], undefined]] as const;
  for (const [name, tokenizer_class, startIds, sepId] of forms) {
    const { model, added_tokens } = readJson(`${name}/tokenizer.json`);
    const added = Object.fromEntries(
      added_tokens.map(({ content, id }: { content: string; id: number }) => [content, id]),
    );
    const merges = model.merges.map((pair: string | string[]) => typeof pair === "string" ? pair : pair.join(" "));
    await inFolder({
      "vocab.json": JSON.stringify(model.vocab),
      "merges.txt": `#version: 0.2\n${merges.join("\n")}\n`,
      "tokenizer_config.json": JSON.stringify({ tokenizer_class }),
      "added_tokens.json": JSON.stringify(added),
    }, async (folder) => {
      const tokenizer = await loadTokenizer(folder);
      assertSameIds(tokenizer, readJson(`${name}/golden.json`).ids);
      assert.deepEqual([tokenizer.startIds, tokenizer.sepId], [startIds, sepId]);
    });
  }
});

Deno.test("encodeText() reads vocab.txt as the tokenizer.json of the same pieces", async () => {
  const { model } = readJson("tokenizer.json");
  const pieces = Object.entries<number>(model.vocab).sort((a, b) => a[1] - b[1]).map(([piece]) => piece);
  await inFolder({ "vocab.txt": pieces.join("\n") + "\n" }, async (folder) => {
    const tokenizer = await loadTokenizer(folder);
    const whole = readJson("golden.json").texts as { why: string; ids: number[] }[];
    assertSameIds(tokenizer, Object.fromEntries(whole.map(({ why, ids }) => [why, ids])));
    assert.deepEqual([tokenizer.clsId, tokenizer.sepId, tokenizer.vocabSize], [2, 3, pieces.length]);
  });
});

Deno.test("parseSentencePieceModel() keeps U+FEFF at the start of a piece", () => {
  const utf8 = new TextEncoder();
  const piece = (text: string, type: number) => {
    const bytes = utf8.encode(text);
    return [0x0a, bytes.length + 4, 0x0a, bytes.length, ...bytes, 0x18, type];
  };
  const model = Uint8Array.of(...piece("<unk>", 2), ...piece("using", 1), ...piece("\ufeffusing", 1));
  assert.deepEqual(parseSentencePieceModel(model, "m").pieces.map(({ text }) => text), [
    "<unk>",
    "using",
    "\ufeffusing",
  ]);
});

Deno.test("Charsmap maps ASCII too, as case folding does, alone and beside other characters", () => {
  // A trie of one sequence, "A" -> "a": root, the unit of A behind it, its value.
  const units = new Uint32Array(1024);
  units[0] = 256 << 10;
  units[256 ^ 0x41] = 512 << 10 | 256 | 0x41;
  units[256 ^ 0x41 ^ 512] = 0x80000000;
  const blob = new Uint8Array(4 + units.byteLength + 2);
  new DataView(blob.buffer).setUint32(0, units.byteLength, true);
  blob.set(new Uint8Array(units.buffer), 4);
  blob.set([0x61, 0], 4 + units.byteLength);
  const map = new Charsmap(blob, "m");
  assert.equal(map.mapGraphemes("A BA A\u00e9 \u00e9A"), "a Ba a\u00e9 \u00e9a");
  assert.deepEqual(map.longest(new TextEncoder().encode("xA"), 1), { length: 1, text: "a" });
});

Deno.test("symbolFinder() finds the longest symbol that begins at a place", () => {
  const at = symbolFinder(new Set(["<a>", "<ab>", "<ab", "ll", "\u{1f600}"]));
  assert.deepEqual([at("<ab>", 0), at("<ab!", 0), at("x<a>", 1), at("x<a>", 0), at("\u{1f600}", 0), at("l", 0)], [
    ...["<ab>", "<ab", "<a>", undefined, "\u{1f600}", undefined],
  ]);
});

Deno.test("loadTokenizer() refuses a SentencePiece model that it cannot read, naming file and byte", async () => {
  const good = new Uint8Array(readFileSync(join(goldens, "llama_model/tokenizer.model")));
  const kind = Uint8Array.of(0x12, 2, 0x18, 3); // trainer_spec { model_type: WORD }
  const refusals: [Uint8Array, string, Record<string, unknown>?][] = [
    [good.slice(0, 100), "Cannot read tokenizer.model: byte "],
    [
      Uint8Array.of(0x0b),
      "Cannot read tokenizer.model: byte 1: wire type 3, so it is no SentencePiece model: get the file again",
    ],
    [new Uint8Array(0), "Cannot load tokenizer.model: it holds no pieces: get the file again"],
    [
      Uint8Array.of(...good, ...kind),
      "Cannot load tokenizer.model: its model_type is 3, must be 1 (unigram) or 2 (BPE): use another model",
    ],
    [good, "Cannot load tokenizer.model: tokenizer_config.json sets do_lower_case, which is not supported here", {
      do_lower_case: true,
    }],
  ];
  for (const [bytes, message, config = {}] of refusals) {
    await inFolder({ "tokenizer.model": bytes, "tokenizer_config.json": JSON.stringify(config) }, async (folder) => {
      await assert.rejects(loadTokenizer(folder), (error) => {
        assert(error instanceof InputError, String(error));
        assert(error.message.replace(`${folder}/`, "").startsWith(message), error.message);
        return true;
      });
    });
  }
});
