// config.json of Llama-like decoders: defaults of each model type, rotary forms old and new, and what is refused by name.
import assert from "node:assert/strict";
import { InputError } from "../../errors.ts";
import { parseConfig } from "../../model/config.ts";
import { type LlamaConfig } from "../../model/llama_config.ts";
import { inverseFrequencies } from "../../model/rotary.ts";

const small = { hidden_size: 64, num_attention_heads: 4, num_hidden_layers: 3, num_key_value_heads: 2, head_dim: 16 };
const parse = (model_type: string, fields: Record<string, unknown> = {}) =>
  parseConfig(JSON.stringify({ model_type, ...small, ...fields }), "m/config.json") as unknown as LlamaConfig;

Deno.test("parseConfig() fills absent fields with the defaults of each decoder's class", () => {
  const bare = (model_type: string) => {
    const config = parseConfig(JSON.stringify({ model_type }), "m/config.json") as unknown as LlamaConfig;
    const { vocab_size, intermediate_size, num_key_value_heads, head_dim, max_position_embeddings } = config;
    return [vocab_size, intermediate_size, num_key_value_heads, head_dim, max_position_embeddings];
  };
  assert.deepEqual(bare("llama"), [32000, 11008, 32, 128, 2048]);
  assert.deepEqual(bare("mistral"), [32000, 14336, 8, 128, 131072]);
  assert.deepEqual(bare("qwen2"), [151936, 22016, 32, 128, 32768]);
  assert.deepEqual(bare("qwen3"), [151936, 22016, 32, 128, 32768]);
  assert.equal(parse("mistral", { num_key_value_heads: null }).num_key_value_heads, 4);
});

Deno.test("parseConfig() knows which projections of a decoder have biases and whether heads are normalised", () => {
  const form = (type: string, fields = {}) => {
    const { qkv_bias, output_bias, mlp_bias, qk_norm } = parse(type, fields);
    return { qkv_bias, output_bias, mlp_bias, qk_norm };
  };
  const none = { qkv_bias: false, output_bias: false, mlp_bias: false, qk_norm: false };
  assert.deepEqual(form("llama"), none);
  assert.deepEqual(form("llama", { attention_bias: true, mlp_bias: true }), {
    qkv_bias: true,
    output_bias: true,
    mlp_bias: true,
    qk_norm: false,
  });
  assert.deepEqual(form("mistral"), none);
  assert.deepEqual(form("qwen2"), { ...none, qkv_bias: true });
  assert.deepEqual(form("qwen3"), { ...none, qk_norm: true });
});

Deno.test("parseConfig() gives each layer of a decoder its window", () => {
  assert.deepEqual(parse("llama").windows, [undefined, undefined, undefined]);
  assert.deepEqual(parse("mistral").windows, [4096, 4096, 4096]);
  assert.deepEqual(parse("mistral", { sliding_window: null }).windows, [undefined, undefined, undefined]);
  assert.deepEqual(parse("qwen2", { sliding_window: 9, max_window_layers: 0 }).windows, [
    undefined,
    undefined,
    undefined,
  ]);
  const used = { use_sliding_window: true, sliding_window: 9 };
  assert.deepEqual(parse("qwen2", { ...used, max_window_layers: 1 }).windows, [undefined, 9, 9]);
  const layer_types = ["sliding_attention", "full_attention", "sliding_attention"];
  assert.deepEqual(parse("qwen3", { ...used, layer_types }).windows, [9, undefined, 9]);
});

Deno.test("parseConfig() reads rotary positions in the older and the newer form", () => {
  const llama3 = {
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const expected = { rope_type: "llama3", rope_theta: 5e5, ...llama3 };
  assert.deepEqual(parse("llama").ropes[0], { rope_type: "default", rope_theta: 10000 });
  assert.deepEqual(
    parse("llama", { rope_theta: 5e5, rope_scaling: { rope_type: "llama3", ...llama3 } }).ropes[0],
    expected,
  );
  assert.deepEqual(
    parse("llama", { rope_parameters: { rope_type: "llama3", rope_theta: 5e5, ...llama3 } }).ropes[0],
    expected,
  );
  assert.deepEqual(parse("llama", { rope_scaling: { type: "linear", factor: 2 } }).ropes[0], {
    rope_type: "linear",
    rope_theta: 10000,
    factor: 2,
  });
});

Deno.test("inverseFrequencies() scales as linear and llama3 say", () => {
  const theta = 10000, plain = [1, 0.1, 0.01, 0.001];
  const near = (actual: ArrayLike<number>, expected: number[]) =>
    expected.forEach((value, i) => assert.ok(Math.abs(actual[i] / value - 1) < 1e-6, `${i}: ${actual[i]}`));
  near(inverseFrequencies({ rope_type: "default", rope_theta: theta }, 8), plain);
  near(inverseFrequencies({ rope_type: "linear", rope_theta: theta, factor: 4 }, 8), plain.map((f) => f / 4));
  // Of 1,000 positions the four waves fit 159, 15.9, 1.59 and 0.159 times: kept, kept, blended, stretched.
  const scaled = inverseFrequencies({
    rope_type: "llama3",
    rope_theta: theta,
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 1000,
  }, 8);
  const share = (10 / (2 * Math.PI) - 1) / 3;
  near(scaled, [1, 0.1, 0.01 * (share + (1 - share) / 8), 0.001 / 8]);
});

const refusals: [string, string, Record<string, unknown>, RegExp][] = [
  ["another activation", "llama", { hidden_act: "relu" }, /hidden_act is "relu", must be "silu"/],
  [
    "another kind of scaling",
    "qwen2",
    { rope_scaling: { type: "yarn", factor: 4 } },
    /entry "rope_scaling": type is "yarn", must be "default" or "linear" or "llama3"/,
  ],
  [
    "scaling without its factor",
    "llama",
    { rope_scaling: { rope_type: "linear" } },
    /entry "rope_scaling": factor is undefined, must be a number above 0/,
  ],
  ["heads turned in part", "llama", { partial_rotary_factor: 0.5 }, /partial_rotary_factor is 0.5, must be 1/],
  ["heads that do not divide", "llama", { num_key_value_heads: 3 }, /num_key_value_heads is 3, must divide .* 4/],
  ["heads of 12 channels", "llama", { head_dim: 12 }, /head_dim is 12, must give each of the 4 heads 8, 16/],
  ["a window the layers do not have", "qwen3", { layer_types: ["sliding_attention"] }, /layer_types is \["sliding/],
  ["layer types in a Mistral", "mistral", { layer_types: ["full_attention"] }, /must be absent in a mistral/],
  ["biases that Mistral lacks", "mistral", { attention_bias: true }, /attention_bias is true, must be false/],
  ["a bias that is no boolean", "llama", { attention_bias: "yes" }, /attention_bias is "yes", must be true or false/],
];

for (const [fault, type, fields, says] of refusals) {
  Deno.test(`parseConfig() refuses a decoder with ${fault}`, () => {
    assert.throws(() => parse(type, fields), (error) => error instanceof InputError && says.test(error.message));
  });
}
