// dequantise.wgsl: the values of a quantised weight, for kernels that read floats; quantised.wgsl stands in front.
// Shapes    y [rows, K] from value `firstValue` of the storage on; K a multiple of 64
// Dispatch  one invocation a word of codes, 64 a group, folded over y
// Numerics  f32: as bitsandbytes' own, but for a product and sum that may be fused (1 ulp of the block's scale)
struct Size { words: u32, firstValue: u32, bound: u32, blocks: u32 }
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<uniform> size: Size;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = (group.y * groups.x + group.x) * 64u + lane;
  if (at >= size.words) { return; }
  let value = size.firstValue + at * (32u / BITS);
  let code = codes[(value - size.bound) / (32u / BITS)];
  let scale = block_scale(value / 64u, size.blocks);
  if (BITS == 8u) { y[at] = scale * four_int8(code); return; }
  y[2u * at] = scale * four_nf4(code);
  y[2u * at + 1u] = scale * four_nf4(code >> 16u);
}
