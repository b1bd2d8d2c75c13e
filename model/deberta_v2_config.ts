// DebertaV2Config: the fields of a DeBERTa-v2 or v3 config.json that change the mathematics, with Hugging Face's own defaults.
// Mirrors configuration_deberta_v2.py and the getattr of modeling_deberta_v2.py; what we do not compute is refused by name.
import { geluForms } from "./bert_config.ts";
import { type ConfigFields } from "./config_fields.ts";

/** Activations of the layers. */
type Gelu = keyof typeof geluForms;

/** Activations of the convolution and of the pooler. */
export type DebertaActivation = Gelu | "tanh";

const gelus = Object.keys(geluForms) as Gelu[];
const activations: DebertaActivation[] = [...gelus, "tanh"];

export interface DebertaV2Config {
  model_type: "deberta-v2";
  vocab_size: number;
  hidden_size: number;
  /** Width of the embedding tables; where it is not hidden_size, `embed_proj` lies between. */
  embedding_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  intermediate_size: number;
  hidden_act: Gelu;
  hidden_dropout_prob: number;
  attention_probs_dropout_prob: number;
  max_position_embeddings: number;
  type_vocab_size: number;
  initializer_range: number;
  layer_norm_eps: number;
  /** Whether absolute positions are added to the words. */
  position_biased_input: boolean;
  relative_attention: boolean;
  /** Halves of the scores by relative position; they decide the scores' scale even without `relative_attention`. */
  pos_att_type: ("c2p" | "p2c")[];
  /** Whether relative embeddings go through the layer's own query_proj and key_proj. */
  share_att_key: boolean;
  /** Distances that have a number of their own, further ones by logarithm; 0: each distance has one. */
  position_buckets: number;
  max_relative_positions: number;
  /** Rows of `rel_embeddings`: twice the buckets or relative positions, 0 without `relative_attention`. */
  relative_embeddings: number;
  /** Whether the relative embeddings are normalised. */
  norm_rel_ebd: boolean;
  /** Tokens side by side in the convolution beside the first layer; 0: there is none. */
  conv_kernel_size: number;
  conv_act: DebertaActivation;
  pooler_hidden_act: DebertaActivation;
  pooler_dropout: number;
  /** Before the classifier. */
  cls_dropout: number;
}

export function parseDebertaV2Config(fields: ConfigFields): DebertaV2Config {
  const hidden_size = fields.count("hidden_size", 1536);
  const hidden_dropout_prob = fields.probability("hidden_dropout_prob", 0.1);
  const max_position_embeddings = fields.count("max_position_embeddings", 512);
  const relative_attention = fields.flag("relative_attention", false);
  const spans = relativeSpans(fields, max_position_embeddings);
  const config: DebertaV2Config = {
    model_type: "deberta-v2",
    vocab_size: fields.count("vocab_size", 128100),
    hidden_size,
    embedding_size: fields.count("embedding_size", hidden_size),
    num_hidden_layers: fields.count("num_hidden_layers", 24),
    num_attention_heads: fields.count("num_attention_heads", 24),
    intermediate_size: fields.count("intermediate_size", 6144),
    hidden_act: fields.choice("hidden_act", "gelu", gelus),
    hidden_dropout_prob,
    attention_probs_dropout_prob: fields.probability("attention_probs_dropout_prob", 0.1),
    max_position_embeddings,
    type_vocab_size: fields.count("type_vocab_size", 0, 0),
    initializer_range: fields.positive("initializer_range", 0.02),
    layer_norm_eps: fields.positive("layer_norm_eps", 1e-7),
    position_biased_input: fields.flag("position_biased_input", true),
    relative_attention,
    pos_att_type: attentionTypes(fields),
    share_att_key: fields.flag("share_att_key", false),
    ...spans,
    relative_embeddings: relative_attention ? 2 * (spans.position_buckets || spans.max_relative_positions) : 0,
    norm_rel_ebd: list(fields, "norm_rel_ebd", ["none", "layer_norm"]).includes("layer_norm"),
    conv_kernel_size: fields.count("conv_kernel_size", 0, 0),
    conv_act: fields.choice("conv_act", "tanh", activations),
    pooler_hidden_act: fields.choice("pooler_hidden_act", "gelu", activations),
    pooler_dropout: fields.probability("pooler_dropout", 0),
    cls_dropout: fields.probability("cls_dropout", hidden_dropout_prob),
  };
  checkWidths(fields, config);
  if (config.conv_kernel_size > 0 && config.conv_kernel_size % 2 === 0) {
    throw fields.refuse("conv_kernel_size", "must be odd");
  }
  if (fields.count("conv_groups", 1) !== 1) throw fields.refuse("conv_groups", "must be 1");
  return config;
}

