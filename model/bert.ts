// BERT: embeddings and a stack of post-norm blocks over packed sequences, pooler and classifier; Devlin et al. 2019.
// Mirrors BertModel and BertForSequenceClassification of transformers' modeling_bert.py, weights by their checkpoint names.
import { bertTemplate } from "../data/template.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { attention } from "../kernels/attention.ts";
import { dropout } from "../kernels/add.ts";
import { embed } from "../kernels/embedding.ts";
import { layerNorm } from "../kernels/layer_norm.ts";
import { linear } from "../kernels/linear.ts";
import { pool } from "../kernels/pool.ts";
import { tanh } from "../kernels/tanh.ts";
import { type Tape } from "../kernels/tape.ts";
import { type Architecture, type RecordOptions } from "./architecture.ts";
import { type BertConfig, bertParser, geluForm } from "./bert_config.ts";
import { type DropoutRates } from "./dropout_sites.ts";
import { type ParameterSpec } from "./parameters.ts";

/** Every parameter of the backbone, without the pooler, which belongs to the joint head. */
export function bertParameters(config: BertConfig, trainable: boolean): ParameterSpec[] {
  const { hidden_size: W, intermediate_size: F } = config;
  const weight = (name: string, shape: number[], fuse?: string): ParameterSpec => ({
    name,
    shape,
    decay: true,
    trainable,
    fuse,
  });
  const undecayed = (name: string, size: number, fuse?: string): ParameterSpec => ({
    name,
    shape: [size],
    decay: false,
    trainable,
    fuse,
  });
  const norm = (prefix: string) => [undecayed(`${prefix}.weight`, W), undecayed(`${prefix}.bias`, W)];
  const dense = (prefix: string, outputs: number, inputs: number) => [
    weight(`${prefix}.weight`, [outputs, inputs]),
    undecayed(`${prefix}.bias`, outputs),
  ];
  const specs = [
    weight("embeddings.word_embeddings.weight", [config.vocab_size, W]),
    weight("embeddings.position_embeddings.weight", [config.first_position + config.max_position_embeddings, W]),
    weight("embeddings.token_type_embeddings.weight", [config.type_vocab_size, W]),
    ...norm("embeddings.LayerNorm"),
  ];
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `encoder.layer.${layer}`, self = `${at}.attention.self`;
    const parts = ["query", "key", "value"];
    specs.push(
      ...parts.map((part) => weight(`${self}.${part}.weight`, [W, W], `${self}.qkv.weight`)),
      ...parts.map((part) => undecayed(`${self}.${part}.bias`, W, `${self}.qkv.bias`)),
      ...dense(`${at}.attention.output.dense`, W, W),
      ...norm(`${at}.attention.output.LayerNorm`),
      ...dense(`${at}.intermediate.dense`, F, W),
      ...dense(`${at}.output.dense`, W, F),
      ...norm(`${at}.output.LayerNorm`),
    );
  }
  return specs;
}

export interface BertOptions extends RecordOptions {
  config: BertConfig;
}

/** Last hidden states [T, W] of a packed batch. */
export function bert(tape: Tape, options: BertOptions): Tensor {
  const { config, parameters: w, inputs, dropout: drop } = options;
  const embedded = embed(tape, [
    { table: w.tensor("embeddings.word_embeddings.weight"), ids: inputs.inputIds, groups: inputs.words },
    { table: w.tensor("embeddings.position_embeddings.weight"), ids: inputs.positions, groups: inputs.places },
    { table: w.tensor("embeddings.token_type_embeddings.weight"), ids: inputs.tokenTypeIds },
  ]);
  let x = layerNorm(tape, embedded, { ...w.norm("embeddings.LayerNorm"), eps: config.layer_norm_eps });
  x = tape.mark("embeddings", dropout(tape, x, drop?.sites.token(drop.rates.hidden)));
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    x = tape.checkpoint(x, (x) => block(tape, x, { ...options, layer }));
  }
  return x;
}

/** One post-norm block, [T, W] -> [T, W]: h = norm(x + attention(x)), then norm(h + mlp(h)). */
function block(
  tape: Tape,
  x: Tensor,
  { config, parameters: w, inputs, dropout: drop, layer }: BertOptions & { layer: number },
): Tensor {
  const at = `encoder.layer.${layer}`, self = `${at}.attention.self`;
  const norm = (x: Tensor, name: string) => layerNorm(tape, x, { ...w.norm(name), eps: config.layer_norm_eps });

  const qkv = linear(tape, x, { weight: w.fused(`${self}.qkv.weight`), bias: w.fused(`${self}.qkv.bias`) });
  const mixed = attention(tape, {
    qkv,
    heads: config.num_attention_heads,
    blocks: inputs.blocks,
    dropout: drop?.sites.token(drop.rates.attention),
  });
  const beside = (x: Tensor) => ({ residual: { x, dropout: drop?.sites.token(drop.rates.hidden) } });
  const a = linear(tape, mixed, { ...w.linear(`${at}.attention.output.dense`), ...beside(x) });
  const h = norm(a, `${at}.attention.output.LayerNorm`);
  tape.mark(`${at}.attention`, h);
  const f = linear(tape, h, { ...w.linear(`${at}.intermediate.dense`), gelu: geluForm(config) });
  const o = linear(tape, f, { ...w.linear(`${at}.output.dense`), ...beside(h) });
  return tape.mark(at, norm(o, `${at}.output.LayerNorm`));
}

/** The pooler, a dense layer with tanh on the first token, and the classifier. */
export function bertHeadParameters({ hidden_size: W }: Pick<BertConfig, "hidden_size">): ParameterSpec[] {
  const dense = (prefix: string, outputs: number): ParameterSpec[] => [
    { name: `${prefix}.weight`, shape: [outputs, W], decay: true, trainable: true },
    { name: `${prefix}.bias`, shape: [outputs], decay: false, trainable: true },
  ];
  return [...dense("pooler.dense", W), ...dense("classifier", 3)];
}

function bertLogits(tape: Tape, hidden: Tensor, { parameters: w, inputs, dropout: drop }: BertOptions): Tensor {
  const first = pool(tape, hidden, { mode: "first", starts: inputs.starts });
  const pooled = tanh(tape, linear(tape, first, w.linear("pooler.dense")));
  return linear(tape, dropout(tape, pooled, drop?.sites.segment(drop.rates.classifier)), w.linear("classifier"));
}

/** The rates that BERT's fields ask for. */
export function bertDropout(config: BertConfig): DropoutRates {
  return {
    hidden: config.hidden_dropout_prob,
    attention: config.attention_probs_dropout_prob,
    classifier: config.classifier_dropout,
  };
}

export const bertArchitecture: Architecture = {
  parse: bertParser("bert"),
  dropout: bertDropout,
  parameters: bertParameters,
  record: bert,
  joint: { parameters: bertHeadParameters, record: bertLogits, outside: ["classifier."] },
  pairing: "siamese",
  template: bertTemplate,
  classes: { backbone: "BertModel", joint: "BertForSequenceClassification" },
  prefix: "bert.",
};
