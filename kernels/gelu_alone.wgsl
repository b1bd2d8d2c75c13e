// gelu_alone.wgsl: GELU of each value, where no matmul can apply it: dropout lies between.
//   forward   y = gelu(x)          backward  dx = dy gelu'(x)
// Shapes    x y dy dx [rows, W]
// Dispatch  ceil(rows * W / 4 / 64) groups of 64, folded over y past 65,535
// Limits    W divides by 4
// Numerics  f32; both forms and their derivatives are those of gelu.wgsl, which stands in front
// Source    ConvLayer of transformers' modeling_deberta_v2.py
struct Size { rows: u32, W: u32, rowSource: u32, form: u32, accumulate: u32 }
alias X = vec4f;
alias Y = vec4f;
alias DY = vec4f;
alias DX = vec4f;
@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read_write> y: array<Y>;
@group(0) @binding(2) var<storage, read> dy: array<DY>;
@group(0) @binding(3) var<storage, read_write> dx: array<DX>;
@group(0) @binding(4) var<uniform> size: Size;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) folded: vec3u) {
  let i = id.y * folded.x * 64u + id.x;
  if (i >= live_rows(size.rowSource, size.rows) * (size.W / 4u)) { return; }
  y[i] = Y(gelu(size.form, vec4f(x[i])));
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) folded: vec3u) {
  let i = id.y * folded.x * 64u + id.x;
  if (i >= live_rows(size.rowSource, size.rows) * (size.W / 4u)) { return; }
  var v = vec4f(dy[i]) * gelu_derivative(size.form, vec4f(x[i]));
  if (size.accumulate != 0u) { v += vec4f(dx[i]); }
  dx[i] = DX(v);
}
