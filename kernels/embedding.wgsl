// embedding.wgsl: rows of up to three tables, summed, and the gradients of the tables without atomics.
//   sum1 .. sum3    y[t] = scale * (table0[ids0[t]] + table1[ids1[t]] + table2[ids2[t]])
//   add_groups      dtable[rows[r]] += scale * sum of dy[order[i]], i = starts[r] .. starts[r + 1] - 1, ascending
//   partial_few     partial[g, v] = sum of dy[t] over the tokens t of chunk g with ids0[t] = v, t ascending
//   add_groups_few  both at once, in one pass over dy: add_groups, and partial[g, v] of the tokens of chunk g of distinct rows
//   finish_few      dtable[v] += scale * sum of partial[g, v], g ascending
// Shapes    table dtable [V, W]   ids order rows [T]   starts [T + 1]   y dy [T, W]   partial [chunks, V, W]
// Dispatch  sums: ceil(T / TOKENS) groups of LANES;  add_groups: ceil(distinct rows / ROWS) groups of 8, four vec4f of columns
//           an invocation, so that one load of `order` serves them;  add_groups_wide: one group of 64 for each distinct row;
//           all folded over y past 65,535;  partial_few: [ceil(W / 16 / 8), chunks, ceil(V / 2)] groups of 8, four vec4f of
//           columns and two rows of the table an invocation;  partial_few_wide: [ceil(W / 4 / 64), chunks, V] groups of 64
//           add_groups_few: [ceil(W / 16 / 8), chunks] groups of 8, as partial_few;  finish_few: [ceil(W / 4 / LANES), V] groups
//           of LANES
// Limits    W divides by 4, in add_groups, partial_few and add_groups_few by 16; of table0 and dtable the V rows from `firstRow`
//           on are bound, and ids of others left alone; the few-rows entries are for tables of at most 8 rows (token types), where
//           one group for each row would be one serial chain over all tokens; in add_groups_few they are 2, and dtable is whole
// Numerics  f32, fixed order; dtable is added to, as every parameter's gradient
// Source    the definition; row_operands.ts declares table1, table2 and dy
struct Size { T: u32, W: u32, firstRow: u32, V: u32, rowSource: u32, chunk: u32, groups: u32, scale: f32 }
alias Y = vec4f;
@group(0) @binding(0) var<storage, read> table0: array<vec4f>;
@group(0) @binding(3) var<storage, read> ids0: array<u32>;
@group(0) @binding(4) var<storage, read> ids1: array<u32>;
@group(0) @binding(5) var<storage, read> ids2: array<u32>;
@group(0) @binding(6) var<storage, read_write> y: array<Y>;
@group(0) @binding(8) var<storage, read> rows: array<u32>;
@group(0) @binding(9) var<storage, read> starts: array<u32>;
@group(0) @binding(10) var<storage, read> order: array<u32>;
@group(0) @binding(11) var<storage, read_write> dtable: array<vec4f>;
@group(0) @binding(12) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(13) var<uniform> size: Size;
@group(0) @binding(14) var<uniform> step: Step;

// As in add.wgsl: 8 on CPU adapters, 64 on GPUs.
override LANES: u32;
// Tokens of a group of a sum: 8 on CPU adapters, a token to each lane, so that the rows' cache misses overlap; 1 on GPUs.
override TOKENS: u32;
// Distinct rows of a group of add_groups, for the same reason; not 8, as the lanes of a group wait for the row of most tokens.
override ROWS: u32;

// What `groups` is where tokens, and not the rows of a table, are summed by chunks.
const NO_GROUPS = 2u;

// A table larger than a binding is bound in parts, one dispatch each.
fn is_bound(row: u32) -> bool { return row >= size.firstRow && row - size.firstRow < size.V; }
fn bound_row(row: u32) -> u32 { return row - size.firstRow; }

