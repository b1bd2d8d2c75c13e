// config.json: Hugging Face's defaults, and each value that we would compute wrongly refused by name.
import assert from "node:assert/strict";
import { join } from "node:path";
import { InputError } from "../../errors.ts";
import { type BertConfig, geluForm } from "../../model/bert_config.ts";
import { type CommonConfig, parseConfig, readConfig } from "../../model/config.ts";
import { checkPairing } from "../../model/tiebreak_entry.ts";
import { inFolder } from "./hand_made.ts";

const parse = (fields: Record<string, unknown>) =>
  parseConfig(JSON.stringify({ model_type: "bert", ...fields }), "m/config.json") as BertConfig & CommonConfig;

Deno.test("parseConfig() fills absent and null fields with the defaults of transformers' BertConfig", () => {
  const { raw: _, ...config } = parse({ classifier_dropout: null, pad_token_id: null });
  assert.deepEqual(config, {
    model_type: "bert",
    vocab_size: 30522,
    hidden_size: 768,
    num_hidden_layers: 12,
    num_attention_heads: 12,
    intermediate_size: 3072,
    hidden_act: "gelu",
    hidden_dropout_prob: 0.1,
    attention_probs_dropout_prob: 0.1,
    classifier_dropout: 0.1,
    max_position_embeddings: 512,
    first_position: 0,
    type_vocab_size: 2,
    initializer_range: 0.02,
    layer_norm_eps: 1e-12,
    pad_token_id: 0,
    position_embedding_type: "absolute",
    num_labels: 2,
    id2label: { 0: "LABEL_0", 1: "LABEL_1" },
  });
});

Deno.test("parseConfig() takes each field from the file", () => {
  const fields = {
    hidden_size: 48,
    num_attention_heads: 3,
    hidden_act: "gelu_new",
    hidden_dropout_prob: 0,
    layer_norm_eps: 1e-5,
  };
  const config = parse({ ...fields, id2label: { 1: "b", 0: "a", 2: "c" }, extra: [1] });
  for (const [name, value] of Object.entries(fields)) assert.equal(config[name as keyof typeof config], value);
  assert.equal(config.num_labels, 3);
  assert.deepEqual(config.id2label, { 0: "a", 1: "b", 2: "c" });
  assert.deepEqual(config.raw.extra, [1]);
  assert.equal(config.classifier_dropout, 0, "follows hidden_dropout_prob");
});

Deno.test("parseConfig() counts positions of RoBERTa and XLM-R from the padding token's on", () => {
  const of = (model_type: string, fields: Record<string, unknown> = {}) => {
    const { max_position_embeddings, first_position, vocab_size, type_vocab_size } = parse({ model_type, ...fields });
    return [max_position_embeddings, first_position, vocab_size, type_vocab_size];
  };
  assert.deepEqual(of("roberta"), [510, 2, 50265, 2]);
  assert.deepEqual(of("xlm-roberta"), [510, 2, 30522, 2]);
  const real = { max_position_embeddings: 514, type_vocab_size: 1, vocab_size: 250002, pad_token_id: 1 };
  assert.deepEqual(of("xlm-roberta", real), [512, 2, 250002, 1]);
  assert.deepEqual(of("roberta", { max_position_embeddings: 40, pad_token_id: 4 }), [35, 5, 50265, 2]);
  assert.throws(() => of("roberta", { max_position_embeddings: 2 }), /must be a whole number from 3/);
});

Deno.test("geluForm() tells exact from tanh GELU under all of Hugging Face's names", () => {
  assert.equal(geluForm(parse({ hidden_act: "gelu" })), "erf");
  assert.equal(geluForm(parse({ hidden_act: "gelu_new" })), "tanh");
  assert.equal(geluForm(parse({ hidden_act: "gelu_pytorch_tanh" })), "tanh");
});

