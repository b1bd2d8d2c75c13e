// DeBERTa-v2 and v3: BERT's post-norm blocks with disentangled attention, whose scores know the distance of two tokens; He et
// al. 2021. Mirrors DebertaV2Model and DebertaV2ForSequenceClassification of transformers' modeling_deberta_v2.py, weights by
// their checkpoint names.
import { bertTemplate } from "../data/template.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { add, dropout } from "../kernels/add.ts";
import { attention } from "../kernels/attention.ts";
import { embed } from "../kernels/embedding.ts";
import { gelu } from "../kernels/gelu.ts";
import { layerNorm } from "../kernels/layer_norm.ts";
import { linear } from "../kernels/linear.ts";
import { pool } from "../kernels/pool.ts";
import { type RelativeColumns, relativeColumns, type RelativePositions } from "../kernels/relative_positions.ts";
import { tanh } from "../kernels/tanh.ts";
import { type Tape } from "../kernels/tape.ts";
import { unfold } from "../kernels/unfold.ts";
import { bertHeadParameters } from "./bert.ts";
import { type Architecture, type RecordOptions } from "./architecture.ts";
import { geluForm, geluForms } from "./bert_config.ts";
import {
  type DebertaActivation,
  type DebertaV2Config,
  parseDebertaV2Config,
  relativeRows,
} from "./deberta_v2_config.ts";
import { type ParameterSpec } from "./parameters.ts";

/** Every parameter of the backbone. */
function debertaParameters(config: DebertaV2Config, trainable: boolean): ParameterSpec[] {
  const { hidden_size: W, embedding_size: E, intermediate_size: F, conv_kernel_size: K } = config;
  const weight = (name: string, shape: number[], fuse?: string): ParameterSpec => ({
    name: `${name}.weight`,
    shape,
    decay: true,
    trainable,
    ...(fuse !== undefined && { fuse: `${fuse}.weight` }),
  });
  const bias = (name: string, size: number, fuse?: string): ParameterSpec => ({
    name: `${name}.bias`,
    shape: [size],
    decay: false,
    trainable,
    ...(fuse !== undefined && { fuse: `${fuse}.bias` }),
  });
  const norm = (name: string) => [{ ...bias(name, W), name: `${name}.weight` }, bias(name, W)];
  const dense = (name: string, outputs: number, inputs: number) => [
    weight(name, [outputs, inputs]),
    bias(name, outputs),
  ];
  const specs = [weight("embeddings.word_embeddings", [config.vocab_size, E])];
  if (config.position_biased_input) {
    specs.push(weight("embeddings.position_embeddings", [config.max_position_embeddings, E]));
  }
  if (config.type_vocab_size > 0) specs.push(weight("embeddings.token_type_embeddings", [config.type_vocab_size, E]));
  if (E !== W) specs.push(weight("embeddings.embed_proj", [W, E]));
  specs.push(...norm("embeddings.LayerNorm"));
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `encoder.layer.${layer}`, self = `${at}.attention.self`;
    const parts = ["query_proj", "key_proj", "value_proj"];
    specs.push(
      ...parts.map((part) => weight(`${self}.${part}`, [W, W], `${self}.qkv`)),
      ...parts.map((part) => bias(`${self}.${part}`, W, `${self}.qkv`)),
      ...ownTables(config).map((table) => weight(`${self}.${table}`, [W, W], `${self}.relative`)),
      ...ownTables(config).map((table) => bias(`${self}.${table}`, W, `${self}.relative`)),
      ...dense(`${at}.attention.output.dense`, W, W),
      ...norm(`${at}.attention.output.LayerNorm`),
      ...dense(`${at}.intermediate.dense`, F, W),
      ...dense(`${at}.output.dense`, W, F),
      ...norm(`${at}.output.LayerNorm`),
    );
  }
  if (config.relative_attention) specs.push(weight("encoder.rel_embeddings", [config.relative_embeddings, W]));
  if (config.norm_rel_ebd) specs.push(...norm("encoder.LayerNorm"));
  if (K > 0) {
    specs.push(weight("encoder.conv.conv", [W, W, K]), bias("encoder.conv.conv", W), ...norm("encoder.conv.LayerNorm"));
  }
  return specs;
}

