// LlamaConfig: the fields of Llama-like decoders' config.json that change the mathematics, with Hugging Face's own defaults.
// Mirrors configuration_llama.py, _mistral.py, _qwen2.py and _qwen3.py of transformers; what we do not compute is refused.
import { type FamilyConfig } from "./architecture.ts";
import { type GateForm } from "../kernels/gated.ts";
import type { ConfigFields } from "./config_fields.ts";
import { parseRope, type RopeConfig } from "./rotary.ts";

export type LlamaModelType = "llama" | "mistral" | "qwen2" | "qwen3";

/** What the layers of model/llama.ts need to know; Gemma's configuration becomes one too. */
export interface LlamaConfig extends FamilyConfig {
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  intermediate_size: number;
  /** What the gate goes through. */
  activation: GateForm;
  rms_norm_eps: number;
  attention_dropout: number;
  /** Of each layer. */
  ropes: readonly RopeConfig[];
  /** Biases of the query, key and value projections. */
  qkv_bias: boolean;
  /** Bias of attention's output projection. */
  output_bias: boolean;
  mlp_bias: boolean;
  /** Whether each head's queries and keys are normalised before they are turned. */
  qk_norm: boolean;
  /** Of each layer: tokens a query sees, its own counted; undefined for all. */
  windows: readonly (number | undefined)[];
  /** Gemma's own forms; absent elsewhere. */
  gemma?: {
    /** Factor of the scores, in place of 1 / sqrt(head_dim). */
    scale: number;
    /** Scores s become cap * tanh(s / cap). */
    softcap?: number;
  };
}

interface Defaults {
  vocab_size: number;
  intermediate_size: number;
  max_position_embeddings: number;
  /** Absent: as many as there are query heads. */
  num_key_value_heads?: number;
  /** Absent: hidden_size / num_attention_heads. */
  head_dim?: number;
}

const defaults: Record<LlamaModelType, Defaults> = {
  llama: { vocab_size: 32000, intermediate_size: 11008, max_position_embeddings: 2048 },
  mistral: {
    vocab_size: 32000,
    intermediate_size: 14336,
    max_position_embeddings: 131072,
    num_key_value_heads: 8,
  },
  qwen2: {
    vocab_size: 151936,
    intermediate_size: 22016,
    max_position_embeddings: 32768,
    num_key_value_heads: 32,
  },
  qwen3: {
    vocab_size: 151936,
    intermediate_size: 22016,
    max_position_embeddings: 32768,
    num_key_value_heads: 32,
    head_dim: 128,
  },
};

/** The parser of one of the model types. */
export function llamaParser(type: LlamaModelType): (fields: ConfigFields) => LlamaConfig {
  return (fields) => parseLlamaConfig(fields, type);
}

function parseLlamaConfig(fields: ConfigFields, type: LlamaModelType): LlamaConfig {
  const usual = defaults[type];
  const hidden_size = fields.count("hidden_size", 4096), heads = fields.count("num_attention_heads", 32);
  // An explicit null means as many as query heads.
  const isNull = Object.hasOwn(fields.raw, "num_key_value_heads") && !fields.has("num_key_value_heads");
  const num_key_value_heads = fields.count(
    "num_key_value_heads",
    isNull ? heads : usual.num_key_value_heads ?? heads,
  );
  const num_hidden_layers = fields.count("num_hidden_layers", 32);
  const hasAttentionBias = type === "qwen2" ||
    ((type === "llama" || type === "qwen3") && fields.flag("attention_bias", false));
  if (type === "mistral" || type === "qwen2") fields.mustBeOff("attention_bias");
  if (type !== "llama") fields.mustBeOff("mlp_bias");
  fields.choice("hidden_act", "silu", ["silu"]);
  const rope = parseRope(fields);
  const config: LlamaConfig = {
    model_type: type,
    vocab_size: fields.count("vocab_size", usual.vocab_size),
    hidden_size,
    num_hidden_layers,
    num_attention_heads: heads,
    num_key_value_heads,
    head_dim: fields.count("head_dim", usual.head_dim ?? Math.floor(hidden_size / heads)),
    intermediate_size: fields.count("intermediate_size", usual.intermediate_size),
    activation: "silu",
    max_position_embeddings: fields.count("max_position_embeddings", usual.max_position_embeddings),
    initializer_range: fields.positive("initializer_range", 0.02),
    rms_norm_eps: fields.positive("rms_norm_eps", 1e-6),
    attention_dropout: fields.probability("attention_dropout", 0),
    ropes: Array.from({ length: num_hidden_layers }, () => rope),
    qkv_bias: hasAttentionBias,
    output_bias: hasAttentionBias && type !== "qwen2",
    mlp_bias: type === "llama" && fields.flag("mlp_bias", false),
    qk_norm: type === "qwen3",
    windows: parseWindows(fields, type, num_hidden_layers),
  };
  checkShapes(fields, config);
  return config;
}

function parseWindows(fields: ConfigFields, type: LlamaModelType, layers: number): (number | undefined)[] {
  const everywhere = (window: number | undefined) => Array.from({ length: layers }, () => window);
  if (type === "llama" || type === "mistral") {
    if (fields.has("layer_types")) throw fields.refuse("layer_types", `must be absent in a ${type}`);
    if (type === "llama") return everywhere(undefined);
    // Here null has a meaning of its own: no window.
    const isNull = Object.hasOwn(fields.raw, "sliding_window") && !fields.has("sliding_window");
    return everywhere(isNull ? undefined : fields.count("sliding_window", 4096));
  }
  const window =
    fields.flag("use_sliding_window", false) && (fields.has("sliding_window") || !("sliding_window" in fields.raw))
      ? fields.count("sliding_window", 4096)
      : undefined;
  const types = fields.get("layer_types");
  if (types === undefined) {
    const first = fields.count("max_window_layers", 28, 0);
    return everywhere(window).map((each, layer) => layer >= first ? each : undefined);
  }
  const isSound = Array.isArray(types) && types.length === layers &&
    types.every((kind) => kind === "full_attention" || (kind === "sliding_attention" && window !== undefined));
  if (!isSound) {
    throw fields.refuse(
      "layer_types",
      `must name "full_attention" or, with use_sliding_window, "sliding_attention" for each of ${layers} layers`,
    );
  }
  return (types as string[]).map((kind) => kind === "sliding_attention" ? window : undefined);
}

/** Refuses shapes that the kernels do not take. */
export function checkShapes(fields: ConfigFields, config: LlamaConfig): void {
  const { num_attention_heads: heads, num_key_value_heads: groups, head_dim, hidden_size, intermediate_size } = config;
  if (heads % groups !== 0) throw fields.refuse("num_key_value_heads", `must divide num_attention_heads, ${heads}`);
  // Pairs of channels are turned four at a time; heads up to 256 are what attention holds.
  if (head_dim % 8 !== 0 || head_dim > 256) {
    throw fields.refuse(
      fields.has("head_dim") ? "head_dim" : "hidden_size",
      `must give each of the ${heads} heads 8, 16, ... 256 channels`,
    );
  }
  for (const [name, value] of Object.entries({ hidden_size, intermediate_size })) {
    if (value % 4 !== 0) throw fields.refuse(name, "must be a multiple of 4");
  }
}
