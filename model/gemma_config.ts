// Gemma 2's and Gemma 3's config.json, as the form that the layers of llama.ts take, with Hugging Face's own defaults.
// Mirrors configuration_gemma2.py and Gemma3TextConfig of configuration_gemma3.py; what we do not compute is refused.
import type { ConfigFields } from "./config_fields.ts";
import { type LayerKind, parseLayerKinds, parseRopesByKind } from "./layer_kinds.ts";
import { checkShapes, type LlamaConfig } from "./llama_config.ts";
import { parseRope, type RopeConfig } from "./rotary.ts";

export type GemmaModelType = "gemma2" | "gemma3_text";

/** The parser of one of the model types. */
export function gemmaParser(type: GemmaModelType): (fields: ConfigFields) => LlamaConfig {
  return (fields) => {
    const is3 = type === "gemma3_text";
    const heads = fields.count("num_attention_heads", 8), layers = fields.count("num_hidden_layers", 26);
    // Every `pattern`-th layer sees everything.
    const pattern = is3 ? fields.count("sliding_window_pattern", 6) : 2;
    const kinds = parseLayerKinds(fields, layers, (layer) => (layer + 1) % pattern === 0);
    const hasBias = fields.flag("attention_bias", false);
    const isUncapped = Object.hasOwn(fields.raw, "attn_logit_softcapping") && !fields.has("attn_logit_softcapping");
    if (is3 && fields.has("attn_logit_softcapping")) throw fields.refuse("attn_logit_softcapping", "must be null");
    fields.mustBeOff("use_bidirectional_attention");
    fields.choice("hidden_activation", "gelu_pytorch_tanh", ["gelu_pytorch_tanh"]);
    const ropes = is3
      ? parseRopes(fields)
      : { full_attention: parseRope(fields), sliding_attention: parseRope(fields) };
    const window = windowOf(fields, kinds);
    const config: LlamaConfig = {
      model_type: type,
      vocab_size: fields.count("vocab_size", is3 ? 262208 : 256000),
      hidden_size: fields.count("hidden_size", 2304),
      num_hidden_layers: layers,
      num_attention_heads: heads,
      num_key_value_heads: fields.count("num_key_value_heads", 4),
      head_dim: fields.count("head_dim", 256),
      intermediate_size: fields.count("intermediate_size", 9216),
      activation: "tanh",
      max_position_embeddings: fields.count("max_position_embeddings", is3 ? 131072 : 8192),
      initializer_range: fields.positive("initializer_range", 0.02),
      rms_norm_eps: fields.positive("rms_norm_eps", 1e-6),
      attention_dropout: fields.probability("attention_dropout", 0),
      ropes: kinds.map((kind) => ropes[kind]),
      qkv_bias: hasBias,
      output_bias: hasBias,
      mlp_bias: false,
      qk_norm: is3,
      windows: kinds.map((kind) => kind === "sliding_attention" ? window : undefined),
      gemma: {
        scale: fields.positive("query_pre_attn_scalar", 256) ** -0.5,
        softcap: is3 || isUncapped ? undefined : fields.positive("attn_logit_softcapping", 50),
      },
    };
    checkShapes(fields, config);
    return config;
  };
}

function windowOf(fields: ConfigFields, kinds: LayerKind[]): number | undefined {
  if (!kinds.includes("sliding_attention")) return undefined;
  if (Object.hasOwn(fields.raw, "sliding_window") && !fields.has("sliding_window")) {
    throw fields.refuse("sliding_window", "must be a number where layers slide");
  }
  return fields.count("sliding_window", 4096);
}

/** Gemma 3: positions of sliding layers are neither scaled nor as slow; in the older form, or nested by kind of layer. */
function parseRopes(fields: ConfigFields): Record<LayerKind, RopeConfig> {
  return parseRopesByKind(fields, { full_attention: 1e6, sliding_attention: 1e4 }, () => ({
    full_attention: parseRope(fields, { rope_theta: 1e6 }),
    sliding_attention: { rope_type: "default", rope_theta: fields.positive("rope_local_base_freq", 1e4) },
  }));
}
