// cast.wgsl: copies values into another storage type.
//   main  y = x, rounded to y's type
// Shapes    x y [rows, W]
// Dispatch  ceil(live values / 4 / 64) groups of 64, folded over y past 65,535
// Limits    W divides by 4; x and y are f32 or f16, see gpu/kernel.ts
// Numerics  a magnitude above 65,504 becomes infinite in f16, one below 6e-8 becomes 0
// Source    none
struct Size { rows: u32, W: u32, rowSource: u32 }
alias X = vec4f;
alias Y = vec4f;
@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read_write> y: array<Y>;
@group(0) @binding(2) var<uniform> size: Size;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) folded: vec3u) {
  let i = id.y * folded.x * 64u + id.x;
  if (i >= live_rows(size.rowSource, size.rows) * (size.W / 4u)) { return; }
  y[i] = Y(vec4f(x[i]));
}