@compute @workgroup_size(LANES)
fn sum1(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = row_of(group, folded) * TOKENS + lane % TOKENS;
  if (t >= live_rows(size.rowSource, size.T)) { return; }
  let row0 = ids0[t];
  if (!is_bound(row0)) { return; }
  let W4 = size.W / 4u; let to = t * W4; let first = bound_row(row0) * W4;
  let scale = size.scale;
  for (var w = lane / TOKENS; w < W4; w += LANES / TOKENS) { y[to + w] = Y(scale * table0[first + w]); }
}

@compute @workgroup_size(LANES)
fn sum2(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = row_of(group, folded) * TOKENS + lane % TOKENS;
  if (t >= live_rows(size.rowSource, size.T)) { return; }
  let row0 = ids0[t];
  if (!is_bound(row0)) { return; }
  let W4 = size.W / 4u; let to = t * W4; let first = bound_row(row0) * W4;
  let scale = size.scale;
  let row1 = ids1[t];
  for (var w = lane / TOKENS; w < W4; w += LANES / TOKENS) { y[to + w] = Y(scale * (table0[first + w] + table1_at(row1, w))); }
}

@compute @workgroup_size(LANES)
fn sum3(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = row_of(group, folded) * TOKENS + lane % TOKENS;
  if (t >= live_rows(size.rowSource, size.T)) { return; }
  let row0 = ids0[t];
  if (!is_bound(row0)) { return; }
  let W4 = size.W / 4u; let to = t * W4; let first = bound_row(row0) * W4;
  let scale = size.scale;
  let row1 = ids1[t];
  let row2 = ids2[t];
  for (var w = lane / TOKENS; w < W4; w += LANES / TOKENS) { y[to + w] = Y(scale * (table0[first + w] + table1_at(row1, w) + table2_at(row2, w))); }
}

@compute @workgroup_size(8)
fn add_groups(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let r = row_of(group, folded) * ROWS + lane % ROWS;
  if (r >= unique_rows(size.groups)) { return; }
  let row = rows[r];
  if (!is_bound(row)) { return; }
  let W4 = size.W / 4u;
  let first = starts[r]; let end = starts[r + 1u];
  let scale = size.scale;
  for (var w = 4u * (lane / ROWS); w < W4; w += 4u * (8u / ROWS)) {
    var sum0 = vec4f(); var sum1 = vec4f(); var sum2 = vec4f(); var sum3 = vec4f();
    for (var i = first; i < end; i++) {
      let t = order[i];
      sum0 += dy_at(t, w); sum1 += dy_at(t, w + 1u); sum2 += dy_at(t, w + 2u); sum3 += dy_at(t, w + 3u);
    }
    let at = bound_row(row) * W4 + w;
    dtable[at] += scale * sum0;
    dtable[at + 1u] += scale * sum1;
    dtable[at + 2u] += scale * sum2;
    dtable[at + 3u] += scale * sum3;
  }
}

@compute @workgroup_size(64)
fn add_groups_wide(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let r = row_of(group, folded);
  if (r >= unique_rows(size.groups)) { return; }
  let row = rows[r];
  if (!is_bound(row)) { return; }
  let W4 = size.W / 4u;
  let first = starts[r]; let end = starts[r + 1u];
  for (var w = lane; w < W4; w += 64u) {
    var sum = vec4f();
    for (var i = first; i < end; i++) { sum += dy_at(order[i], w); }
    dtable[bound_row(row) * W4 + w] += size.scale * sum;
  }
}