function checkWidths(
  fields: ConfigFields,
  { hidden_size, embedding_size, num_attention_heads, intermediate_size }: DebertaV2Config,
) {
  // Kernels read four channels at a time; no published checkpoint has another width.
  if (hidden_size % num_attention_heads !== 0 || hidden_size / num_attention_heads % 4 !== 0) {
    throw fields.refuse("hidden_size", `must give each of the ${num_attention_heads} heads a multiple of 4 channels`);
  }
  for (const [name, width] of Object.entries({ embedding_size, intermediate_size })) {
    if (width % 4 !== 0) throw fields.refuse(name, "must be a multiple of 4");
  }
  for (
    const [name, width] of [["attention_head_size", hidden_size / num_attention_heads], [
      "pooler_hidden_size",
      hidden_size,
    ]] as const
  ) {
    if (fields.count(name, width) !== width) throw fields.refuse(name, `must be ${width} or absent`);
  }
}

/** As transformers: fewer than one relative position means as many as positions, fewer than one bucket none. */
function relativeSpans(fields: ConfigFields, positions: number) {
  const count = (name: string) => Math.max(0, fields.count(name, -1, -Number.MAX_SAFE_INTEGER));
  const position_buckets = count("position_buckets"),
    max_relative_positions = count("max_relative_positions") || positions;
  // Four columns of a table are read at once; the logarithm of the last distance must be above that of the middle.
  const name = position_buckets > 0
    ? "position_buckets"
    : fields.has("max_relative_positions")
    ? "max_relative_positions"
    : "max_position_embeddings";
  if ((position_buckets || max_relative_positions) % 2 !== 0) throw fields.refuse(name, "must be even");
  if (position_buckets > 0 && !(position_buckets >= 4 && max_relative_positions - 1 > position_buckets / 2)) {
    throw fields.refuse(name, `must be 4 or more, and below twice the ${max_relative_positions} relative positions`);
  }
  return { position_buckets, max_relative_positions };
}

/** A list, or its elements in one string between bars. @throws {InputError} if an element is not among `known` */
function list(fields: ConfigFields, name: string, known: string[]): string[] {
  const value = fields.get(name) ?? [];
  const elements = typeof value === "string" ? value.toLowerCase().split("|").map((part) => part.trim()) : value;
  if (Array.isArray(elements) && elements.every((element) => known.includes(element))) return elements;
  throw fields.refuse(name, `must hold ${known.map((element) => `"${element}"`).join(" or ")} alone`);
}

/** In the order of the scores' sum. */
function attentionTypes(fields: ConfigFields): ("c2p" | "p2c")[] {
  const named = list(fields, "pos_att_type", ["c2p", "p2c"]);
  return (["c2p", "p2c"] as const).filter((type) => named.includes(type));
}

/**
 * Rows of `rel_embeddings` of the distances query - key from -(positions - 1) to positions - 1, as transformers computes them in
 * float32: near distances have a row each, from half the buckets on they share one by logarithm; what lies beyond the table
 * takes its last row.
 */
export function relativeRows(
  { position_buckets: buckets, max_relative_positions, relative_embeddings }: Pick<
    DebertaV2Config,
    "position_buckets" | "max_relative_positions" | "relative_embeddings"
  >,
  positions: number,
): number[] {
  const f = Math.fround, middle = buckets / 2;
  const step = f(Math.log(f((max_relative_positions - 1) / middle)));
  const bucket = (distance: number) => {
    if (buckets === 0 || distance <= middle) return distance;
    const logarithm = f(Math.log(f(distance / middle)));
    return Math.ceil(f(f(logarithm / step) * (middle - 1))) + middle;
  };
  return Array.from({ length: 2 * positions - 1 }, (_, i) => {
    const distance = i - (positions - 1);
    const row = relative_embeddings / 2 + Math.sign(distance) * bucket(Math.abs(distance));
    return Math.min(Math.max(row, 0), relative_embeddings - 1);
  });
}
