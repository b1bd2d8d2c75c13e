// Self-attention inside segments: forward and, right below, backward; see attention.wgsl.
// Two schedules: workgroup tiles of storage buffers (attention.wgsl), and operands as textures (attention_texture.ts).
import source from "./attention.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { type Kernel } from "../gpu/kernel.ts";
import { type Dispatch } from "../gpu/recorder.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { maskSource } from "./attention_dropout.ts";
import { isBounded, scoreSource, spanOf } from "./attention_scores.ts";
import { statsWidth, textureAttention, type TextureKernel } from "./attention_texture.ts";
import { type AttentionForm } from "./attention_texture_code.ts";
import { type Dropout, dropoutFields } from "./dropout.ts";
import { stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

export interface AttentionOptions {
  /** [T, (heads + 2 kvHeads) D]: columns q | k | v, head h at h * D of each. */
  qkv: Tensor;
  /** Heads of queries. */
  heads: number;
  /** Heads of keys and values, each shared by heads / kvHeads query heads in a row. @default {heads} */
  kvHeads?: number;
  /** Whether a query sees no key after itself. @default {false} */
  causal?: boolean;
  /**
   * Rows that a query sees: causal, the last `window` with its own, as Mistral and Gemma; else those at most `window / 2` away,
   * as ModernBERT's local attention. Absent: all of its segment.
   */
  window?: number;
  /** Scores s become cap * tanh(s / cap), as Gemma 2's `attn_logit_softcapping`. Absent: they stay. */
  softcap?: number;
  /** Factor of the scores. @default {1 / sqrt(D)} */
  scale?: number;
  /** [blocks, 4] u32, see `attentionBlocks`; `step.blocks` of them are in use. */
  blocks: Tensor;
  /** On the probabilities, after the softmax. */
  dropout?: Dropout;
}

/** Bytes of workgroup memory that every adapter has. */
const WORKGROUP_BYTES = 16384;

const kernels = new Map<string, Kernel>();

function tiledKernel({ head4, bounded, capped }: AttentionForm, drop: boolean): Kernel {
  const key = `${head4} ${bounded} ${capped} ${drop}`;
  let kernel = kernels.get(key);
  if (!kernel) {
    // As many rows as fit with their statistics, 16 bytes a vec4f in two tiles and 12 beside them, at most 16.
    const tile = Math.min(16, 2 ** Math.floor(Math.log2(WORKGROUP_BYTES / (32 * head4 + 12))));
    const code = `const HEAD4 = ${head4}u;\nconst TILE = ${tile}u;\n${maskSource(drop)}${
      scoreSource({ bounded, capped })
    }`;
    kernels.set(key, kernel = stepKernel("attention", code + source));
  }
  return kernel;
}

/**
 * softmax(q k^T * scale) v inside each segment, [T, (heads + 2 kvHeads) D] -> [T, heads D], with dropout on the probabilities.
 *
 * @throws {ShapeError} if the columns are not q, k and v of such heads of 4n columns, at most 256, or an option is out of range
 */
export function attention(tape: Tape, options: AttentionOptions): Tensor {
  const { qkv, heads, kvHeads = heads, softcap, blocks, dropout } = options;
  const [T, columns] = shape2(qkv), D = columns / (heads + 2 * kvHeads);
  if (D % 4 !== 0 || D > 256 || heads % kvHeads !== 0 || qkv.live !== "tokens") {
    throw new ShapeError(
      `Cannot attend over ${
        qkv.live ?? "fixed"
      } rows of [${qkv.shape}] with ${heads} heads of queries and ${kvHeads} of keys: ` +
        `it takes live tokens, columns q | k | v of heads of 4, 8, ... 256 columns, and as many query heads for each key head`,
    );
  }
  if (options.window !== undefined && !(Number.isInteger(options.window) && options.window >= 1)) {
    throw new ShapeError(`Cannot attend over a window of ${options.window} rows: it must be whole and positive`);
  }
  if (softcap !== undefined && !(softcap > 0)) {
    throw new ShapeError(`Cannot cap attention scores at ${softcap}: the cap must be positive`);
  }
  const y = tape.output([T, heads * D], qkv.live, [qkv], "attention");
  const span = spanOf(options);
  const form = {
    head4: D / 4,
    grouped: kvHeads !== heads,
    bounded: isBounded(span),
    capped: softcap !== undefined,
  };
  const size = {
    heads,
    kvHeads,
    scale: options.scale ?? 1 / Math.sqrt(D),
    softcap: softcap ?? 0,
    ...span,
    accumulate: 0,
    ...dropoutFields(dropout),
  };
  const keys: Record<string, Tensor> = dropout && dropout.rate > 0 ? { tokenKeys: dropout.tokenKeys } : {};
  const { recorder, schedules } = tape;
  const textured = schedules.attentionTexture && recorder.texturable(qkv) && recorder.texturable(y);
  const flops = 2 * T * Math.min(T, usualKeys(options)) * heads * D;
  (textured ? recordTextures : recordTiles)(tape, { qkv, blocks, y, T, heads, kvHeads, form, size, keys, flops });
  return y;
}

/** Keys that a query sees, roughly: of encoders' longest usual segments, or half of decoders'. */
function usualKeys({ causal, window }: AttentionOptions): number {
  return Math.min(causal ? 1024 : 512, window ?? Infinity);
}

interface Recording {
  qkv: Tensor;
  blocks: Tensor;
  y: Tensor;
  T: number;
  heads: number;
  kvHeads: number;
  form: AttentionForm;
  size: Record<string, number>;
  /** `tokenKeys` where something is dropped. */
  keys: Record<string, Tensor>;
  /** Of one of the products. */
  flops: number;
}

function recordTiles(tape: Tape, { qkv, blocks, y, T, heads, kvHeads, form, size, keys, flops }: Recording): void {
  const kernel = tiledKernel(form, "tokenKeys" in keys);
  const stats = tape.tensor([T, heads, 2], qkv.live, "attention stats");
  tape.run(kernel, "forward", {
    read: { qkv, blocks, ...keys },
    write: { y, stats },
    size,
    groups: (step) => [step.blocks, heads, 1],
    flops: 2 * flops,
  });

  tape.onBackward(y, (dy) => {
    const dqkv = tape.grad(qkv);
    if (!dqkv) return;
    tape.run(kernel, "delta", {
      read: { dy },
      write: { y, stats },
      size,
      groups: (step) => Math.ceil(step.tokens * heads / 64),
    });
    for (const [entry, products, rows] of [["backward_q", 3, heads], ["backward_kv", 4, kvHeads]] as const) {
      tape.run(kernel, entry, {
        read: { qkv, blocks, dy, ...keys },
        write: { stats, dqkv: dqkv.tensor },
        size: { ...size, accumulate: dqkv.accumulate },
        groups: (step) => [step.blocks, rows, 1],
        flops: products * flops,
      });
    }
  });
}

function recordTextures(tape: Tape, { qkv, blocks, y, T, heads, kvHeads, form, size, keys, flops }: Recording): void {
  const { forward, backwardQ, backwardKV } = textureAttention(form, "tokenKeys" in keys);
  const stats = tape.tensor([T, statsWidth(heads)], qkv.live, "attention stats");
  const run = (
    { kernel, groups }: TextureKernel,
    [products, rows]: [products: number, heads: number],
    at: Omit<Dispatch, "groups">,
  ) =>
    tape.run(kernel, "main", {
      size,
      ...at,
      groups: (step) => groups({ blocks: step.blocks }, rows),
      flops: products * flops,
    });
  run(forward, [2, heads], { read: { qkv: tape.texture(qkv), blocks, ...keys }, write: { y, stats } });

  tape.onBackward(y, (dy) => {
    const dqkv = tape.grad(qkv);
    if (!dqkv) return;
    const operands = { qkv: tape.texture(qkv), dy: tape.texture(dy), blocks };
    const target = { size: { ...size, accumulate: dqkv.accumulate } };
    run(backwardQ, [3, heads], {
      ...target,
      read: { ...operands, y: tape.texture(y), ...keys },
      write: { stats, dqkv: dqkv.tensor },
    });
    run(backwardKV, [4, kvHeads], {
      ...target,
      read: { ...operands, stats: tape.texture(stats) },
      write: { dqkv: dqkv.tensor },
    });
  });
}
