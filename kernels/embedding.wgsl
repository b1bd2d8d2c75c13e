// embedding.wgsl: rows of up to three tables, summed, and the gradients of the tables without atomics.
//   sum1 .. sum3    y[t] = scale * (table0[ids0[t]] + table1[ids1[t]] + table2[ids2[t]])
//   add_groups      dtable[rows[r]] += scale * sum of dy[order[i]], i = starts[r] .. starts[r + 1] - 1, ascending
//   partial_few     partial[g, v] = sum of dy[t] over the tokens t of chunk g with ids0[t] = v, t ascending
//   finish_few      dtable[v] += scale * sum of partial[g, v], g ascending
// Shapes    table dtable [V, W]   ids order rows [T]   starts [T + 1]   y dy [T, W]   partial [ceil(T / 64), V, W]
// Dispatch  sums: T groups of 64;  add_groups: one group of 64 for each distinct row; both folded over y past 65,535
//           partial_few: [ceil(W / 4 / 64), chunks, V];  finish_few: [ceil(W / 4 / 64), V], groups of 64
// Limits    W divides by 4; of table0 and dtable the V rows from `firstRow` on are bound, and ids of others left alone; the few-rows entries are for tables of at most 8 rows (token types), where
//           one group for each row would be one serial chain over all tokens
// Numerics  f32, fixed order; dtable is added to, as every parameter's gradient
// Source    the definition
struct Size { T: u32, W: u32, firstRow: u32, V: u32, rowSource: u32, chunk: u32, groups: u32, scale: f32 }
alias Y = vec4f;
alias DY = vec4f;
@group(0) @binding(0) var<storage, read> table0: array<vec4f>;
@group(0) @binding(1) var<storage, read> table1: array<vec4f>;
@group(0) @binding(2) var<storage, read> table2: array<vec4f>;
@group(0) @binding(3) var<storage, read> ids0: array<u32>;
@group(0) @binding(4) var<storage, read> ids1: array<u32>;
@group(0) @binding(5) var<storage, read> ids2: array<u32>;
@group(0) @binding(6) var<storage, read_write> y: array<Y>;
@group(0) @binding(7) var<storage, read> dy: array<DY>;
@group(0) @binding(8) var<storage, read> rows: array<u32>;
@group(0) @binding(9) var<storage, read> starts: array<u32>;
@group(0) @binding(10) var<storage, read> order: array<u32>;
@group(0) @binding(11) var<storage, read_write> dtable: array<vec4f>;
@group(0) @binding(12) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(13) var<uniform> size: Size;
@group(0) @binding(14) var<uniform> step: Step;

// A table larger than a binding is bound in parts, one dispatch each.
fn is_bound(row: u32) -> bool { return row >= size.firstRow && row - size.firstRow < size.V; }
fn bound_row(row: u32) -> u32 { return row - size.firstRow; }

@compute @workgroup_size(64)
fn sum1(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = row_of(group, folded);
  if (t >= live_rows(size.rowSource, size.T) || !is_bound(ids0[t])) { return; }
  let W4 = size.W / 4u;
  let row0 = bound_row(ids0[t]) * W4;
  for (var w = lane; w < W4; w += 64u) { y[t * W4 + w] = Y(size.scale * table0[row0 + w]); }
}

@compute @workgroup_size(64)
fn sum2(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = row_of(group, folded);
  if (t >= live_rows(size.rowSource, size.T) || !is_bound(ids0[t])) { return; }
  let W4 = size.W / 4u;
  let row0 = bound_row(ids0[t]) * W4;
  let row1 = ids1[t] * W4;
  for (var w = lane; w < W4; w += 64u) { y[t * W4 + w] = Y(size.scale * (table0[row0 + w] + table1[row1 + w])); }
}

@compute @workgroup_size(64)
fn sum3(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = row_of(group, folded);
  if (t >= live_rows(size.rowSource, size.T) || !is_bound(ids0[t])) { return; }
  let W4 = size.W / 4u;
  let row0 = bound_row(ids0[t]) * W4;
  let row1 = ids1[t] * W4;
  let row2 = ids2[t] * W4;
  for (var w = lane; w < W4; w += 64u) {
    y[t * W4 + w] = Y(size.scale * (table0[row0 + w] + table1[row1 + w] + table2[row2 + w]));
  }
}

@compute @workgroup_size(64)
fn add_groups(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let r = row_of(group, folded);
  if (r >= unique_rows(size.groups) || !is_bound(rows[r])) { return; }
  let W4 = size.W / 4u;
  let row = bound_row(rows[r]) * W4;
  let first = starts[r];
  let end = starts[r + 1u];
  for (var w = lane; w < W4; w += 64u) {
    var sum = vec4f();
    for (var i = first; i < end; i++) { sum += vec4f(dy[order[i] * W4 + w]); }
    dtable[row + w] += size.scale * sum;
  }
}

@compute @workgroup_size(64)
fn partial_few(@builtin(global_invocation_id) id: vec3u) {
  let W4 = size.W / 4u;
  if (id.x >= W4) { return; }
  let end = min(live_rows(size.rowSource, size.T), (id.y + 1u) * size.chunk);
  var sum = vec4f();
  for (var t = id.y * size.chunk; t < end; t++) {
    if (ids0[t] == id.z) { sum += vec4f(dy[t * W4 + id.x]); }
  }
  partial[(id.y * size.V + id.z) * W4 + id.x] = sum;
}

@compute @workgroup_size(64)
fn finish_few(@builtin(global_invocation_id) id: vec3u) {
  let W4 = size.W / 4u;
  if (id.x >= W4) { return; }
  let chunks = (live_rows(size.rowSource, size.T) + size.chunk - 1u) / size.chunk;
  var sum = vec4f();
  for (var g = 0u; g < chunks; g++) { sum += partial[(g * size.V + id.y) * W4 + id.x]; }
  dtable[id.y * W4 + id.x] += size.scale * sum;
}
