// rms_norm.wgsl: normalises each group of W columns by its root mean square; a row holds `heads` groups side by side.
//   forward     y  = n * (offset + gain),  n = x * rstd,  rstd = 1 / sqrt(avg(x^2) + eps);  rstd is kept for backward
//   backward_x  dx = rstd * (g - n * avg(g * n)),  g = dy * (offset + gain)
//   backward_w  partial[chunk] = its rows' sums of dy * n;  column_sum.wgsl's `finish` adds the chunks in order
//   copy        y = x, for columns that are not normalised; adds to y where `accumulate` says so
// Shapes    x y dx dy [T, columns], of which heads * W columns from `first`   gain [W]   rstd [T, heads]
//           partial [G, heads * W]
// Dispatch  forward, backward_x: ceil(T * heads / 8) groups of 8, one invocation a group of columns;  forward_wide,
//           backward_x_wide: T * heads groups of 64;  backward_w: [ceil(heads * W / 4 / 64), G] groups of 64
//           copy: T groups of 64.  Rows are folded over y past 65,535
// Limits    W, columns and first divide by 4; x may not be y
// Numerics  f32, fixed order of addition
// Source    Zhang, Sennrich 2019; offset 1 is Gemma's form (GemmaRMSNorm of transformers); by heads: Qwen3's q_norm, k_norm
struct Size {
  rows: u32, heads: u32, W: u32, columns: u32, first: u32,
  rowSource: u32, chunk: u32, accumulate: u32, eps: f32, offset: f32,
}
alias X = vec4f;
alias Y = vec4f;
alias DY = vec4f;
alias DX = vec4f;
@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read> gain: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<Y>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<DY>;
@group(0) @binding(5) var<storage, read_write> dx: array<DX>;
@group(0) @binding(6) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(7) var<uniform> size: Size;
@group(0) @binding(8) var<uniform> step: Step;

const ONES = vec4f(1.0);

fn live() -> u32 {
  return live_rows(size.rowSource, size.rows);
}

// First vec4f of the columns of group `r`, counted over rows and heads.
fn base_of(r: u32) -> u32 {
  return (r / size.heads * size.columns + size.first + r % size.heads * size.W) / 4u;
}

@compute @workgroup_size(8)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let r = (group.y * groups.x + group.x) * 8u + lane;
  if (r >= live() * size.heads) { return; }
  let W4 = size.W / 4u;
  let base = base_of(r);
  var squares = vec4f();
  for (var i = 0u; i < W4; i++) { let v = vec4f(x[base + i]); squares += v * v; }
  let scale = inverseSqrt(dot(squares, ONES) / f32(size.W) + size.eps);
  for (var i = 0u; i < W4; i++) { y[base + i] = Y(vec4f(x[base + i]) * scale * (size.offset + gain[i])); }
  rstd[r] = scale;
}

@compute @workgroup_size(8)
fn backward_x(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let r = (group.y * groups.x + group.x) * 8u + lane;
  if (r >= live() * size.heads) { return; }
  let W4 = size.W / 4u;
  let base = base_of(r);
  let scale = rstd[r];
  var dots = vec4f();
  for (var i = 0u; i < W4; i++) { dots += vec4f(dy[base + i]) * (size.offset + gain[i]) * vec4f(x[base + i]); }
  let slope = dot(dots, ONES) * scale * scale / f32(size.W);
  for (var i = 0u; i < W4; i++) {
    let at = base + i;
    var v = scale * (vec4f(dy[at]) * (size.offset + gain[i]) - vec4f(x[at]) * slope);
    if (size.accumulate != 0u) { v += vec4f(dx[at]); }
    dx[at] = DX(v);
  }
}

var<workgroup> shared_sums: array<f32, 64>;

// The sum over the 64 lanes, as a tree of fixed order.
fn sum_lanes(lane: u32, value: f32) -> f32 {
  shared_sums[lane] = value;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half /= 2u) {
    if (lane < half) { shared_sums[lane] += shared_sums[lane + half]; }
    workgroupBarrier();
  }
  return shared_sums[0];
}

@compute @workgroup_size(64)
fn forward_wide(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let r = group.y * groups.x + group.x;
  let W4 = size.W / 4u;
  // Uniform for the group: all its lanes work on one row.
  if (r < live() * size.heads) {
    let base = base_of(r);
    var squares = vec4f();
    for (var i = lane; i < W4; i += 64u) { let v = vec4f(x[base + i]); squares += v * v; }
    let scale = inverseSqrt(sum_lanes(lane, dot(squares, ONES)) / f32(size.W) + size.eps);
    for (var i = lane; i < W4; i += 64u) { y[base + i] = Y(vec4f(x[base + i]) * scale * (size.offset + gain[i])); }
    if (lane == 0u) { rstd[r] = scale; }
  }
}

@compute @workgroup_size(64)
fn backward_x_wide(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let r = group.y * groups.x + group.x;
  let W4 = size.W / 4u;
  if (r < live() * size.heads) {
    let base = base_of(r);
    let scale = rstd[r];
    var dots = vec4f();
    for (var i = lane; i < W4; i += 64u) { dots += vec4f(dy[base + i]) * (size.offset + gain[i]) * vec4f(x[base + i]); }
    let slope = sum_lanes(lane, dot(dots, ONES)) * scale * scale / f32(size.W);
    for (var i = lane; i < W4; i += 64u) {
      let at = base + i;
      var v = scale * (vec4f(dy[at]) * (size.offset + gain[i]) - vec4f(x[at]) * slope);
      if (size.accumulate != 0u) { v += vec4f(dx[at]); }
      dx[at] = DX(v);
    }
  }
}

@compute @workgroup_size(64)
fn backward_w(@builtin(global_invocation_id) id: vec3u) {
  let columns = size.heads * size.W / 4u;
  if (id.x >= columns) { return; }
  let head = id.x * 4u / size.W;
  let end = min(live(), (id.y + 1u) * size.chunk);
  var sum = vec4f();
  for (var t = id.y * size.chunk; t < end; t++) {
    let at = (t * size.columns + size.first) / 4u + id.x;
    sum += vec4f(dy[at]) * vec4f(x[at]) * rstd[t * size.heads + head];
  }
  partial[id.y * columns + id.x] = sum;
}

@compute @workgroup_size(64)
fn copy(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = group.y * groups.x + group.x;
  if (t >= live()) { return; }
  let base = (t * size.columns + size.first) / 4u;
  for (var i = lane; i < size.heads * size.W / 4u; i += 64u) {
    if (size.accumulate != 0u) { y[base + i] = Y(vec4f(y[base + i]) + vec4f(x[base + i])); } else { y[base + i] = Y(vec4f(x[base + i])); }
  }
}
