// rms_norm.wgsl: normalises each group of W columns by its root mean square; a row holds `heads` groups side by side.
//   forward     y  = n * (offset + gain),  n = x * rstd,  rstd = 1 / sqrt(avg(x^2) + eps);  rstd is kept for backward
//   backward_x  dx = rstd * (g - n * avg(g * n)),  g = dy * (offset + gain)
//   backward_w  partial[chunk] = its rows' sums of dy * n;  column_sum.wgsl's `finish` adds the chunks in order
//   copy        y = x, for columns that are not normalised; adds to y where `accumulate` says so
// Shapes    x y dx dy [T, columns], of which heads * W columns from `first`   gain [W]   rstd [T, heads]
//           partial [G, heads * W]
// Dispatch  forward, backward_x: ceil(T * heads / 8) groups of 8, one invocation a group of columns;  forward_wide,
//           backward_x_wide: T * heads groups of 64;  backward_w: [ceil(heads * W / 16 / 8), G] groups of 8, four vec4f of
//           columns an invocation;  backward_w_wide: [ceil(heads * W / 4 / 64), G] groups of 64
//           copy: T groups of 64.  Rows are folded over y past 65,535
// Limits    W, columns and first divide by 4, in backward_w W by 16; x may not be y
// Numerics  f32, fixed order of addition
// Source    Zhang, Sennrich 2019; offset 1 is Gemma's form (GemmaRMSNorm of transformers); by heads: Qwen3's q_norm, k_norm;
//           row_operands.ts declares x, dy and gain
struct Size {
  rows: u32, heads: u32, W: u32, columns: u32, first: u32,
  rowSource: u32, chunk: u32, accumulate: u32, eps: f32, offset: f32,
}
alias Y = vec4f;
alias DX = vec4f;
@group(0) @binding(2) var<storage, read_write> y: array<Y>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<DX>;
@group(0) @binding(6) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(7) var<uniform> size: Size;
@group(0) @binding(8) var<uniform> step: Step;

const ONES = vec4f(1.0);

fn live() -> u32 {
  return live_rows(size.rowSource, size.rows);
}

// Row of group `r`, counted over rows and heads, and the first vec4f of its columns there.
fn place_of(r: u32) -> vec2u {
  return vec2u(r / size.heads, (size.first + r % size.heads * size.W) / 4u);
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
  let place = place_of(r); let t = place.x; let first = place.y;
  let base = t * (size.columns / 4u) + first;
  var squares = vec4f();
  for (var i = 0u; i < W4; i++) { let v = x_at(t, first + i); squares += v * v; }
  let scale = inverseSqrt(dot(squares, ONES) / f32(size.W) + size.eps);
  for (var i = 0u; i < W4; i++) { y[base + i] = Y(x_at(t, first + i) * scale * (size.offset + gain_at(i))); }
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
  let place = place_of(r); let t = place.x; let first = place.y;
  let base = t * (size.columns / 4u) + first;
  let scale = rstd[r];
  var dots = vec4f();
  for (var i = 0u; i < W4; i++) { dots += dy_at(t, first + i) * (size.offset + gain_at(i)) * x_at(t, first + i); }
  let slope = dot(dots, ONES) * scale * scale / f32(size.W);
  // Two loops, as in layer_norm.wgsl.
  if (size.accumulate != 0u) {
    for (var i = 0u; i < W4; i++) {
      let v = scale * (dy_at(t, first + i) * (size.offset + gain_at(i)) - x_at(t, first + i) * slope);
      dx[base + i] = DX(vec4f(dx[base + i]) + v);
    }
  } else {
    for (var i = 0u; i < W4; i++) {
      dx[base + i] = DX(scale * (dy_at(t, first + i) * (size.offset + gain_at(i)) - x_at(t, first + i) * slope));
    }
  }
}

@compute @workgroup_size(8)
fn backward_w(@builtin(global_invocation_id) id: vec3u) {
  let columns = size.heads * size.W / 4u; let i = id.x * 4u;
  if (i >= columns) { return; }
  let head = i * 4u / size.W; let first = size.first / 4u + i;
  let heads = size.heads; let end = min(live(), (id.y + 1u) * size.chunk);
  var sum0 = vec4f(); var sum1 = vec4f(); var sum2 = vec4f(); var sum3 = vec4f();
  for (var t = id.y * size.chunk; t < end; t++) {
    let scale = rstd[t * heads + head];
    sum0 += dy_at(t, first) * x_at(t, first) * scale;
    sum1 += dy_at(t, first + 1u) * x_at(t, first + 1u) * scale;
    sum2 += dy_at(t, first + 2u) * x_at(t, first + 2u) * scale;
    sum3 += dy_at(t, first + 3u) * x_at(t, first + 3u) * scale;
  }
  let at = id.y * columns + i;
  partial[at] = sum0; partial[at + 1u] = sum1; partial[at + 2u] = sum2; partial[at + 3u] = sum3;
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
    let place = place_of(r); let t = place.x; let first = place.y;
    let base = t * (size.columns / 4u) + first;
    var squares = vec4f();
    for (var i = lane; i < W4; i += 64u) { let v = x_at(t, first + i); squares += v * v; }
    let scale = inverseSqrt(sum_lanes(lane, dot(squares, ONES)) / f32(size.W) + size.eps);
    for (var i = lane; i < W4; i += 64u) { y[base + i] = Y(x_at(t, first + i) * scale * (size.offset + gain_at(i))); }
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
    let place = place_of(r); let t = place.x; let first = place.y;
    let base = t * (size.columns / 4u) + first;
    let scale = rstd[r];
    var dots = vec4f();
    for (var i = lane; i < W4; i += 64u) { dots += dy_at(t, first + i) * (size.offset + gain_at(i)) * x_at(t, first + i); }
    let slope = sum_lanes(lane, dot(dots, ONES)) * scale * scale / f32(size.W);
    for (var i = lane; i < W4; i += 64u) {
      let at = base + i;
      var v = scale * (dy_at(t, first + i) * (size.offset + gain_at(i)) - x_at(t, first + i) * slope);
      if (size.accumulate != 0u) { v += vec4f(dx[at]); }
      dx[at] = DX(v);
    }
  }
}

@compute @workgroup_size(64)
fn backward_w_wide(@builtin(global_invocation_id) id: vec3u) {
  let columns = size.heads * size.W / 4u;
  if (id.x >= columns) { return; }
  let head = id.x * 4u / size.W;
  let end = min(live(), (id.y + 1u) * size.chunk);
  var sum = vec4f();
  for (var t = id.y * size.chunk; t < end; t++) {
    let i = size.first / 4u + id.x;
    sum += dy_at(t, i) * x_at(t, i) * rstd[t * size.heads + head];
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
  let first = size.first / 4u; let base = t * (size.columns / 4u) + first;
  for (var i = lane; i < size.heads * size.W / 4u; i += 64u) {
    if (size.accumulate != 0u) { y[base + i] = Y(vec4f(y[base + i]) + x_at(t, first + i)); } else { y[base + i] = Y(x_at(t, first + i)); }
  }
}
