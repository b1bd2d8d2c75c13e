// config.json of Gemma 2 and Gemma 3: layers that slide, positions by kind of layer, caps, and what is refused by name.
import assert from "node:assert/strict";
import { InputError } from "../../errors.ts";
import { parseConfig } from "../../model/config.ts";
import { type LlamaConfig } from "../../model/llama_config.ts";

const small = { hidden_size: 64, num_attention_heads: 4, num_hidden_layers: 6, num_key_value_heads: 2, head_dim: 16 };
const parse = (model_type: string, fields: Record<string, unknown> = {}) =>
  parseConfig(JSON.stringify({ model_type, ...small, ...fields }), "m/config.json") as unknown as LlamaConfig;

Deno.test("parseConfig() lets every second layer of Gemma 2 slide, five of six of Gemma 3, or those listed", () => {
  assert.deepEqual(parse("gemma2").windows, [4096, undefined, 4096, undefined, 4096, undefined]);
  assert.deepEqual(parse("gemma3_text", { sliding_window: 512 }).windows, [512, 512, 512, 512, 512, undefined]);
  const pattern = { sliding_window: 9, sliding_window_pattern: 3 };
  assert.deepEqual(parse("gemma3_text", pattern).windows, [9, 9, undefined, 9, 9, undefined]);
  const layer_types = ["full_attention", "sliding_attention"];
  assert.deepEqual(parse("gemma2", { num_hidden_layers: 2, layer_types }).windows, [undefined, 4096]);
});

Deno.test("parseConfig() scales and caps the scores of Gemma 2, and only scales those of Gemma 3", () => {
  assert.deepEqual(parse("gemma2").gemma, { scale: 1 / 16, softcap: 50 });
  const plain = parse("gemma2", { attn_logit_softcapping: null, query_pre_attn_scalar: 144 });
  assert.deepEqual(plain.gemma, { scale: 1 / 12, softcap: undefined });
  assert.deepEqual(parse("gemma3_text").gemma, { scale: 1 / 16, softcap: undefined });
  assert.equal(parse("gemma3_text").qk_norm, true);
  assert.equal(parse("gemma2").qk_norm, false);
});

Deno.test("parseConfig() gives Gemma 3's layers the positions of their kind, in the older and the newer form", () => {
  const layer_types = ["full_attention", "sliding_attention"], layers = { num_hidden_layers: 2, layer_types };
  const linear = { rope_type: "linear", factor: 8 };
  const expected = [{ ...linear, rope_theta: 1e6 }, { rope_type: "default", rope_theta: 1e4 }];
  assert.deepEqual(parse("gemma3_text", { ...layers, rope_scaling: linear }).ropes, expected);
  const nested = { full_attention: linear, sliding_attention: { rope_type: "default" } };
  assert.deepEqual(parse("gemma3_text", { ...layers, rope_parameters: nested }).ropes, expected);
  const paces = { ...layers, rope_theta: 5e5, rope_local_base_freq: 100 };
  assert.deepEqual(parse("gemma3_text", paces).ropes.map(({ rope_theta }) => rope_theta), [5e5, 100]);
});

const refusals: [string, string, Record<string, unknown>, RegExp][] = [
  [
    "another activation",
    "gemma2",
    { hidden_activation: "gelu" },
    /hidden_activation is "gelu", must be "gelu_pytorch_tanh"/,
  ],
  [
    "queries that see ahead",
    "gemma3_text",
    { use_bidirectional_attention: true },
    /use_bidirectional_attention is true/,
  ],
  [
    "a cap that Gemma 3 ignores",
    "gemma3_text",
    { attn_logit_softcapping: 50 },
    /attn_logit_softcapping is 50, must be null/,
  ],
  ["layers of another kind", "gemma2", { layer_types: ["chunked_attention"] }, /layer_types is \["chunked/],
  ["no window where layers slide", "gemma2", { sliding_window: null }, /sliding_window is null, must be a number/],
  [
    "positions for neither kind of layer",
    "gemma3_text",
    { rope_parameters: { rope_type: "default" } },
    /rope_parameters is \{"rope_type":"default"\}, must hold full_attention and sliding_attention/,
  ],
];

for (const [fault, type, fields, says] of refusals) {
  Deno.test(`parseConfig() refuses a Gemma with ${fault}`, () => {
    assert.throws(() => parse(type, fields), (error) => error instanceof InputError && says.test(error.message));
  });
}