/** Projections of the relative embeddings that a layer has beside those of its tokens: queries first, as there. */
function ownTables({ relative_attention, share_att_key, pos_att_type }: DebertaV2Config): string[] {
  if (!relative_attention || share_att_key) return [];
  return [
    ...(pos_att_type.includes("p2c") ? ["pos_query_proj"] : []),
    ...(pos_att_type.includes("c2p") ? ["pos_key_proj"] : []),
  ];
}

interface DebertaOptions extends RecordOptions {
  config: DebertaV2Config;
}

/** The relative embeddings, which all layers share, and the row of each distance. */
interface Relative {
  embeddings: Tensor;
  columns: RelativeColumns;
}

/** Last hidden states [T, W] of a packed batch. */
function deberta(tape: Tape, options: DebertaOptions): Tensor {
  const { config, parameters: w, inputs, dropout: drop } = options;
  const eps = config.layer_norm_eps;
  const words = { table: w.tensor("embeddings.word_embeddings.weight"), ids: inputs.inputIds, groups: inputs.words };
  let embedded = embed(tape, [
    words,
    ...(config.position_biased_input
      ? [{ table: w.tensor("embeddings.position_embeddings.weight"), ids: inputs.positions, groups: inputs.places }]
      : []),
    ...(config.type_vocab_size > 0
      ? [{ table: w.tensor("embeddings.token_type_embeddings.weight"), ids: inputs.tokenTypeIds }]
      : []),
  ]);
  if (config.embedding_size !== config.hidden_size) {
    embedded = linear(tape, embedded, { weight: w.tensor("embeddings.embed_proj.weight") });
  }
  const normed = layerNorm(tape, embedded, { ...w.norm("embeddings.LayerNorm"), eps });
  const first = tape.mark("embeddings", dropout(tape, normed, drop?.sites.token(drop.rates.hidden)));
  const relative = relativeEmbeddings(tape, options);
  let x = first;
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    x = tape.checkpoint(x, (x) => block(tape, x, { ...options, layer, relative }));
    if (layer === 0 && config.conv_kernel_size > 0) x = convolution(tape, first, x, options);
  }
  return x;
}

function relativeEmbeddings(tape: Tape, { config, parameters: w }: DebertaOptions): Relative | undefined {
  if (!config.relative_attention || config.pos_att_type.length === 0) return undefined;
  const table = w.tensor("encoder.rel_embeddings.weight"), eps = config.layer_norm_eps;
  const rows = relativeRows(config, config.max_position_embeddings);
  return {
    embeddings: config.norm_rel_ebd ? layerNorm(tape, table, { ...w.norm("encoder.LayerNorm"), eps }) : table,
    columns: relativeColumns(tape, rows, config.relative_embeddings),
  };
}

type LayerOptions = DebertaOptions & { layer: number; relative: Relative | undefined };

/** One post-norm block, [T, W] -> [T, W]: h = norm(x + attention(x)), then norm(h + mlp(h)). */
function block(tape: Tape, x: Tensor, options: LayerOptions): Tensor {
  const { config, parameters: w, inputs, dropout: drop, layer } = options;
  const at = `encoder.layer.${layer}`, self = `${at}.attention.self`;
  const beside = (x: Tensor) => ({ residual: { x, dropout: drop?.sites.token(drop.rates.hidden) } });
  const norm = (x: Tensor, name: string) => layerNorm(tape, x, { ...w.norm(name), eps: config.layer_norm_eps });

  const qkv = linear(tape, x, { weight: w.fused(`${self}.qkv.weight`), bias: w.fused(`${self}.qkv.bias`) });
  const D = config.hidden_size / config.num_attention_heads;
  const mixed = attention(tape, {
    qkv,
    heads: config.num_attention_heads,
    scale: 1 / Math.sqrt(D * (1 + config.pos_att_type.length)),
    relative: relativePositions(tape, options),
    blocks: inputs.blocks,
    dropout: drop?.sites.token(drop.rates.attention),
  });
  const a = linear(tape, mixed, { ...w.linear(`${at}.attention.output.dense`), ...beside(x) });
  const h = norm(a, `${at}.attention.output.LayerNorm`);
  tape.mark(`${at}.attention`, h);
  const f = linear(tape, h, { ...w.linear(`${at}.intermediate.dense`), gelu: geluForm(config) });
  const o = linear(tape, f, { ...w.linear(`${at}.output.dense`), ...beside(h) });
  return tape.mark(at, norm(o, `${at}.output.LayerNorm`));
}

