// Attention whose operands are textures, for adapters where a texel costs less than a storage load (Mesa's CPU adapter).
// The formulas are those of attention.wgsl. One invocation works on several rows of one head, so that each texel of the
// other side serves them all; the WGSL is generated because Naga does not unroll loops and each sum is a named variable.
import { type Kernel } from "../gpu/kernel.ts";
import { attentionBlockRows } from "./attention_blocks.ts";
import { maskSource } from "./attention_dropout.ts";
import { scoreSource } from "./attention_scores.ts";
import { backwardKVCode, backwardQCode } from "./attention_texture_backward.ts";
import { type AttentionForm, GROUP } from "./attention_texture_code.ts";
import { relativeSource } from "./attention_texture_relative.ts";
import { forwardCode } from "./attention_texture_forward.ts";
import { stepKernel, type StepUniform } from "./step.ts";

/** A kernel with entry point `main`, and the groups it needs for so many heads of its own rows. */
export interface TextureKernel {
  kernel: Kernel;
  groups(step: Readonly<Pick<StepUniform, "blocks">>, heads: number): number;
}

export interface TextureAttention {
  forward: TextureKernel;
  /** Also writes each row's delta; goes before backwardKV. */
  backwardQ: TextureKernel;
  /** One invocation a key head: its groups are counted by these. */
  backwardKV: TextureKernel;
}

/** Floats of one row of `stats`: copied to a texture, rows are 256 bytes apart. */
export function statsWidth(heads: number): number {
  return Math.ceil(heads * 4 / 64) * 64;
}

/**
 * Rows of one invocation: as many as keep rows x head4 within `texels`, at most 8. More rows share each texel but take longer
 * to compile; the budgets below keep a cold pipeline near a second (bench/tried.md). A power of two, to divide a block.
 */
function rowsWithin(texels: number, head4: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, Math.min(8, texels / head4))));
}

const cache = new Map<string, TextureKernel>();

/** The kernels of one form. */
export function textureAttention(form: AttentionForm, drop: boolean): TextureAttention {
  const { head4, bounded, capped, grouped, c2p, p2c } = form;
  const make = (
    name: string,
    [texels, code, ...also]: [texels: number, code: typeof forwardCode, ...also: boolean[]],
  ): TextureKernel => {
    const key = JSON.stringify([name, head4, bounded, capped, c2p, p2c, drop, also]);
    let kernel = cache.get(key);
    if (!kernel) {
      const rows = rowsWithin(texels, head4);
      kernel = {
        kernel: stepKernel(
          `attention_texture_${name}`,
          maskSource(drop) + scoreSource(form) + relativeSource(form) + code(form, rows),
        ),
        groups: ({ blocks }, heads) => Math.ceil(blocks * heads * (attentionBlockRows / rows) / GROUP),
      };
      cache.set(key, kernel);
    }
    return kernel;
  };
  return {
    forward: make("forward", [128, forwardCode]),
    backwardQ: make("backward_q", [64, backwardQCode]),
    backwardKV: make("backward_kv", [32, backwardKVCode, grouped]),
  };
}
