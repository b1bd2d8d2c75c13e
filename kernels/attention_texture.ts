// Attention whose operands are textures, for adapters where a texel costs less than a storage load (Mesa's CPU adapter).
// The formulas are those of attention.wgsl. One invocation works on several rows of one head, so that each texel of the
// other side serves them all; the WGSL is generated because Naga does not unroll loops and each sum is a named variable.
//
// Lanes lie along the heads first: where a block has fewer rows than 32, whole groups are idle, not lanes of each group.
// `stats` [T, statsWidth] holds a texel for each row and head: (lse, delta, high and low 16 bits of the row's dropout base,
// which f32 holds exactly and which spare backward_kv a storage load for each query).
import { type Kernel } from "../gpu/kernel.ts";
import { attentionBlockRows } from "./attention_blocks.ts";
import { maskSource } from "./attention_dropout.ts";
import { stepKernel, type StepUniform } from "./step.ts";

/** Invocations of a group: llvmpipe runs 8 as one vector. */
const GROUP = 8;

/** A kernel with entry point `main`, and the groups it needs. */
export interface TextureKernel {
  kernel: Kernel;
  groups(step: Readonly<Pick<StepUniform, "blocks">>, heads: number): number;
}

export interface TextureAttention {
  forward: TextureKernel;
  /** Also writes each row's delta; goes before backwardKV. */
  backwardQ: TextureKernel;
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

const cache = new Map<string, TextureAttention>();

/** The kernels of heads of `head4` vec4f. */
export function textureAttention(head4: number, drop: boolean): TextureAttention {
  const key = `${head4} ${drop}`;
  let kernels = cache.get(key);
  if (!kernels) {
    const make = (name: string, rows: number, code: (head4: number, rows: number) => string): TextureKernel => ({
      kernel: stepKernel(`attention_texture_${name}`, maskSource(drop) + code(head4, rows)),
      groups: ({ blocks }, heads) => Math.ceil(blocks * heads * (attentionBlockRows / rows) / GROUP),
    });
    kernels = {
      forward: make("forward", rowsWithin(128, head4), forwardCode),
      backwardQ: make("backward_q", rowsWithin(64, head4), backwardQCode),
      backwardKV: make("backward_kv", rowsWithin(32, head4), backwardKVCode),
    };
    cache.set(key, kernels);
  }
  return kernels;
}

function times(n: number, line: (i: number) => string): string {
  return Array.from({ length: n }, (_, i) => line(i)).join("\n");
}

/** The product of two rows of texels, named `a` and `b` followed by the texel's number. */
function dots(head4: number, a: string, b: string): string {
  return Array.from({ length: head4 }, (_, d) => `dot(${a}${d}, ${b}${d})`).join(" + ");
}

/** The beginning of all three: which head and rows an invocation has, and where its texels lie in a row. */
function begin(head4: number, rows: number): string {
  const parts = attentionBlockRows / rows;
  return `
struct Size { heads: u32, scale: f32, accumulate: u32, site: u32, dropThreshold: u32, dropScale: f32 }
@group(0) @binding(0) var qkv: texture_2d<f32>;
@group(0) @binding(1) var<storage, read> blocks: array<vec4u>;
@group(0) @binding(6) var<uniform> size: Size;
@group(0) @binding(7) var<uniform> step: Step;

// Texels of a row of stats.
fn stats_width() -> u32 { return (size.heads + 15u) / 16u * 16u; }

@compute @workgroup_size(${GROUP})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let item = (group.y * groups.x + group.x) * ${GROUP}u + lane;
  let head = item % size.heads;
  let part = item / size.heads % ${parts}u;
  let index = item / size.heads / ${parts}u;
  if (index >= step.blocks) { return; }
  let block = blocks[index];
  let start = block.z;
  let end = block.w;
  let first = block.x + part * ${rows}u;
  if (first >= block.y) { return; }
  // Rows past the block's last one repeat it and store nothing.
  ${times(rows, (r) => `let row${r} = min(first + ${r}u, block.y - 1u);`)}
  let q = head * ${head4}u;
  let k = (size.heads + head) * ${head4}u;
  let v = (size.heads * 2u + head) * ${head4}u;
  let channel = head * 65536u;
`;
}

/** Four keys at a time share one growth of the running maximum: it costs an eighth of the products, not a half. */
function forwardCode(head4: number, rows: number): string {
  const eachKey = (line: (j: number) => string) => times(4, line);
  const eachRow = (line: (r: number) => string) => times(rows, line);
  const eachTexel = (line: (d: number) => string) => times(head4, line);
  return `
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec4f>;
${begin(head4, rows)}
  ${
    eachRow((r) => `
  let base${r} = row_base(row${r});
  var top${r} = -1e30;
  var total${r} = 0.0;
  ${
      eachTexel((d) => `
  let q${r}_${d} = textureLoad(qkv, vec2u(q + ${d}u, row${r}), 0) * size.scale;
  var sum${r}_${d} = vec4f();`)
    }`)
  }
  for (var first_key = start; first_key < end; first_key += 4u) {
    let position = first_key - start;
    ${eachRow((r) => `var s${r} = vec4f();`)}
    ${
    eachKey((j) => `
    let key${j} = min(first_key + ${j}u, end - 1u);
    {
      ${eachTexel((d) => `let k${d} = textureLoad(qkv, vec2u(k + ${d}u, key${j}), 0);`)}
      ${eachRow((r) => `s${r}[${j}] = ${dots(head4, `q${r}_`, "k")};`)}
    }`)
  }
    let live = vec4u(first_key) + vec4u(0u, 1u, 2u, 3u) < vec4u(end);
    ${
    eachRow((r) => `
    {
      s${r} = select(vec4f(-1e30), s${r}, live);
      let top = max(max(max(s${r}.x, s${r}.y), max(s${r}.z, s${r}.w)), top${r});
      let shrink = exp(top${r} - top);
      top${r} = top;
      s${r} = exp(s${r} - top);
      total${r} = total${r} * shrink + (s${r}.x + s${r}.y + s${r}.z + s${r}.w);
      ${eachKey((j) => `s${r}[${j}] *= kept(base${r}, channel + position + ${j}u);`)}
      ${eachTexel((d) => `sum${r}_${d} *= shrink;`)}
    }`)
  }
    ${
    eachKey((j) => `
    {
      ${
      eachTexel((d) => `
      let v${d} = textureLoad(qkv, vec2u(v + ${d}u, key${j}), 0);
      ${eachRow((r) => `sum${r}_${d} += s${r}[${j}] * v${d};`)}`)
    }
    }`)
  }
  }
  ${
    eachRow((r) => `
  if (first + ${r}u < block.y) {
    ${eachTexel((d) => `y[(row${r} * size.heads + head) * ${head4}u + ${d}u] = sum${r}_${d} / total${r};`)}
    let lse = top${r} + log(total${r});
    stats[row${r} * stats_width() + head] = vec4f(lse, 0.0, f32(base${r} >> 16u), f32(base${r} & 0xffffu));
  }`)
  }
}
`;
}

const gradientSource = `
@group(0) @binding(4) var dy: texture_2d<f32>;
@group(0) @binding(5) var<storage, read_write> dqkv: array<vec4f>;

fn store(place: u32, value: vec4f) {
  var v = value;
  if (size.accumulate != 0u) { v += dqkv[place]; }
  dqkv[place] = v;
}
`;

function backwardQCode(head4: number, rows: number): string {
  const eachRow = (line: (r: number) => string) => times(rows, line);
  const eachTexel = (line: (d: number) => string) => times(head4, line);
  return `
@group(0) @binding(2) var y: texture_2d<f32>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec4f>;
${gradientSource}${begin(head4, rows)}
  ${
    eachRow((r) => `
  let base${r} = row_base(row${r});
  let place${r} = row${r} * stats_width() + head;
  let lse${r} = stats[place${r}].x;
  var delta${r} = 0.0;
  ${
      eachTexel((d) => `
  let q${r}_${d} = textureLoad(qkv, vec2u(q + ${d}u, row${r}), 0) * size.scale;
  let dy${r}_${d} = textureLoad(dy, vec2u(q + ${d}u, row${r}), 0);
  delta${r} += dot(dy${r}_${d}, textureLoad(y, vec2u(q + ${d}u, row${r}), 0));
  var dq${r}_${d} = vec4f();`)
    }`)
  }
  for (var key = start; key < end; key++) {
    let position = key - start;
    ${
    eachTexel((d) => `
    let k${d} = textureLoad(qkv, vec2u(k + ${d}u, key), 0);
    let v${d} = textureLoad(qkv, vec2u(v + ${d}u, key), 0);`)
  }
    ${
    eachRow((r) => `
    {
      let p = exp(${dots(head4, `q${r}_`, "k")} - lse${r});
      let ds = p * ((${dots(head4, `dy${r}_`, "v")}) * kept(base${r}, channel + position) - delta${r});
      ${eachTexel((d) => `dq${r}_${d} += ds * k${d};`)}
    }`)
  }
  }
  ${
    eachRow((r) => `
  if (first + ${r}u < block.y) {
    stats[place${r}].y = delta${r};
    ${eachTexel((d) => `store(row${r} * size.heads * ${3 * head4}u + q + ${d}u, dq${r}_${d} * size.scale);`)}
  }`)
  }
}
`;
}

function backwardKVCode(head4: number, rows: number): string {
  const eachRow = (line: (r: number) => string) => times(rows, line);
  const eachTexel = (line: (d: number) => string) => times(head4, line);
  return `
@group(0) @binding(3) var stats: texture_2d<f32>;
${gradientSource}${begin(head4, rows)}
  let position = first - start;
  ${
    eachRow((r) =>
      eachTexel((d) => `
  let k${r}_${d} = textureLoad(qkv, vec2u(k + ${d}u, row${r}), 0) * size.scale;
  let v${r}_${d} = textureLoad(qkv, vec2u(v + ${d}u, row${r}), 0);
  var dk${r}_${d} = vec4f();
  var dv${r}_${d} = vec4f();`)
    )
  }
  for (var query = start; query < end; query++) {
    let stat = textureLoad(stats, vec2u(head, query), 0);
    let base = (u32(stat.z) << 16u) | u32(stat.w);
    ${
    eachTexel((d) => `
    let q${d} = textureLoad(qkv, vec2u(q + ${d}u, query), 0);
    let dy${d} = textureLoad(dy, vec2u(q + ${d}u, query), 0);`)
  }
    ${
    eachRow((r) => `
    {
      let p = exp(${dots(head4, `k${r}_`, "q")} - stat.x);
      let weight = p * kept(base, channel + position + ${r}u);
      let ds = weight * (${dots(head4, `v${r}_`, "dy")}) - p * stat.y;
      ${eachTexel((d) => `dv${r}_${d} += weight * dy${d};`)}
      ${eachTexel((d) => `dk${r}_${d} += ds * q${d};`)}
    }`)
  }
  }
  ${
    eachRow((r) => `
  if (first + ${r}u < block.y) {
    let place = row${r} * size.heads * ${3 * head4}u;
    ${eachTexel((d) => `store(place + k + ${d}u, dk${r}_${d} * size.scale);`)}
    ${eachTexel((d) => `store(place + v + ${d}u, dv${r}_${d});`)}
  }`)
  }
}
`;
}
