// config.json of ModernBERT: Hugging Face's defaults, the older and the newer form of layers and positions, and what is refused.
import assert from "node:assert/strict";
import { InputError } from "../../errors.ts";
import { parseConfig } from "../../model/config.ts";
import { type ModernBertConfig } from "../../model/modernbert_config.ts";
import { architectureOf } from "../../model/registry.ts";

const parse = (fields: Record<string, unknown> = {}) =>
  parseConfig(JSON.stringify({ model_type: "modernbert", ...fields }), "m/config.json") as unknown as ModernBertConfig;

Deno.test("parseConfig() fills absent fields with the defaults of transformers' ModernBertConfig", () => {
  const { ropes, windows, ...config } = parse();
  const { raw: _, id2label: __, num_labels: ___, ...own } = config as unknown as Record<string, unknown>;
  assert.deepEqual(own, {
    model_type: "modernbert",
    vocab_size: 50368,
    hidden_size: 768,
    num_hidden_layers: 22,
    num_attention_heads: 12,
    head_dim: 64,
    intermediate_size: 1152,
    activation: "erf",
    max_position_embeddings: 8192,
    initializer_range: 0.02,
    norm_eps: 1e-5,
    norm_bias: false,
    attention_bias: false,
    mlp_bias: false,
    embedding_dropout: 0,
    attention_dropout: 0,
    mlp_dropout: 0,
    classifier_pooling: "cls",
    classifier_activation: "erf",
    classifier_bias: false,
    classifier_dropout: 0,
  });
  assert.deepEqual(windows.slice(0, 5), [undefined, 128, 128, undefined, 128]);
  assert.deepEqual(ropes.slice(0, 3).map(({ rope_theta }) => rope_theta), [160000, 10000, 10000]);
});

Deno.test("parseConfig() reads ModernBERT's layers and positions in the older and the newer form", () => {
  const form = ({ ropes, windows }: ModernBertConfig) => ({ ropes, windows });
  const older = { global_rope_theta: 7000, local_rope_theta: 900, global_attn_every_n_layers: 2 };
  const newer = {
    layer_types: ["full_attention", "sliding_attention", "full_attention"],
    rope_parameters: { full_attention: { rope_theta: 7000 }, sliding_attention: { rope_theta: 900 } },
  };
  const expected = form(parse({ ...older, num_hidden_layers: 3, local_attention: 40 }));
  assert.deepEqual(expected.windows, [undefined, 40, undefined]);
  assert.deepEqual(expected.ropes.map(({ rope_theta }) => rope_theta), [7000, 900, 7000]);
  assert.deepEqual(form(parse({ ...newer, num_hidden_layers: 3, local_attention: 40 })), expected);
  const { ropes } = parse({ rope_parameters: { sliding_attention: { rope_theta: 5 } }, num_hidden_layers: 2 });
  assert.deepEqual(ropes.map(({ rope_theta }) => rope_theta), [160000, 5]);
});

Deno.test("ModernBERT's dropout fields reach the sites that they name", () => {
  const config = parse({ embedding_dropout: 0.1, mlp_dropout: 0.2, attention_dropout: 0.3, classifier_dropout: 0.4 });
  assert.deepEqual(architectureOf(config).dropout(config), {
    embedding: 0.1,
    hidden: 0.2,
    attention: 0.3,
    classifier: 0.4,
  });
});

const refusals: [string, Record<string, unknown>, RegExp][] = [
  ["another activation", { hidden_activation: "relu" }, /hidden_activation is "relu", must be "gelu" or/],
  ["another activation of its head", { classifier_activation: "silu" }, /classifier_activation is "silu", must be/],
  ["another pooling", { classifier_pooling: "max" }, /classifier_pooling is "max", must be "cls" or "mean"/],
  ["scaled positions in the older form", { rope_scaling: { type: "linear", factor: 2 } }, /rope_scaling is .* absent/],
  ["positions that follow others", { local_rope_theta: null }, /local_rope_theta is null, must be a number above 0/],
  [
    "another kind of scaling",
    { rope_parameters: { full_attention: { rope_type: "yarn", factor: 4 } } },
    /rope_type is "yarn", must be "default" or "linear" or "llama3"/,
  ],
  ["positions of unknown layers", { rope_parameters: { local: {} } }, /rope_parameters is .* must hold full_attention/],
  ["layers too few", { layer_types: ["full_attention"] }, /layer_types is .* for each of 22 layers/],
  ["heads of 12 channels", { hidden_size: 144 }, /hidden_size is 144, must give each of the 12 heads 8, 16/],
  ["a feed-forward width of 30", { intermediate_size: 30 }, /intermediate_size is 30, must be a multiple of 4/],
];

for (const [fault, fields, says] of refusals) {
  Deno.test(`parseConfig() refuses a ModernBERT with ${fault}`, () => {
    assert.throws(() => parse(fields), (error) => error instanceof InputError && says.test(error.message));
  });
}
