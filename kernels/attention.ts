// Bidirectional self-attention inside segments: forward and, right below, backward; see attention.wgsl.
// Two schedules: workgroup tiles of storage buffers (attention.wgsl), and operands as textures (attention_texture.ts).
import source from "./attention.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { type Kernel } from "../gpu/kernel.ts";
import { type Dispatch } from "../gpu/recorder.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { maskSource } from "./attention_dropout.ts";
import { statsWidth, textureAttention, type TextureKernel } from "./attention_texture.ts";
import { type Dropout, dropoutFields } from "./dropout.ts";
import { stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

export interface AttentionOptions {
  /** [T, 3 W]: columns q | k | v, head h at h * D of each. */
  qkv: Tensor;
  heads: number;
  /** [blocks, 4] u32, see `attentionBlocks`; `step.blocks` of them are in use. */
  blocks: Tensor;
  /** On the probabilities, after the softmax. */
  dropout?: Dropout;
}

const kernels = new Map<string, Kernel>();

function tiledKernel(head4: number, drop: boolean): Kernel {
  const key = `${head4} ${drop}`;
  let kernel = kernels.get(key);
  if (!kernel) {
    const code = `const HEAD4 = ${head4}u;\n${maskSource(drop)}${source}`;
    kernels.set(key, kernel = stepKernel("attention", code));
  }
  return kernel;
}

/**
 * softmax(q k^T / sqrt(D)) v inside each segment, [T, 3 W] -> [T, W], with dropout on the probabilities as in BERT.
 *
 * @throws {ShapeError} if the columns are not q, k and v of `heads` heads of 4n columns, at most 128
 */
export function attention(tape: Tape, { qkv, heads, blocks, dropout }: AttentionOptions): Tensor {
  const [T, columns] = shape2(qkv), W = columns / 3, D = W / heads;
  if (D % 4 !== 0 || D > 128 || qkv.live !== "tokens") {
    throw new ShapeError(
      `Cannot attend over ${qkv.live ?? "fixed"} rows of [${qkv.shape}] with ${heads} heads: ` +
        `it takes live tokens and three times heads of 4, 8, ... 128 columns`,
    );
  }
  const y = tape.output([T, W], qkv.live, [qkv], "attention");
  const size = { heads, scale: 1 / Math.sqrt(D), accumulate: 0, ...dropoutFields(dropout) };
  const keys: Record<string, Tensor> = dropout && dropout.rate > 0 ? { tokenKeys: dropout.tokenKeys } : {};
  const record = tape.schedules.attentionTexture && tape.recorder.texturable(qkv) ? recordTextures : recordTiles;
  record(tape, { qkv, blocks, y, T, heads, D, size, keys });
  return y;
}

/** Of one of the products, roughly: as if every segment had the length of the longest usual sequences. */
function productFlops(T: number, W: number): number {
  return 2 * T * Math.min(T, 512) * W;
}

interface Recording {
  qkv: Tensor;
  blocks: Tensor;
  y: Tensor;
  T: number;
  heads: number;
  D: number;
  size: Record<string, number>;
  /** `tokenKeys` where something is dropped. */
  keys: Record<string, Tensor>;
}

function recordTiles(tape: Tape, { qkv, blocks, y, T, heads, D, size, keys }: Recording): void {
  const kernel = tiledKernel(D / 4, "tokenKeys" in keys);
  const stats = tape.tensor([T, heads, 2], qkv.live, "attention stats");
  const groups = (step: Readonly<Record<string, number>>) => [step.blocks, heads, 1] as const;
  const flops = productFlops(T, heads * D);
  tape.run(kernel, "forward", {
    read: { qkv, blocks, ...keys },
    write: { y, stats },
    size,
    groups,
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
    for (const [entry, products] of [["backward_q", 3], ["backward_kv", 4]] as const) {
      tape.run(kernel, entry, {
        read: { qkv, blocks, dy, ...keys },
        write: { stats, dqkv: dqkv.tensor },
        size: { ...size, accumulate: dqkv.accumulate },
        groups,
        flops: products * flops,
      });
    }
  });
}

function recordTextures(tape: Tape, { qkv, blocks, y, T, heads, D, size, keys }: Recording): void {
  const { forward, backwardQ, backwardKV } = textureAttention(D / 4, "tokenKeys" in keys);
  const stats = tape.tensor([T, statsWidth(heads)], qkv.live, "attention stats");
  const flops = productFlops(T, heads * D);
  const run = ({ kernel, groups }: TextureKernel, products: number, at: Omit<Dispatch, "groups">) =>
    tape.run(kernel, "main", {
      size,
      ...at,
      groups: (step) => groups({ blocks: step.blocks }, heads),
      flops: products * flops,
    });
  run(forward, 2, { read: { qkv: tape.texture(qkv), blocks, ...keys }, write: { y, stats } });

  tape.onBackward(y, (dy) => {
    const dqkv = tape.grad(qkv);
    if (!dqkv) return;
    const operands = { qkv: tape.texture(qkv), dy: tape.texture(dy), blocks };
    const target = { size: { ...size, accumulate: dqkv.accumulate } };
    run(backwardQ, 3, {
      ...target,
      read: { ...operands, y: tape.texture(y), ...keys },
      write: { stats, dqkv: dqkv.tensor },
    });
    run(backwardKV, 4, {
      ...target,
      read: { ...operands, stats: tape.texture(stats) },
      write: { dqkv: dqkv.tensor },
    });
  });
}
