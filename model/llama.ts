// Llama-like decoders over packed sequences: Llama 2 and 3, SmolLM2, Mistral, Qwen2, Qwen2.5, Qwen3; Touvron et al. 2023; and
// Gemma 2 and 3, which add norms behind each part, scaled embeddings and soft caps. Mirrors modeling_llama.py, _mistral.py,
// _qwen2.py, _qwen3.py, _gemma2.py and _gemma3.py of transformers, weights by their checkpoint names.
import { decoderTemplate } from "../data/template.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { attention } from "../kernels/attention.ts";
import { add } from "../kernels/add.ts";
import { embed } from "../kernels/embedding.ts";
import { gated } from "../kernels/gated.ts";
import { linear } from "../kernels/linear.ts";
import { headNorm, rmsNorm } from "../kernels/rms_norm.ts";
import { rope } from "../kernels/rope.ts";
import { type Tape } from "../kernels/tape.ts";
import { type Architecture, type RecordOptions } from "./architecture.ts";
import { type GemmaModelType, gemmaParser } from "./gemma_config.ts";
import { type LlamaConfig, type LlamaModelType, llamaParser } from "./llama_config.ts";
import { type ParameterSpec } from "./parameters.ts";
import { scoreHead } from "./score_head.ts";
import { TurnTables } from "./turn_tables.ts";

/** Names of a block's norms: before and behind attention, before and behind the feed-forward part. */
function normNames(config: LlamaConfig) {
  const before = "input_layernorm";
  return config.gemma
    ? {
      before,
      behind: "post_attention_layernorm",
      beforeMlp: "pre_feedforward_layernorm",
      behindMlp: "post_feedforward_layernorm",
    }
    : { before, beforeMlp: "post_attention_layernorm" };
}

/** Every parameter of the backbone; the language model's own output layer takes no part. */
function llamaParameters(config: LlamaConfig, trainable: boolean): ParameterSpec[] {
  const { hidden_size: W, intermediate_size: F, head_dim: D } = config;
  const Q = config.num_attention_heads * D, KV = config.num_key_value_heads * D;
  const weight = (name: string, outputs: number, inputs: number, fuse?: string): ParameterSpec => ({
    name: `${name}.weight`,
    shape: [outputs, inputs],
    decay: true,
    trainable,
    fuse: fuse && `${fuse}.weight`,
  });
  const undecayed = (name: string, size: number, fuse?: string): ParameterSpec => ({
    name,
    shape: [size],
    decay: false,
    trainable,
    fuse,
  });
  const specs = [weight("embed_tokens", config.vocab_size, W)];
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `layers.${layer}`, self = `${at}.self_attn`, mlp = `${at}.mlp`;
    const projections: [string, number][] = [["q_proj", Q], ["k_proj", KV], ["v_proj", KV]];
    specs.push(
      ...Object.values(normNames(config)).map((name) => undecayed(`${at}.${name}.weight`, W)),
      ...projections.map(([name, size]) => weight(`${self}.${name}`, size, W, `${self}.qkv`)),
      ...(config.qkv_bias
        ? projections.map(([name, size]) => undecayed(`${self}.${name}.bias`, size, `${self}.qkv.bias`))
        : []),
      ...(config.qk_norm ? ["q_norm", "k_norm"].map((name) => undecayed(`${self}.${name}.weight`, D)) : []),
      weight(`${self}.o_proj`, W, Q),
      ...(config.output_bias ? [undecayed(`${self}.o_proj.bias`, W)] : []),
      ...["gate_proj", "up_proj"].map((name) => weight(`${mlp}.${name}`, F, W, `${mlp}.gate_up`)),
      ...(config.mlp_bias
        ? ["gate_proj", "up_proj"].map((name) => undecayed(`${mlp}.${name}.bias`, F, `${mlp}.gate_up.bias`))
        : []),
      weight(`${mlp}.down_proj`, W, F),
      ...(config.mlp_bias ? [undecayed(`${mlp}.down_proj.bias`, W)] : []),
    );
  }
  return [...specs, undecayed("norm.weight", W)];
}

interface LlamaOptions extends RecordOptions {
  config: LlamaConfig;
}

