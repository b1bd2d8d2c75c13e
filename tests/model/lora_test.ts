// Which weights get adapters, what PEFT is told of them, and what of its folders is refused.
import assert from "node:assert/strict";
import { InputError, UsageError } from "../../errors.ts";
import { parseAdapterConfig, targetEnds } from "../../model/adapter_config.ts";
import { parseConfig } from "../../model/config.ts";
import { adapterParameters, chooseModules, loraScale } from "../../model/lora.ts";
import { architectureOf } from "../../model/registry.ts";
import { trainedLayers } from "../../model/train_layers.ts";

const llama = parseConfig(
  JSON.stringify({
    model_type: "llama",
    vocab_size: 11,
    hidden_size: 24,
    num_hidden_layers: 12,
    num_attention_heads: 3,
    num_key_value_heads: 1,
    intermediate_size: 40,
  }),
  "config.json",
);
const backbone = architectureOf(llama).parameters(llama, false);
const choose = (targets: string, isTrained?: (name: string) => boolean) =>
  chooseModules(backbone, { targets, prefix: "model.", isTrained });

Deno.test("chooseModules() takes every dense layer, ends of names, or a regular expression of whole names", () => {
  assert.equal(choose("all-linear").length, 12 * 7);
  assert.deepEqual(choose("q_proj,0.self_attn.v_proj").length, 13);
  assert.deepEqual(choose(String.raw`model\.layers\.(1|11)\..*(q|up)_proj`), [
    "layers.1.self_attn.q_proj",
    "layers.1.mlp.up_proj",
    "layers.11.self_attn.q_proj",
    "layers.11.mlp.up_proj",
  ]);
  // As PEFT: a name is a whole part, and a pattern speaks of the whole name.
  assert.throws(
    () => choose("proj"),
    new UsageError(
      'Cannot adapt --lora-targets "proj": no trained weight has that name: name some of ' +
        "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj",
    ),
  );
  assert.throws(() => choose("q_pro[j]"), UsageError);
  assert.throws(() => choose("q_proj("), /Cannot read --lora-targets "q_proj\("/);
});

Deno.test("trainedLayers() leaves the top layers and the norm behind them", () => {
  const isTrained = trainedLayers(backbone, 2);
  const trained = backbone.map(({ name }) => name).filter(isTrained);
  assert.ok(trained.every((name) => /^layers\.1[01]\.|^norm\.weight$/.test(name)));
  assert.equal(trained.length, 2 * 9 + 1);
  assert.equal(choose("q_proj", isTrained).length, 2);
  assert.throws(() => trainedLayers(backbone, 13), /Cannot use --train-layers 13: the model has 12 layers/);
});

Deno.test("adapterParameters() lays A of fused weights end to end and holds B with ranks as rows", () => {
  const modules = ["layers.0.self_attn.q_proj", "layers.0.self_attn.v_proj", "layers.0.mlp.down_proj"];
  const specs = adapterParameters(backbone, { rank: 4, alpha: 8, dropout: 0, rsLora: false, modules }, true);
  assert.deepEqual(specs.map(({ name, shape, fuse }) => [name, ...shape, fuse]), [
    ["layers.0.self_attn.q_proj.lora_A.weight", 4, 24, "layers.0.self_attn.qkv.lora_A.weight"],
    ["layers.0.self_attn.v_proj.lora_A.weight", 4, 24, "layers.0.self_attn.qkv.lora_A.weight"],
    ["layers.0.self_attn.q_proj.lora_B.weight", 4, 24, undefined],
    ["layers.0.self_attn.v_proj.lora_B.weight", 4, 8, undefined],
    ["layers.0.mlp.down_proj.lora_A.weight", 4, 40, undefined],
    ["layers.0.mlp.down_proj.lora_B.weight", 4, 24, undefined],
  ]);
});

Deno.test("targetEnds() gives the shortest names that match the chosen weights alone", () => {
  const bert = ["encoder.layer.0.attention.output.dense", "encoder.layer.1.output.dense", "pooler.dense", "classifier"];
  assert.deepEqual(targetEnds(bert.slice(0, 2), bert), ["output.dense"]);
  assert.deepEqual(targetEnds(bert.slice(0, 1), bert), ["attention.output.dense"]);
  assert.deepEqual(targetEnds(["layers.1.q"], ["layers.1.q", "layers.11.q"]), ["1.q"]);
});

Deno.test("loraScale() is alpha / r, with rsLoRA alpha / sqrt(r)", () => {
  const form = { rank: 16, alpha: 32, dropout: 0 };
  assert.equal(loraScale({ ...form, rsLora: false }), 2);
  assert.equal(loraScale({ ...form, rsLora: true }), 8);
});

Deno.test("parseAdapterConfig() reads PEFT's fields with its defaults, and refuses by name what is computed otherwise", () => {
  const parse = (fields: Record<string, unknown>) =>
    parseAdapterConfig(JSON.stringify({ peft_type: "LORA", base_model_name_or_path: "org/base", ...fields }), "folder");
  assert.deepEqual(parse({}), { folder: "folder", base: "org/base", rank: 8, alpha: 8, dropout: 0, rsLora: false });
  const full = { r: 4, lora_alpha: 3, lora_dropout: 0.25, use_rslora: true, revision: "v1", rank_pattern: {} };
  assert.deepEqual(parse(full), {
    ...{ folder: "folder", base: "org/base", revision: "v1", rank: 4, alpha: 3, dropout: 0.25, rsLora: true },
  });
  const others = { peft_type: "IA3", use_dora: true, bias: "all", rank_pattern: { q_proj: 4 }, fan_in_fan_out: true };
  for (const [name, value] of Object.entries(others)) {
    assert.throws(
      () => parse({ [name]: value }),
      (error) => error instanceof InputError && error.message.includes(name),
    );
  }
  assert.throws(() => parse({ base_model_name_or_path: null }), /base_model_name_or_path/);
});
