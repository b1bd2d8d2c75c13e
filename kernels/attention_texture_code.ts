// What the three kernels of attention with textures have in common: their unrolling, their bindings and their first lines.
//
// Lanes lie along the heads first: where a block has fewer rows than 32, whole groups are idle, not lanes of each group. In
// long segments they lie along the rows first, so that a group walks over the keys of one or two heads and not of eight, which
// no cache holds.
// `stats` [T, statsWidth] holds a texel for each row and head: (lse, delta, high and low 16 bits of the row's dropout base,
// which f32 holds exactly and which spare backward_kv a storage load for each query).
import { attentionBlockRows } from "./attention_blocks.ts";
import { type ScoreForm } from "./attention_scores.ts";
import { type RelativeForm } from "./relative_positions.ts";
import { times } from "./texture_code.ts";

/** Invocations of a group: llvmpipe runs 8 as one vector. */
export const GROUP = 8;

/**
 * Rows of a segment from which on lanes lie along the rows first: sequences of 4,096 cost half as much so, those of 512 the
 * same, those of 100 a quarter more (eight heads of 64, llvmpipe, 2026-11-24, bench/tried.md).
 */
const LONG = 1024;

/** What the code of the kernels depends on. */
export interface AttentionForm extends ScoreForm, RelativeForm {
  /** Vec4f of a head. */
  head4: number;
  /** Whether several query heads share a key head. */
  grouped: boolean;
}

/** The dropout mask of a pair. */
export function mask(base: string, channel: string): string {
  return `kept_by(${base}, ${channel}, dropThreshold, dropScale)`;
}

/** The product of two rows of texels, named `a` and `b` followed by the texel's number. */
export function dots(head4: number, a: string, b: string): string {
  return Array.from({ length: head4 }, (_, d) => `dot(${a}${d}, ${b}${d})`).join(" + ");
}

/**
 * The beginning of all three: which head (`head` of queries or `key_head` of keys) and rows an invocation has, and where in
 * a row the texels of its key head lie.
 */
export function begin(rows: number, { head4, c2p, p2c }: AttentionForm, own: "head" | "key_head"): string {
  const parts = attentionBlockRows / rows;
  return `
struct Size {
  heads: u32,
  kvHeads: u32,
  firstHead: u32,
  headCount: u32,
  columns: u32,
  reach: u32,
  scale: f32,
  softcap: f32,
  before: u32,
  after: u32,
  accumulate: u32,
  site: u32,
  dropThreshold: u32,
  dropScale: f32,
}
@group(0) @binding(0) var qkv: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var<storage, read> blocks: array<vec4u>;
@group(0) @binding(6) var<uniform> size: Size;
@group(0) @binding(7) var<uniform> step: Step;

// Texels of a row of stats, and of qkv.
fn stats_width() -> u32 { return (size.heads + 15u) / 16u * 16u; }
fn qkv_width() -> u32 { return (size.heads + 2u * size.kvHeads) * ${head4}u; }

@compute @workgroup_size(${GROUP})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let item = (group.y * groups.x + group.x) * ${GROUP}u + lane;
  let index = item / size.headCount / ${parts}u;
  if (index >= step.blocks) { return; }
  let block = blocks[index];
  let within = item % (size.headCount * ${parts}u);
  let is_long = block.w - block.z >= ${LONG}u;
  let ${own} = size.firstHead + select(within % size.headCount, within / ${parts}u, is_long);
  let part = select(within / size.headCount, within % ${parts}u, is_long);
  let start = block.z;
  let end = block.w;
  let first = block.x + part * ${rows}u;
  if (first >= block.y) { return; }
  // Rows past the block's last one repeat it and store nothing.
  ${times(rows, (r) => `let row${r} = min(first + ${r}u, block.y - 1u);`)}
  let sharing = size.heads / size.kvHeads;
  ${own === "head" ? "let key_head = head / sharing;" : ""}
  let k = (size.heads + key_head) * ${head4}u;
  let v = (size.heads + size.kvHeads + key_head) * ${head4}u;
  // llvmpipe reads a uniform again for each pair unless it is named before the loop.
  let dropThreshold = size.dropThreshold;
  let dropScale = size.dropScale;
  ${c2p || p2c ? `let reach = i32(size.reach);\nlet scores = (${own} - size.firstHead) * (size.columns / 4u);` : ""}
`;
}
