// BertConfig: the fields of BERT's, RoBERTa's and XLM-R's config.json that change the mathematics, with Hugging Face's own
// defaults. Mirrors configuration_bert.py, _roberta.py and _xlm_roberta.py of transformers; what we do not compute is refused.
import type { ConfigFields } from "./config_fields.ts";

export type BertModelType = "bert" | "roberta" | "xlm-roberta";

/** The two forms of GELU: x * Phi(x), and its tanh approximation. */
export type GeluForm = "erf" | "tanh";

/** Hugging Face's names of one activation, by its form. */
export const geluForms = {
  gelu: "erf",
  gelu_python: "erf",
  gelu_new: "tanh",
  gelu_pytorch_tanh: "tanh",
  gelu_python_tanh: "tanh",
  gelu_fast: "tanh",
  gelu_accurate: "tanh",
} as const satisfies Record<string, GeluForm>;

export interface BertConfig {
  model_type: BertModelType;
  vocab_size: number;
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  intermediate_size: number;
  hidden_act: keyof typeof geluForms;
  hidden_dropout_prob: number;
  attention_probs_dropout_prob: number;
  /** Of the joint head; Hugging Face takes `hidden_dropout_prob` where it is absent, and so it is here. */
  classifier_dropout: number;
  /** Tokens of the longest sequence: RoBERTa's field less `first_position`. */
  max_position_embeddings: number;
  /** Row of a sequence's first token among the position embeddings: 0, in RoBERTa pad_token_id + 1. */
  first_position: number;
  type_vocab_size: number;
  initializer_range: number;
  layer_norm_eps: number;
  pad_token_id: number;
  position_embedding_type: "absolute";
}

/** The form of GELU that a field asks for; it is refused where it asks for another activation. */
export function parseGelu(fields: ConfigFields, name: string): GeluForm {
  return geluForms[fields.choice(name, "gelu", Object.keys(geluForms) as (keyof typeof geluForms)[])];
}

/** Which GELU a configuration asks for. */
export function geluForm(config: Pick<BertConfig, "hidden_act">): GeluForm {
  return geluForms[config.hidden_act];
}

const vocabularies: Record<BertModelType, number> = { bert: 30522, roberta: 50265, "xlm-roberta": 30522 };

/** The parser of one of the model types. */
export function bertParser(type: BertModelType): (fields: ConfigFields) => BertConfig {
  return (fields) => parseBertConfig(fields, type);
}

function parseBertConfig(fields: ConfigFields, type: BertModelType): BertConfig {
  const hidden_dropout_prob = fields.probability("hidden_dropout_prob", 0.1);
  const pad_token_id = fields.count("pad_token_id", type === "bert" ? 0 : 1, 0);
  const first_position = type === "bert" ? 0 : pad_token_id + 1;
  const config: BertConfig = {
    model_type: type,
    vocab_size: fields.count("vocab_size", vocabularies[type]),
    hidden_size: fields.count("hidden_size", 768),
    num_hidden_layers: fields.count("num_hidden_layers", 12),
    num_attention_heads: fields.count("num_attention_heads", 12),
    intermediate_size: fields.count("intermediate_size", 3072),
    hidden_act: fields.choice("hidden_act", "gelu", Object.keys(geluForms) as (keyof typeof geluForms)[]),
    hidden_dropout_prob,
    attention_probs_dropout_prob: fields.probability("attention_probs_dropout_prob", 0.1),
    classifier_dropout: fields.probability("classifier_dropout", hidden_dropout_prob),
    max_position_embeddings: fields.count("max_position_embeddings", 512, first_position + 1) - first_position,
    first_position,
    type_vocab_size: fields.count("type_vocab_size", 2),
    initializer_range: fields.positive("initializer_range", 0.02),
    layer_norm_eps: fields.positive("layer_norm_eps", 1e-12),
    pad_token_id,
    position_embedding_type: fields.choice("position_embedding_type", "absolute", ["absolute"]),
  };
  fields.mustBeOff("is_decoder");
  fields.mustBeOff("add_cross_attention");
  if (config.hidden_size % config.num_attention_heads !== 0) {
    throw fields.refuse("hidden_size", `must be a multiple of num_attention_heads, ${config.num_attention_heads}`);
  }
  // Kernels read four channels at a time; no published checkpoint has another width.
  if (config.hidden_size / config.num_attention_heads % 4 !== 0) {
    throw fields.refuse(
      "hidden_size",
      `must give each of the ${config.num_attention_heads} heads a multiple of 4 channels`,
    );
  }
  if (config.intermediate_size % 4 !== 0) throw fields.refuse("intermediate_size", "must be a multiple of 4");
  return config;
}
