// loss_scale.wgsl: multiplies the gradient that the backward pass starts from.
//   main  dlogits *= state[0]
// Shapes    dlogits [B, C]   state [3], see loss_scale.ts
// Dispatch  ceil(live values / 64) groups of 64
// Numerics  scales are powers of two, so nothing is rounded
// Source    Micikevicius et al. 2018, "Mixed Precision Training", section 3.2
struct Size { rows: u32, C: u32, rowSource: u32 }
@group(0) @binding(0) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(1) var<storage, read> state: array<f32>;
@group(0) @binding(2) var<uniform> size: Size;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < live_rows(size.rowSource, size.rows) * size.C) { dlogits[id.x] *= state[0]; }
}
