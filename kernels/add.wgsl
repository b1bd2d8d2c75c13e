// add.wgsl: the residual's sum with dropout, dropout alone, and their gradients, which are dropout again.
//   add          y = x + a          add_dropped   y = x + mask * a
//   copy         y = x              dropped       y = mask * x;  both add to y where ACCUMULATE says so
//   mask         0 where a channel is dropped, dropScale = 1 / (1 - rate) where it is kept: dropout.wgsl
// Shapes    x a y [rows, W]   keys [rows]
// Dispatch  one group of LANES for each row, folded over y past 65,535
// Limits    W divides by 4; y is neither x nor a
// Numerics  f32; the mask depends on a row's key, the site and the channel only
// Source    Srivastava et al. 2014, in the inverted form of torch.nn.Dropout
struct Size { rows: u32, W: u32, rowSource: u32, dropThreshold: u32, dropScale: f32, site: u32 }
alias X = vec4f;
alias A = vec4f;
alias Y = vec4f;
@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read> a: array<A>;
@group(0) @binding(2) var<storage, read> keys: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Y>;
@group(0) @binding(4) var<uniform> size: Size;
@group(0) @binding(5) var<uniform> step: Step;

// 8 on CPU adapters, whose invocations run eight at a time through all of their loop: a group then reads forwards; 64 on
// GPUs. Measured for the same loop in adamw.wgsl: bench/tried.md.
override LANES: u32;

// Known when compiled, as a load that is not done costs as much as one that is on a CPU adapter.
override ACCUMULATE: u32;

fn store(i: u32, value: vec4f) {
  if (ACCUMULATE != 0u) { y[i] = Y(vec4f(y[i]) + value); } else { y[i] = Y(value); }
}

@compute @workgroup_size(LANES)
fn add(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = row_of(group, folded);
  if (row >= live_rows(size.rowSource, size.rows)) { return; }
  let W4 = size.W / 4u; let first = row * W4;
  for (var w = lane; w < W4; w += LANES) { y[first + w] = Y(vec4f(x[first + w]) + vec4f(a[first + w])); }
}

@compute @workgroup_size(LANES)
fn add_dropped(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = row_of(group, folded);
  if (row >= live_rows(size.rowSource, size.rows)) { return; }
  let W4 = size.W / 4u; let first = row * W4;
  let base = dropout_base(keys[row], size.site);
  let threshold = size.dropThreshold; let scale = size.dropScale;
  for (var w = lane; w < W4; w += LANES) {
    y[first + w] = Y(vec4f(x[first + w]) + dropout4(base, w * 4u, threshold, scale) * vec4f(a[first + w]));
  }
}

@compute @workgroup_size(LANES)
fn copy(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = row_of(group, folded);
  if (row >= live_rows(size.rowSource, size.rows)) { return; }
  let W4 = size.W / 4u; let first = row * W4;
  for (var w = lane; w < W4; w += LANES) { store(first + w, vec4f(x[first + w])); }
}

@compute @workgroup_size(LANES)
fn dropped(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = row_of(group, folded);
  if (row >= live_rows(size.rowSource, size.rows)) { return; }
  let W4 = size.W / 4u; let first = row * W4;
  let base = dropout_base(keys[row], size.site);
  let threshold = size.dropThreshold; let scale = size.dropScale;
  for (var w = lane; w < W4; w += LANES) { store(first + w, dropout4(base, w * 4u, threshold, scale) * vec4f(x[first + w])); }
}
