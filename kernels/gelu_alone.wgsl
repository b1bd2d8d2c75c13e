// gelu_alone.wgsl: GELU of each value, where no matmul can apply it (dropout lies between), and its derivative for all.
//   forward   y = gelu(x)          backward  dx = dy gelu'(x)
// Shapes    x y dy dx [rows, W]
// Dispatch  one group of LANES for each row, folded over y past 65,535
// Limits    W divides by 4
// Numerics  f32; both forms and their derivatives are those of gelu.wgsl, which stands in front
// Source    Hendrycks, Gimpel 2016; row_operands.ts declares x and dy, bindings 0 and 2
struct Size { rows: u32, W: u32, rowSource: u32 }
alias Y = vec4f;
alias DX = vec4f;
@group(0) @binding(1) var<storage, read_write> y: array<Y>;
@group(0) @binding(3) var<storage, read_write> dx: array<DX>;
@group(0) @binding(4) var<uniform> size: Size;
@group(0) @binding(5) var<uniform> step: Step;

// As in add.wgsl: 8 on CPU adapters, 64 on GPUs.
override LANES: u32;
// Known when compiled, since Mesa's CPU adapter computes both sides of a branch on a uniform: figures in bench/tried.md.
override FORM: u32;
override ACCUMULATE: u32;

@compute @workgroup_size(LANES)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = row_of(group, folded);
  if (row >= live_rows(size.rowSource, size.rows)) { return; }
  let W4 = size.W / 4u;
  for (var w = lane; w < W4; w += LANES) { y[row * W4 + w] = Y(gelu(FORM, x_at(row, w))); }
}

@compute @workgroup_size(LANES)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = row_of(group, folded);
  if (row >= live_rows(size.rowSource, size.rows)) { return; }
  let W4 = size.W / 4u;
  for (var w = lane; w < W4; w += LANES) {
    var v = dy_at(row, w) * gelu_derivative(FORM, x_at(row, w));
    if (ACCUMULATE != 0u) { v += vec4f(dx[row * W4 + w]); }
    dx[row * W4 + w] = DX(v);
  }
}
