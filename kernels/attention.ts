// Bidirectional self-attention inside segments: forward and, right below, backward; see attention.wgsl.
// Two schedules: workgroup tiles of storage buffers (attention.wgsl), and operands as textures (attention_texture.ts).
import source from "./attention.wgsl" with { type: "text" };
import dropoutSource from "./dropout.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { type Kernel } from "../gpu/kernel.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
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

/** What the kernels call for masks where nothing is dropped. */
const keepAll = `
fn row_base(row: u32) -> u32 { return 0u; }
fn kept(base: u32, channel: u32) -> f32 { return 1.0; }
`;

const dropSome = `${dropoutSource}
@group(0) @binding(8) var<storage, read> tokenKeys: array<u32>;
fn row_base(row: u32) -> u32 { return dropout_base(tokenKeys[row], size.site); }
fn kept(base: u32, channel: u32) -> f32 {
  return select(0.0, size.dropScale, hash1(base + channel * 0x9e3779b9u) >= size.dropThreshold);
}
`;

const kernels = new Map<string, Kernel>();

function tiledKernel(head4: number, drop: boolean): Kernel {
  const key = `${head4} ${drop}`;
  let kernel = kernels.get(key);
  if (!kernel) {
    const code = `const HEAD4 = ${head4}u;\n${drop ? dropSome : keepAll}${source}`;
    kernels.set(key, kernel = stepKernel("attention", code));
  }
  return kernel;
}

/**
 * softmax(q k^T / sqrt(D)) v inside each segment, [T, 3 W] -> [T, W], with dropout on the probabilities as in BERT.
 *
 * @throws {ShapeError} if the columns do not split into q, k and v of `heads` heads of a multiple of 4
 */
export function attention(tape: Tape, { qkv, heads, blocks, dropout }: AttentionOptions): Tensor {
  const [T, columns] = shape2(qkv), W = columns / 3, D = W / heads;
  if (D % 4 !== 0 || qkv.live !== "tokens") {
    throw new ShapeError(
      `Cannot attend over ${qkv.live ?? "fixed"} rows of [${qkv.shape}] with ${heads} heads: ` +
        `it takes live tokens and three times heads of 4n columns`,
    );
  }
  const drop = dropout !== undefined && dropout.rate > 0;
  const kernel = tiledKernel(D / 4, drop);
  const y = tape.output([T, W], qkv.live, [qkv], "attention");
  const stats = tape.tensor([T, heads, 2], qkv.live, "attention stats");
  const size = { heads, scale: 1 / Math.sqrt(D), accumulate: 0, ...dropoutFields(dropout) };
  const keys: Record<string, Tensor> = drop ? { tokenKeys: dropout.tokenKeys } : {};
  const groups = (step: Readonly<Record<string, number>>) => [step.blocks, heads, 1] as const;
  tape.run(kernel, "forward", { read: { qkv, blocks, ...keys }, write: { y, stats }, size, groups });

  tape.onBackward(y, (dy) => {
    const dqkv = tape.grad(qkv);
    if (!dqkv) return;
    tape.run(kernel, "delta", {
      read: { dy },
      write: { y, stats },
      size,
      groups: (step) => Math.ceil(step.tokens * heads / 64),
    });
    for (const entry of ["backward_q", "backward_kv"]) {
      tape.run(kernel, entry, {
        read: { qkv, blocks, dy, ...keys },
        write: { stats, dqkv: dqkv.tensor },
        size: { ...size, accumulate: dqkv.accumulate },
        groups,
      });
    }
  });
  return y;
}