@compute @workgroup_size(8)
fn partial_few(@builtin(global_invocation_id) id: vec3u) {
  let W4 = size.W / 4u; let w = id.x * 4u;
  if (w >= W4) { return; }
  let end = min(live_rows(size.rowSource, size.T), (id.y + 1u) * size.chunk);
  let v = 2u * id.z;
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f();
  for (var t = id.y * size.chunk; t < end; t++) {
    let row = ids0[t];
    let g0 = dy_at(t, w); let g1 = dy_at(t, w + 1u); let g2 = dy_at(t, w + 2u); let g3 = dy_at(t, w + 3u);
    let isA = row == v; let isB = row == v + 1u;
    a0 += select(vec4f(), g0, isA); a1 += select(vec4f(), g1, isA); a2 += select(vec4f(), g2, isA); a3 += select(vec4f(), g3, isA);
    b0 += select(vec4f(), g0, isB); b1 += select(vec4f(), g1, isB); b2 += select(vec4f(), g2, isB); b3 += select(vec4f(), g3, isB);
  }
  let at = (id.y * size.V + v) * W4 + w;
  partial[at] = a0; partial[at + 1u] = a1; partial[at + 2u] = a2; partial[at + 3u] = a3;
  if (v + 1u == size.V) { return; }
  partial[at + W4] = b0; partial[at + W4 + 1u] = b1; partial[at + W4 + 2u] = b2; partial[at + W4 + 3u] = b3;
}

@compute @workgroup_size(8)
fn add_groups_few(@builtin(global_invocation_id) id: vec3u) {
  let W4 = size.W / 4u; let w = id.x * 4u;
  if (w >= W4) { return; }
  let last = min(unique_rows(size.groups), (id.y + 1u) * size.chunk);
  let scale = size.scale;
  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f();
  for (var r = id.y * size.chunk; r < last; r++) {
    var sum0 = vec4f(); var sum1 = vec4f(); var sum2 = vec4f(); var sum3 = vec4f();
    let end = starts[r + 1u];
    for (var i = starts[r]; i < end; i++) {
      let t = order[i];
      let isB = ids0[t] == 1u;
      let g0 = dy_at(t, w); let g1 = dy_at(t, w + 1u); let g2 = dy_at(t, w + 2u); let g3 = dy_at(t, w + 3u);
      sum0 += g0; sum1 += g1; sum2 += g2; sum3 += g3;
      a0 += select(g0, vec4f(), isB); a1 += select(g1, vec4f(), isB); a2 += select(g2, vec4f(), isB); a3 += select(g3, vec4f(), isB);
      b0 += select(vec4f(), g0, isB); b1 += select(vec4f(), g1, isB); b2 += select(vec4f(), g2, isB); b3 += select(vec4f(), g3, isB);
    }
    let at = rows[r] * W4 + w;
    dtable[at] += scale * sum0;
    dtable[at + 1u] += scale * sum1;
    dtable[at + 2u] += scale * sum2;
    dtable[at + 3u] += scale * sum3;
  }
  let at = id.y * size.V * W4 + w;
  partial[at] = a0; partial[at + 1u] = a1; partial[at + 2u] = a2; partial[at + 3u] = a3;
  if (size.V == 1u) { return; }
  partial[at + W4] = b0; partial[at + W4 + 1u] = b1; partial[at + W4 + 2u] = b2; partial[at + W4 + 3u] = b3;
}

@compute @workgroup_size(64)
fn partial_few_wide(@builtin(global_invocation_id) id: vec3u) {
  let W4 = size.W / 4u;
  if (id.x >= W4) { return; }
  let end = min(live_rows(size.rowSource, size.T), (id.y + 1u) * size.chunk);
  var sum = vec4f();
  for (var t = id.y * size.chunk; t < end; t++) {
    if (ids0[t] == id.z) { sum += dy_at(t, id.x); }
  }
  partial[(id.y * size.V + id.z) * W4 + id.x] = sum;
}

@compute @workgroup_size(LANES)
fn finish_few(@builtin(global_invocation_id) id: vec3u) {
  let W4 = size.W / 4u;
  if (id.x >= W4) { return; }
  let chunked = select(unique_rows(size.groups), live_rows(size.rowSource, size.T), size.groups == NO_GROUPS);
  let chunks = (chunked + size.chunk - 1u) / size.chunk;
  var sum = vec4f();
  for (var g = 0u; g < chunks; g++) { sum += partial[(g * size.V + id.y) * W4 + id.x]; }
  dtable[id.y * W4 + id.x] += size.scale * sum;
}
