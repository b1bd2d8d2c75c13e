// gelu_backward.wgsl: dpre = dy * gelu'(pre), element by element.
// Shapes    pre dy dpre [rows, W], read as one row of vec4f
// Dispatch  ceil(live elements / 4 / 64) groups of 64, folded over y past 65,535
// Limits    W divides by 4
// Numerics  f32; the derivative of exactly the form that the forward pass applied (gelu.wgsl holds both)
// Source    gelu.wgsl; row_operands.ts declares pre and dy, bindings 0 and 1
struct Size { rows: u32, W: u32, rowSource: u32, gelu: u32 }
alias DPre = vec4f;
@group(0) @binding(2) var<storage, read_write> dpre: array<DPre>;
@group(0) @binding(3) var<uniform> size: Size;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 64u + lane;
  if (i >= live_rows(size.rowSource, size.rows) * (size.W / 4u)) { return; }
  let row = i / (size.W / 4u); let column = i % (size.W / 4u);
  dpre[i] = DPre(dy_at(row, column) * gelu_derivative(size.gelu, pre_at(row, column)));
}
