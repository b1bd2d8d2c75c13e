// ModernBERT: rotary positions, pre-norm blocks with gated feed-forward, layers that see a window between layers that see all;
// Warner et al. 2024. Mirrors ModernBertModel and ModernBertForSequenceClassification of transformers'
// modeling_modernbert.py, weights by their checkpoint names.
import { bertTemplate } from "../data/template.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { dropout } from "../kernels/add.ts";
import { attention } from "../kernels/attention.ts";
import { embed } from "../kernels/embedding.ts";
import { gated } from "../kernels/gated.ts";
import { layerNorm } from "../kernels/layer_norm.ts";
import { linear } from "../kernels/linear.ts";
import { type Residual } from "../kernels/matmul.ts";
import { pool } from "../kernels/pool.ts";
import { rope } from "../kernels/rope.ts";
import { type Tape } from "../kernels/tape.ts";
import { type Architecture, type RecordOptions } from "./architecture.ts";
import { type ModernBertConfig, parseModernBertConfig } from "./modernbert_config.ts";
import { type ParameterSpec } from "./parameters.ts";
import { TurnTables } from "./turn_tables.ts";

const norm = (name: string, W: number, biased: boolean, trainable: boolean): ParameterSpec[] => [
  { name: `${name}.weight`, shape: [W], decay: false, trainable, initial: 1 },
  ...(biased ? [{ name: `${name}.bias`, shape: [W], decay: false, trainable }] : []),
];

const dense = (
  name: string,
  [outputs, inputs]: [number, number],
  biased: boolean,
  trainable: boolean,
): ParameterSpec[] => [
  { name: `${name}.weight`, shape: [outputs, inputs], decay: true, trainable },
  ...(biased ? [{ name: `${name}.bias`, shape: [outputs], decay: false, trainable }] : []),
];

function parameters(config: ModernBertConfig, trainable: boolean): ParameterSpec[] {
  const { hidden_size: W, intermediate_size: F, norm_bias, attention_bias, mlp_bias } = config;
  const specs: ParameterSpec[] = [
    { name: "embeddings.tok_embeddings.weight", shape: [config.vocab_size, W], decay: true, trainable },
    ...norm("embeddings.norm", W, norm_bias, trainable),
  ];
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `layers.${layer}`;
    specs.push(
      ...(layer > 0 ? norm(`${at}.attn_norm`, W, norm_bias, trainable) : []),
      ...dense(`${at}.attn.Wqkv`, [3 * W, W], attention_bias, trainable),
      ...dense(`${at}.attn.Wo`, [W, W], attention_bias, trainable),
      ...norm(`${at}.mlp_norm`, W, norm_bias, trainable),
      ...dense(`${at}.mlp.Wi`, [2 * F, W], mlp_bias, trainable),
      ...dense(`${at}.mlp.Wo`, [W, F], mlp_bias, trainable),
    );
  }
  return [...specs, ...norm("final_norm", W, norm_bias, trainable)];
}

interface ModernBertOptions extends RecordOptions {
  config: ModernBertConfig;
}

/** A norm by its name; where the model's have no bias, `zeros` [W] is read in its place. */
function normed(tape: Tape, x: Tensor, name: string, { config, parameters: w, zeros }: WithZeros): Tensor {
  const bias = config.norm_bias ? w.tensor(`${name}.bias`) : zeros;
  return layerNorm(tape, x, { gain: w.tensor(`${name}.weight`), bias, eps: config.norm_eps });
}

interface WithZeros extends ModernBertOptions {
  zeros: Tensor;
}

function withZeros(tape: Tape, options: ModernBertOptions): WithZeros {
  const W = options.config.hidden_size;
  return { ...options, zeros: tape.recorder.constant([W], new Float32Array(W), "no bias") };
}