/** Last hidden states [T, W] of a packed batch. */
function llama(tape: Tape, options: LlamaOptions): Tensor {
  const { config, parameters: w, inputs } = options;
  const source = { table: w.tensor("embed_tokens.weight"), ids: inputs.inputIds, groups: inputs.words };
  let x = embed(tape, [source], { scale: config.gemma ? Math.sqrt(config.hidden_size) : 1 });
  const tables = new TurnTables(tape, inputs, config.head_dim);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const turns = tables.of(config.ropes[layer]);
    x = tape.checkpoint(x, (x) => block(tape, x, { ...options, layer, turns }));
  }
  return rmsNorm(tape, x, { gain: w.tensor("norm.weight"), ...normForm(config) });
}

/** Gemma stores gains less one. */
function normForm(config: LlamaConfig): { eps: number; offset: number } {
  return { eps: config.rms_norm_eps, offset: config.gemma ? 1 : 0 };
}

/** One pre-norm block, [T, W] -> [T, W]: h = x + attention(norm(x)), then h + mlp(norm(h)); Gemma norms both summands too. */
function block(
  tape: Tape,
  x: Tensor,
  { config, parameters: w, inputs, dropout: drop, layer, turns }: LlamaOptions & { layer: number; turns: Tensor },
): Tensor {
  const { num_attention_heads: heads, num_key_value_heads: kvHeads } = config;
  const { before, behind, beforeMlp, behindMlp } = { behind: undefined, behindMlp: undefined, ...normNames(config) };
  const at = `layers.${layer}`, self = `${at}.self_attn`, mlp = `${at}.mlp`;
  const gain = (name: string) => w.tensor(`${name}.weight`), form = normForm(config);
  const norm = (x: Tensor, name: string | undefined) =>
    name ? rmsNorm(tape, x, { gain: gain(`${at}.${name}`), ...form }) : x;
  // Gemma's norm of the summand stands between the product and the sum.
  const added = (residual: Tensor, x: Tensor, name: string, biased: boolean, normName: string | undefined) => {
    const dense = biased ? w.linear(name) : { weight: gain(name) };
    if (!normName) return linear(tape, x, { ...dense, residual: { x: residual } });
    return add(tape, residual, norm(linear(tape, x, dense), normName));
  };
  const fused = (name: string, biased: boolean) => ({
    weight: w.fused(`${name}.weight`),
    ...(biased && { bias: w.fused(`${name}.bias`) }),
  });

  let qkv = linear(tape, norm(x, before), fused(`${self}.qkv`, config.qkv_bias));
  if (config.qk_norm) {
    const parts = [
      { heads, gain: gain(`${self}.q_norm`) },
      { heads: kvHeads, gain: gain(`${self}.k_norm`) },
      { heads: kvHeads },
    ];
    qkv = headNorm(tape, qkv, { parts, ...form });
  }
  qkv = rope(tape, qkv, { heads: heads + kvHeads, positions: inputs.positions, turns });
  const mixed = attention(tape, {
    qkv,
    heads,
    kvHeads,
    causal: true,
    window: config.windows[layer],
    softcap: config.gemma?.softcap,
    scale: config.gemma?.scale,
    blocks: inputs.blocks,
    dropout: drop?.sites.token(drop.rates.attention),
  });
  const h = added(x, mixed, `${self}.o_proj`, config.output_bias, behind);
  tape.mark(self, h);

  const f = gated(tape, linear(tape, norm(h, beforeMlp), fused(`${mlp}.gate_up`, config.mlp_bias)), config);
  return tape.mark(at, added(h, f, `${mlp}.down_proj`, config.mlp_bias, behindMlp));
}

/** The architecture of one of the model types; `name` is how transformers spells it in class names. */
export function llamaArchitecture(type: LlamaModelType | GemmaModelType, name: string): Architecture {
  return {
    parse: type === "gemma2" || type === "gemma3_text" ? gemmaParser(type) : llamaParser(type),
    dropout: (config: LlamaConfig) => ({ hidden: 0, attention: config.attention_dropout, classifier: 0 }),
    parameters: llamaParameters,
    record: llama,
    joint: scoreHead,
    pairing: "joint",
    template: decoderTemplate,
    classes: { backbone: `${name}Model`, joint: `${name}ForSequenceClassification` },
    prefix: "model.",
  };
}
