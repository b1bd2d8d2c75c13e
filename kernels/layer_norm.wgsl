// layer_norm.wgsl: normalises each row.
//   forward     y  = n * gain + bias,  n = (x - mean) * rstd;  mean and rstd are kept for the backward pass
//   backward_x  dx = rstd * (g - avg(g) - n * avg(g * n)),  g = dy * gain
//   backward_w  partial[chunk] = its rows' sums of (dy * n, dy);  column_sum.wgsl's `finish` adds the chunks in order
// Shapes    x y dx dy [T, W]   gain bias [W]   stats [T, 2] = (mean, rstd)   partial [G, 2 W]
// Dispatch  forward, backward_x: ceil(T / 8) groups of 8, one invocation a row;  forward_wide, backward_x_wide: T groups of
//           64, one group a row;  backward_w: [ceil(W / 4 / 64), G] groups of 64.  Rows are folded over y past 65,535
// Limits    T >= 1, W divides by 4; x may not be y
// Numerics  f32, two passes (mean first: the one-pass variance loses digits where |mean| >> std), fixed order of addition
// Source    Ba, Kiros, Hinton 2016, equations 3 and 4; row_operands.ts declares x and dy
struct Size { rows: u32, W: u32, rowSource: u32, chunk: u32, accumulate: u32, eps: f32 }
alias Y = vec4f;
alias DX = vec4f;
@group(0) @binding(1) var<storage, read> gain: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<Y>;
@group(0) @binding(4) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> dx: array<DX>;
@group(0) @binding(7) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(8) var<uniform> size: Size;
@group(0) @binding(9) var<uniform> step: Step;

const ONES = vec4f(1.0);

@compute @workgroup_size(8)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * groups.x + group.x) * 8u + lane;
  if (row >= live_rows(size.rowSource, size.rows)) { return; }
  let W4 = size.W / 4u;
  var sum = vec4f();
  for (var i = 0u; i < W4; i++) { sum += x_at(row, i); }
  let mean = dot(sum, ONES) / f32(size.W);
  var squares = vec4f();
  for (var i = 0u; i < W4; i++) { let d = x_at(row, i) - mean; squares += d * d; }
  let rstd = inverseSqrt(dot(squares, ONES) / f32(size.W) + size.eps);
  for (var i = 0u; i < W4; i++) { y[row * W4 + i] = Y((x_at(row, i) - mean) * rstd * gain[i] + bias[i]); }
  stats[row] = vec2f(mean, rstd);
}

@compute @workgroup_size(8)
fn backward_x(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * groups.x + group.x) * 8u + lane;
  if (row >= live_rows(size.rowSource, size.rows)) { return; }
  let W4 = size.W / 4u;
  let mean = stats[row].x; let rstd = stats[row].y;
  var sum = vec4f(); var dots = vec4f();
  for (var i = 0u; i < W4; i++) {
    let g = dy_at(row, i) * gain[i];
    sum += g;
    dots += g * (x_at(row, i) - mean);
  }
  let avg = dot(sum, ONES) / f32(size.W);
  let slope = dot(dots, ONES) * rstd * rstd / f32(size.W);
  for (var i = 0u; i < W4; i++) {
    let at = row * W4 + i;
    var v = rstd * (dy_at(row, i) * gain[i] - avg - (x_at(row, i) - mean) * slope);
    if (size.accumulate != 0u) { v += vec4f(dx[at]); }
    dx[at] = DX(v);
  }
}

var<workgroup> shared_sums: array<vec2f, 64>;

// The sum of each component over the 64 lanes, as a tree of fixed order.
fn sum_lanes(lane: u32, value: vec2f) -> vec2f {
  shared_sums[lane] = value;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half /= 2u) {
    if (lane < half) { shared_sums[lane] += shared_sums[lane + half]; }
    workgroupBarrier();
  }
  let total = shared_sums[0];
  workgroupBarrier();
  return total;
}

@compute @workgroup_size(64)
fn forward_wide(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  let W4 = size.W / 4u;
  // Uniform for the group: all its lanes work on one row.
  if (row < live_rows(size.rowSource, size.rows)) {
    var sum = vec4f();
    for (var i = lane; i < W4; i += 64u) { sum += x_at(row, i); }
    let mean = sum_lanes(lane, vec2f(dot(sum, ONES), 0.0)).x / f32(size.W);
    var squares = vec4f();
    for (var i = lane; i < W4; i += 64u) { let d = x_at(row, i) - mean; squares += d * d; }
    let rstd = inverseSqrt(sum_lanes(lane, vec2f(dot(squares, ONES), 0.0)).x / f32(size.W) + size.eps);
    for (var i = lane; i < W4; i += 64u) { y[row * W4 + i] = Y((x_at(row, i) - mean) * rstd * gain[i] + bias[i]); }
    if (lane == 0u) { stats[row] = vec2f(mean, rstd); }
  }
}

@compute @workgroup_size(64)
fn backward_x_wide(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.y * groups.x + group.x;
  let W4 = size.W / 4u;
  if (row < live_rows(size.rowSource, size.rows)) {
    let mean = stats[row].x; let rstd = stats[row].y;
    var sum = vec4f(); var dots = vec4f();
    for (var i = lane; i < W4; i += 64u) {
      let g = dy_at(row, i) * gain[i];
      sum += g;
      dots += g * (x_at(row, i) - mean);
    }
    let totals = sum_lanes(lane, vec2f(dot(sum, ONES), dot(dots, ONES))) / f32(size.W);
    let slope = totals.y * rstd * rstd;
    for (var i = lane; i < W4; i += 64u) {
      let at = row * W4 + i;
      var v = rstd * (dy_at(row, i) * gain[i] - totals.x - (x_at(row, i) - mean) * slope);
      if (size.accumulate != 0u) { v += vec4f(dx[at]); }
      dx[at] = DX(v);
    }
  }
}

@compute @workgroup_size(64)
fn backward_w(@builtin(global_invocation_id) id: vec3u) {
  let W4 = size.W / 4u;
  if (id.x >= W4) { return; }
  let end = min(live_rows(size.rowSource, size.rows), (id.y + 1u) * size.chunk);
  var dgain = vec4f(); var dbias = vec4f();
  for (var t = id.y * size.chunk; t < end; t++) {
    let g = dy_at(t, id.x);
    dgain += g * (x_at(t, id.x) - stats[t].x) * stats[t].y;
    dbias += g;
  }
  partial[id.y * 2u * W4 + id.x] = dgain;
  partial[id.y * 2u * W4 + W4 + id.x] = dbias;
}