/** Last hidden states [T, W] of a packed batch. */
function modernBert(tape: Tape, recording: ModernBertOptions): Tensor {
  const options = withZeros(tape, recording);
  const { config, parameters: w, inputs, dropout: drop } = options;
  const source = { table: w.tensor("embeddings.tok_embeddings.weight"), ids: inputs.inputIds, groups: inputs.words };
  let x = normed(tape, embed(tape, [source]), "embeddings.norm", options);
  x = tape.mark("embeddings", dropout(tape, x, drop?.sites.token(drop.rates.embedding ?? drop.rates.hidden)));
  const tables = new TurnTables(tape, inputs, config.head_dim);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const turns = tables.of(config.ropes[layer]);
    x = tape.checkpoint(x, (x) => block(tape, x, { ...options, layer, turns }));
  }
  return normed(tape, x, "final_norm", options);
}

/** One pre-norm block, [T, W] -> [T, W]: h = x + attention(norm(x)), then h + mlp(norm(h)); the first layer's x is normed already. */
function block(tape: Tape, x: Tensor, options: WithZeros & { layer: number; turns: Tensor }): Tensor {
  const { config, parameters: w, inputs, dropout: drop, layer, turns } = options;
  const { num_attention_heads: heads, attention_bias, mlp_bias } = config;
  const at = `layers.${layer}`;
  const project = (x: Tensor, name: string, biased: boolean, residual?: Residual) =>
    linear(tape, x, { ...(biased ? w.linear(name) : { weight: w.tensor(`${name}.weight`) }), residual });

  const before = layer === 0 ? x : normed(tape, x, `${at}.attn_norm`, options);
  let qkv = project(before, `${at}.attn.Wqkv`, attention_bias);
  qkv = rope(tape, qkv, { heads: 2 * heads, positions: inputs.positions, turns });
  const attentionSite = () => drop?.sites.token(drop.rates.attention);
  const mixed = attention(tape, {
    qkv,
    heads,
    window: config.windows[layer],
    blocks: inputs.blocks,
    dropout: attentionSite(),
  });
  const h = project(mixed, `${at}.attn.Wo`, attention_bias, { x, dropout: attentionSite() });
  tape.mark(`${at}.attn`, h);

  const wide = project(normed(tape, h, `${at}.mlp_norm`, options), `${at}.mlp.Wi`, mlp_bias);
  const f = dropout(tape, gated(tape, wide, config), drop?.sites.token(drop.rates.hidden));
  return tape.mark(at, project(f, `${at}.mlp.Wo`, mlp_bias, { x: h }));
}

function headParameters({ hidden_size: W, norm_bias, classifier_bias }: ModernBertConfig): ParameterSpec[] {
  return [
    ...dense("head.dense", [W, W], classifier_bias, true),
    ...norm("head.norm", W, norm_bias, true),
    ...dense("classifier", [3, W], true, true),
  ];
}

/** ModernBertPredictionHead on the first token or the mean of all, then dropout and classifier. */
function logits(tape: Tape, hidden: Tensor, recording: ModernBertOptions): Tensor {
  const options = withZeros(tape, recording);
  const { config, parameters: w, inputs, dropout: drop, zeros } = options;
  const mode = config.classifier_pooling === "cls" ? "first" : "mean";
  const pooled = pool(tape, hidden, { mode, starts: inputs.starts });
  const bias = config.classifier_bias ? w.tensor("head.dense.bias") : zeros;
  const weight = w.tensor("head.dense.weight");
  const h = linear(tape, pooled, { weight, bias, gelu: config.classifier_activation });
  const headed = normed(tape, h, "head.norm", options);
  return linear(tape, dropout(tape, headed, drop?.sites.segment(drop.rates.classifier)), w.linear("classifier"));
}

export const modernBertArchitecture: Architecture = {
  parse: parseModernBertConfig,
  dropout: (config: ModernBertConfig) => ({
    embedding: config.embedding_dropout,
    hidden: config.mlp_dropout,
    attention: config.attention_dropout,
    classifier: config.classifier_dropout,
  }),
  parameters,
  record: modernBert,
  joint: { parameters: headParameters, record: logits, outside: ["head.", "classifier."] },
  pairing: "siamese",
  template: bertTemplate,
  classes: { backbone: "ModernBertModel", joint: "ModernBertForSequenceClassification" },
  prefix: "model.",
};
