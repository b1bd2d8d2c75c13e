// Llama-like decoders over packed sequences: Llama 2 and 3, SmolLM2, Mistral, Qwen2, Qwen2.5 and Qwen3; Touvron et al. 2023.
// Mirrors modeling_llama.py, _mistral.py, _qwen2.py and _qwen3.py of transformers, weights by their checkpoint names.
import { decoderTemplate } from "../data/template.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { attention } from "../kernels/attention.ts";
import { add } from "../kernels/add.ts";
import { embed } from "../kernels/embedding.ts";
import { gated } from "../kernels/gated.ts";
import { linear } from "../kernels/linear.ts";
import { headNorm, rmsNorm } from "../kernels/rms_norm.ts";
import { rope, turnTable } from "../kernels/rope.ts";
import { type Tape } from "../kernels/tape.ts";
import { type Architecture, type RecordOptions } from "./architecture.ts";
import { type LlamaConfig, type LlamaModelType, llamaParser } from "./llama_config.ts";
import { type ParameterSpec } from "./parameters.ts";
import { inverseFrequencies } from "./rotary.ts";
import { scoreHead } from "./score_head.ts";

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
      undecayed(`${at}.input_layernorm.weight`, W),
      ...projections.map(([name, size]) => weight(`${self}.${name}`, size, W, `${self}.qkv`)),
      ...(config.qkv_bias
        ? projections.map(([name, size]) => undecayed(`${self}.${name}.bias`, size, `${self}.qkv.bias`))
        : []),
      ...(config.qk_norm ? ["q_norm", "k_norm"].map((name) => undecayed(`${self}.${name}.weight`, D)) : []),
      weight(`${self}.o_proj`, W, Q),
      ...(config.output_bias ? [undecayed(`${self}.o_proj.bias`, W)] : []),
      undecayed(`${at}.post_attention_layernorm.weight`, W),
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
  const P = inputs.capacity.tokens, D = config.head_dim;
  const turns = tape.recorder.constant([P, D], turnTable(inverseFrequencies(config.rope, D), P), "turns");
  let x = embed(tape, [{ table: w.tensor("embed_tokens.weight"), ids: inputs.inputIds, groups: inputs.words }]);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) x = block(tape, x, { ...options, layer, turns });
  return rmsNorm(tape, x, { gain: w.tensor("norm.weight"), eps: config.rms_norm_eps });
}

/** One pre-norm block, [T, W] -> [T, W]: h = x + attention(norm(x)), then h + mlp(norm(h)). */
function block(
  tape: Tape,
  x: Tensor,
  { config, parameters: w, inputs, dropout: drop, layer, turns }: LlamaOptions & { layer: number; turns: Tensor },
): Tensor {
  const { num_attention_heads: heads, num_key_value_heads: kvHeads, rms_norm_eps: eps } = config;
  const at = `layers.${layer}`, self = `${at}.self_attn`, mlp = `${at}.mlp`;
  const gain = (name: string) => w.tensor(`${name}.weight`);
  const dense = (name: string, biased: boolean) => biased ? w.linear(name) : { weight: gain(name) };
  const fused = (name: string, biased: boolean) => ({
    weight: w.fused(`${name}.weight`),
    ...(biased && { bias: w.fused(`${name}.bias`) }),
  });

  const n = rmsNorm(tape, x, { gain: gain(`${at}.input_layernorm`), eps });
  let qkv = linear(tape, n, fused(`${self}.qkv`, config.qkv_bias));
  if (config.qk_norm) {
    const parts = [
      { heads, gain: gain(`${self}.q_norm`) },
      { heads: kvHeads, gain: gain(`${self}.k_norm`) },
      { heads: kvHeads },
    ];
    qkv = headNorm(tape, qkv, { parts, eps });
  }
  qkv = rope(tape, qkv, { heads: heads + kvHeads, positions: inputs.positions, turns });
  const mixed = attention(tape, {
    qkv,
    heads,
    kvHeads,
    causal: true,
    window: config.windows[layer],
    blocks: inputs.blocks,
    dropout: drop?.sites.token(drop.rates.attention),
  });
  const h = add(tape, x, linear(tape, mixed, dense(`${self}.o_proj`, config.output_bias)));
  tape.mark(self, h);

  const m = rmsNorm(tape, h, { gain: gain(`${at}.post_attention_layernorm`), eps });
  const f = gated(tape, linear(tape, m, fused(`${mlp}.gate_up`, config.mlp_bias)), { activation: "silu" });
  return tape.mark(at, add(tape, h, linear(tape, f, dense(`${mlp}.down_proj`, config.mlp_bias))));
}

/** The architecture of one of the model types; `name` is how transformers spells it in class names. */
export function llamaArchitecture(type: LlamaModelType, name: string): Architecture {
  return {
    parse: llamaParser(type),
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