const refusals: [string, Record<string, unknown>, RegExp][] = [
  [
    "a model_type we lack",
    { model_type: "mamba" },
    /model_type is "mamba", must be one of bert, roberta, xlm-roberta, modernbert, .*gemma3_text: use another model$/,
  ],
  ["a missing model_type", { model_type: null }, /model_type is null, must be one of bert, roberta/],
  ["relu", { hidden_act: "relu" }, /hidden_act is "relu", must be "gelu" or .*"gelu_pytorch_tanh"/],
  [
    "relative positions",
    { position_embedding_type: "relative_key" },
    /position_embedding_type is "relative_key", must be "absolute"/,
  ],
  [
    "a width that the heads do not divide",
    { hidden_size: 100 },
    /hidden_size is 100, must be a multiple of num_attention_heads, 12/,
  ],
  ["no heads", { num_attention_heads: 0 }, /num_attention_heads is 0, must be a whole number from 1/],
  ["half a layer", { num_hidden_layers: 1.5 }, /num_hidden_layers is 1.5/],
  ["a number in quotes", { vocab_size: "30522" }, /vocab_size is "30522", must be a whole number/],
  ["a dropout of 1", { hidden_dropout_prob: 1 }, /hidden_dropout_prob is 1, must be a number from 0 to below 1/],
  ["an epsilon of 0", { layer_norm_eps: 0 }, /layer_norm_eps is 0, must be a number above 0/],
  ["a decoder", { is_decoder: true }, /is_decoder is true, must be false/],
  ["cross attention", { add_cross_attention: true }, /add_cross_attention is true/],
  ["labels with a gap", { id2label: { 0: "a", 2: "b" } }, /id2label is .*must name each label from 0 on/],
  ["labels as a list", { id2label: ["a", "b"] }, /id2label is/],
  ["labels beyond counting", { num_labels: 1e12 }, /num_labels is 1000000000000, must be at most 1000000/],
  ["two counts of labels", { id2label: { 0: "a" }, num_labels: 3 }, /num_labels is 3, but id2label names 1/],
  ["a tiebreak entry that is no object", { tiebreak: 1 }, /tiebreak is 1, must be an object/],
  [
    "an unknown pairing",
    { tiebreak: { pairing: "triple" } },
    /entry "tiebreak": pairing is "triple", must be "joint" or "siamese"/,
  ],
  [
    "a siamese run without a head",
    { tiebreak: { pairing: "siamese", template: "t", max_tokens: 8 } },
    /head is undefined, must be "swap"/,
  ],
  ["a run without a template", { tiebreak: { pairing: "joint", max_tokens: 8 } }, /template is undefined/],
  [
    "a run without a length",
    { tiebreak: { pairing: "joint", template: "t" } },
    /max_tokens is undefined, must be a whole number from 1/,
  ],
];
for (const [fault, fields, says] of refusals) {
  Deno.test(`parseConfig() refuses ${fault}`, () => {
    assert.throws(() => parse(fields), (error: Error) => {
      assert(error instanceof InputError);
      assert.match(error.message, /^Cannot read m\/config\.json/);
      assert.match(error.message, says);
      return true;
    });
  });
}

Deno.test("readConfig() refuses a folder without config.json, text that is no JSON, and a field that comes twice", () =>
  inFolder({}, async (folder) => {
    await assert.rejects(readConfig(folder), /config\.json: there is no such file/);
    const path = join(folder, "config.json");
    for (
      const [text, says] of [["{", /it is no JSON/], ["[]", /is no object/], [
        '{"a":1,"a":2}',
        /"a" is there twice/,
      ]] as const
    ) {
      await Deno.writeTextFile(path, text);
      await assert.rejects(readConfig(folder), says);
    }
  }));

Deno.test("checkPairing() refuses a siamese run as a joint model and lets all else pass", () => {
  const siamese = { tiebreak: { pairing: "siamese", head: "swap", template: "t", max_tokens: 8 } } as const;
  assert.throws(() => checkPairing("runs/x", siamese, "joint"), /Cannot open runs\/x as a joint model.*"siamese"/);
  checkPairing("runs/x", siamese, "siamese");
  checkPairing("runs/x", { tiebreak: { pairing: "joint", template: "t", max_tokens: 8 } }, "siamese");
  checkPairing("runs/x", {}, "joint");
});
