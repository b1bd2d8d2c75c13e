// ModernBertConfig: the fields of a ModernBERT config.json that change the mathematics, with Hugging Face's own defaults.
// Mirrors configuration_modernbert.py of transformers 5, older files included; what we do not compute is refused by name.
import { type GateForm } from "../kernels/gated.ts";
import { type GeluForm } from "../kernels/gelu_forms.ts";
import { type FamilyConfig } from "./architecture.ts";
import { parseGelu } from "./bert_config.ts";
import type { ConfigFields } from "./config_fields.ts";
import { parseLayerKinds, parseRopesByKind } from "./layer_kinds.ts";
import { type RopeConfig } from "./rotary.ts";

export interface ModernBertConfig extends FamilyConfig {
  model_type: "modernbert";
  num_hidden_layers: number;
  num_attention_heads: number;
  head_dim: number;
  intermediate_size: number;
  /** What the gate goes through: `hidden_activation`. */
  activation: GateForm;
  norm_eps: number;
  norm_bias: boolean;
  attention_bias: boolean;
  mlp_bias: boolean;
  /** Of each layer. */
  ropes: readonly RopeConfig[];
  /** Of each layer: `local_attention`, undefined for layers that see everything. */
  windows: readonly (number | undefined)[];
  embedding_dropout: number;
  attention_dropout: number;
  mlp_dropout: number;
  classifier_pooling: "cls" | "mean";
  classifier_activation: GeluForm;
  classifier_bias: boolean;
  classifier_dropout: number;
}

export function parseModernBertConfig(fields: ConfigFields): ModernBertConfig {
  const num_hidden_layers = fields.count("num_hidden_layers", 22);
  const period = fields.count("global_attn_every_n_layers", 3);
  const kinds = parseLayerKinds(fields, num_hidden_layers, (layer) => layer % period === 0);
  for (const name of ["global_rope_theta", "local_rope_theta"]) {
    // null meant "as in the other layers" once, and today's transformers fails on it.
    if (Object.hasOwn(fields.raw, name) && !fields.has(name)) throw fields.refuse(name, "must be a number above 0");
  }
  if (fields.has("rope_scaling")) throw fields.refuse("rope_scaling", "must be absent");
  const thetas = {
    full_attention: fields.positive("global_rope_theta", 160000),
    sliding_attention: fields.positive("local_rope_theta", 10000),
  };
  const ropes = parseRopesByKind(fields, thetas, () => ({
    full_attention: { rope_type: "default", rope_theta: thetas.full_attention },
    sliding_attention: { rope_type: "default", rope_theta: thetas.sliding_attention },
  }));
  const window = fields.count("local_attention", 128);
  const hidden_size = fields.count("hidden_size", 768), heads = fields.count("num_attention_heads", 12);
  const config: ModernBertConfig = {
    model_type: "modernbert",
    vocab_size: fields.count("vocab_size", 50368),
    hidden_size,
    num_hidden_layers,
    num_attention_heads: heads,
    head_dim: hidden_size / heads,
    intermediate_size: fields.count("intermediate_size", 1152),
    activation: fields.get("hidden_activation") === "silu" ? "silu" : parseGelu(fields, "hidden_activation"),
    max_position_embeddings: fields.count("max_position_embeddings", 8192),
    initializer_range: fields.positive("initializer_range", 0.02),
    norm_eps: fields.positive("norm_eps", 1e-5),
    norm_bias: fields.flag("norm_bias", false),
    attention_bias: fields.flag("attention_bias", false),
    mlp_bias: fields.flag("mlp_bias", false),
    ropes: kinds.map((kind) => ropes[kind]),
    windows: kinds.map((kind) => kind === "sliding_attention" ? window : undefined),
    embedding_dropout: fields.probability("embedding_dropout", 0),
    attention_dropout: fields.probability("attention_dropout", 0),
    mlp_dropout: fields.probability("mlp_dropout", 0),
    classifier_pooling: fields.choice("classifier_pooling", "cls", ["cls", "mean"]),
    classifier_activation: parseGelu(fields, "classifier_activation"),
    classifier_bias: fields.flag("classifier_bias", false),
    classifier_dropout: fields.probability("classifier_dropout", 0),
  };
  // Pairs of channels are turned four at a time; heads up to 256 are what attention holds.
  if (config.head_dim % 8 !== 0 || config.head_dim > 256) {
    throw fields.refuse("hidden_size", `must give each of the ${heads} heads 8, 16, ... 256 channels`);
  }
  if (config.intermediate_size % 4 !== 0) throw fields.refuse("intermediate_size", "must be a multiple of 4");
  return config;
}
