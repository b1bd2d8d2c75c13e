// layer_norm.wgsl: normalises each row.
//   forward     y  = n * gain + bias,  n = (x - mean) * rstd;  mean and rstd are kept for the backward pass
//   backward_x  dx = rstd * (g - avg(g) - n * avg(g * n)),  g = dy * gain
//   backward_w  partial[chunk] = its rows' sums of (dy * n, dy);  column_sum.wgsl's `finish` adds the chunks in order
// Shapes    x y dx dy [T, W]   gain bias [W]   stats [T, 2] = (mean, rstd)   partial [G, 2 W]
// Dispatch  forward, backward_x: ceil(T / 8) groups of 8, one invocation a row;  forward_wide, backward_x_wide: T groups of
//           64, one group a row;  backward_w: [ceil(W / 16 / 8), G] groups of 8, four vec4f of columns an invocation, so that
//           one load of stats serves them;  backward_w_wide: [ceil(W / 4 / 64), G] groups of 64.  Rows are folded over y past
//           65,535
// Limits    T >= 1, W divides by 4, in backward_w by 16; x may not be y
// Numerics  f32, two passes (mean first: the one-pass variance loses digits where |mean| >> std), fixed order of addition
// Source    Ba, Kiros, Hinton 2016, equations 3 and 4; row_operands.ts declares x, dy, gain and bias
struct Size { rows: u32, W: u32, rowSource: u32, chunk: u32, accumulate: u32, eps: f32 }
alias Y = vec4f;
alias DX = vec4f;
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
  for (var i = 0u; i < W4; i++) { y[row * W4 + i] = Y((x_at(row, i) - mean) * rstd * gain_at(i) + bias_at(i)); }
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
    let g = dy_at(row, i) * gain_at(i);
    sum += g;
    dots += g * (x_at(row, i) - mean);
  }
  let avg = dot(sum, ONES) / f32(size.W);
  let slope = dot(dots, ONES) * rstd * rstd / f32(size.W);
  let first = row * W4;
  // Two loops: on a CPU adapter a load that is not done costs as much as one that is.
  if (size.accumulate != 0u) {
    for (var i = 0u; i < W4; i++) {
      let v = rstd * (dy_at(row, i) * gain_at(i) - avg - (x_at(row, i) - mean) * slope);
      dx[first + i] = DX(vec4f(dx[first + i]) + v);
    }
  } else {
    for (var i = 0u; i < W4; i++) {
      dx[first + i] = DX(rstd * (dy_at(row, i) * gain_at(i) - avg - (x_at(row, i) - mean) * slope));
    }
  }
}

@compute @workgroup_size(8)
fn backward_w(@builtin(global_invocation_id) id: vec3u) {
  let W4 = size.W / 4u; let i = id.x * 4u;
  if (i >= W4) { return; }
  let end = min(live_rows(size.rowSource, size.rows), (id.y + 1u) * size.chunk);
  var dgain0 = vec4f(); var dgain1 = vec4f(); var dgain2 = vec4f(); var dgain3 = vec4f();
  var dbias0 = vec4f(); var dbias1 = vec4f(); var dbias2 = vec4f(); var dbias3 = vec4f();
  for (var t = id.y * size.chunk; t < end; t++) {
    let s = stats[t];
    let g0 = dy_at(t, i); let g1 = dy_at(t, i + 1u); let g2 = dy_at(t, i + 2u); let g3 = dy_at(t, i + 3u);
    dgain0 += g0 * (x_at(t, i) - s.x) * s.y;
    dgain1 += g1 * (x_at(t, i + 1u) - s.x) * s.y;
    dgain2 += g2 * (x_at(t, i + 2u) - s.x) * s.y;
    dgain3 += g3 * (x_at(t, i + 3u) - s.x) * s.y;
    dbias0 += g0; dbias1 += g1; dbias2 += g2; dbias3 += g3;
  }
  let at = id.y * 2u * W4 + i;
  partial[at] = dgain0; partial[at + 1u] = dgain1; partial[at + 2u] = dgain2; partial[at + 3u] = dgain3;
  partial[at + W4] = dbias0; partial[at + W4 + 1u] = dbias1; partial[at + W4 + 2u] = dbias2; partial[at + W4 + 3u] = dbias3;
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
    for (var i = lane; i < W4; i += 64u) { y[row * W4 + i] = Y((x_at(row, i) - mean) * rstd * gain_at(i) + bias_at(i)); }
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
      let g = dy_at(row, i) * gain_at(i);
      sum += g;
      dots += g * (x_at(row, i) - mean);
    }
    let totals = sum_lanes(lane, vec2f(dot(sum, ONES), dot(dots, ONES))) / f32(size.W);
    let slope = totals.y * rstd * rstd;
    for (var i = lane; i < W4; i += 64u) {
      let at = row * W4 + i;
      var v = rstd * (dy_at(row, i) * gain_at(i) - totals.x - (x_at(row, i) - mean) * slope);
      if (size.accumulate != 0u) { v += vec4f(dx[at]); }
      dx[at] = DX(v);
    }
  }
}

@compute @workgroup_size(64)
fn backward_w_wide(@builtin(global_invocation_id) id: vec3u) {
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