/** The relative embeddings as this layer's keys ("content to position") and queries ("position to content"). */
function relativePositions(
  tape: Tape,
  { config, parameters: w, dropout: drop, layer, relative }: LayerOptions,
): RelativePositions | undefined {
  if (!relative) return undefined;
  const self = `encoder.layer.${layer}.attention.self`, W = config.hidden_size;
  const dropped = dropout(tape, relative.embeddings, drop?.sites.relative(drop.rates.hidden));
  // Queries first, then keys, with the layer's own projections or with the first two of those of its tokens.
  const own = ownTables(config), [fused, count] = own.length > 0 ? ["relative"] : ["qkv", 2];
  const part = (end: string) => w.fused(`${self}.${fused}.${end}`, count);
  const embeddings = linear(tape, dropped, { weight: part("weight"), bias: part("bias") });
  return {
    embeddings,
    columns: relative.columns,
    ...(config.pos_att_type.includes("p2c") && { queries: 0 }),
    ...(config.pos_att_type.includes("c2p") && { keys: own.length === 1 ? 0 : W }),
  };
}

/** ConvLayer, beside the first block: norm(y + act(dropout(conv(x)))), x the embeddings, y the block's output. */
function convolution(tape: Tape, x: Tensor, y: Tensor, options: DebertaOptions): Tensor {
  const { config, parameters: w, inputs, dropout: drop } = options, at = "encoder.conv";
  const near = unfold(tape, x, { kernel: config.conv_kernel_size, positions: inputs.positions });
  const c = linear(tape, near, { weight: w.matrix(`${at}.conv.weight`), bias: w.tensor(`${at}.conv.bias`) });
  const dropped = dropout(tape, c, drop?.sites.token(drop.rates.hidden));
  const sum = add(tape, y, activation(tape, dropped, config.conv_act));
  return tape.mark(at, layerNorm(tape, sum, { ...w.norm(`${at}.LayerNorm`), eps: config.layer_norm_eps }));
}

function activation(tape: Tape, x: Tensor, name: DebertaActivation): Tensor {
  return name === "tanh" ? tanh(tape, x) : gelu(tape, x, geluForms[name]);
}

/** The pooler, a dense layer on the first token, and the classifier, named as BERT's; neither lies in the backbone. */
function debertaLogits(tape: Tape, hidden: Tensor, options: DebertaOptions): Tensor {
  const { config, parameters: w, inputs, dropout: drop } = options;
  const first = pool(tape, hidden, { mode: "first", starts: inputs.starts });
  const context = dropout(tape, first, drop?.sites.segment(drop.rates.pooler ?? 0));
  const pooled = activation(tape, linear(tape, context, w.linear("pooler.dense")), config.pooler_hidden_act);
  return linear(tape, dropout(tape, pooled, drop?.sites.segment(drop.rates.classifier)), w.linear("classifier"));
}

export const debertaV2Architecture: Architecture = {
  parse: parseDebertaV2Config,
  dropout: (config: DebertaV2Config) => ({
    hidden: config.hidden_dropout_prob,
    attention: config.attention_probs_dropout_prob,
    classifier: config.cls_dropout,
    pooler: config.pooler_dropout,
  }),
  parameters: debertaParameters,
  record: deberta,
  joint: { parameters: bertHeadParameters, record: debertaLogits, outside: ["pooler.", "classifier."] },
  pairing: "siamese",
  template: bertTemplate,
  classes: { backbone: "DebertaV2Model", joint: "DebertaV2ForSequenceClassification" },
  prefix: "deberta.",
};
