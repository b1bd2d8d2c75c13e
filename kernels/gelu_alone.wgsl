// gelu_alone.wgsl: GELU of each value, where no matmul can apply it (dropout lies between), and its derivative for all.
//   forward   y = gelu(x)          backward  dx = dy gelu'(x)
// Shapes    x y dy dx [rows, W]
// Dispatch  ceil(rows * W / 4 / 64) groups of 64, folded over y past 65,535
// Limits    W divides by 4
// Numerics  f32; both forms and their derivatives are those of gelu.wgsl, which stands in front
// Source    Hendrycks, Gimpel 2016; row_operands.ts declares x and dy, bindings 0 and 2
struct Size { rows: u32, W: u32, rowSource: u32, form: u32, accumulate: u32 }
alias Y = vec4f;
alias DX = vec4f;
@group(0) @binding(1) var<storage, read_write> y: array<Y>;
@group(0) @binding(3) var<storage, read_write> dx: array<DX>;
@group(0) @binding(4) var<uniform> size: Size;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) folded: vec3u) {
  let i = id.y * folded.x * 64u + id.x;
  if (i >= live_rows(size.rowSource, size.rows) * (size.W / 4u)) { return; }
  y[i] = Y(gelu(size.form, x_at(i / (size.W / 4u), i % (size.W / 4u))));
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) folded: vec3u) {
  let i = id.y * folded.x * 64u + id.x;
  if (i >= live_rows(size.rowSource, size.rows) * (size.W / 4u)) { return; }
  let row = i / (size.W / 4u); let column = i % (size.W / 4u);
  var v = dy_at(row, column) * gelu_derivative(size.form, x_at(row, column));
  if (size.accumulate != 0u) { v += vec4f(dx[i]); }
  dx[i] = DX(v);
}
