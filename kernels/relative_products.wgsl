// relative_products.wgsl: products of the rows of heads with a table of relative embeddings, and their gradients, through tiles.
//   scores  out[t, h, n] = scale x[t, h] . table[n, h]             over the band of columns that the block of row t can use
//   rows    dx[t, h, d] += scale * sum over the band of dout[t, h, n] table[n, h, d]
//   table   dtable[n, h, d] (+)= scale * sum over the rows t whose band holds n of dout[t, h, n] x[t, h, d]
// In front of this file stand the struct Step and the bands (relative_positions.ts)
// Shapes    x [T, xRow], head h at xFirst + h D   table dtable [columns, tableRow], head h at tableFirst + h D   out dout [T, headCount, columns]
//           blocks [blocks] = (first row, row after the last, segment's first row, row after its last)
// Dispatch  groups of 8 x 8, each invocation 4 x 4 sums, 16 steps of the sum a tile; scores [ceil(columns / 32), blocks, headCount],
//           rows [ceil(D / 32), blocks, headCount], table [ceil(D / 32), ceil(columns / 32), headCount]
// Limits    at most 32 rows a block; D and columns divide by 4
// Numerics  f32; sums run in ascending order from the band's first column, or over the blocks in their order
// Source    He et al. 2021, "DeBERTa", equation 4
struct Size {
  queries: u32,  // 1 where x are queries, 0 where they are keys
  D: u32,
  tableRow: u32,
  tableFirst: u32,
  firstHead: u32,
  headCount: u32,
  columns: u32,
  reach: u32,
  xRow: u32,
  xFirst: u32,
  scale: f32,
  accumulate: u32,
}
alias X = f32;
alias DX = f32;
@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read> embeddings: array<f32>;
@group(0) @binding(2) var<storage, read> blocks: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read> dout: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<DX>;
@group(0) @binding(6) var<storage, read_write> dembeddings: array<f32>;
@group(0) @binding(7) var<uniform> size: Size;
@group(0) @binding(8) var<uniform> step: Step;

// Four values of one step side by side, so that an invocation loads its 4 rows (or columns) as one vec4f.
var<workgroup> a_tile: array<array<vec4f, 8>, 16>;
var<workgroup> b_tile: array<array<vec4f, 8>, 16>;

fn x_at(row: u32, head: u32, d: u32) -> u32 { return row * size.xRow + size.xFirst + (size.firstHead + head) * size.D + d; }
fn table_at(n: u32, head: u32, d: u32) -> u32 { return n * size.tableRow + size.tableFirst + (size.firstHead + head) * size.D + d; }
fn out_at(row: u32, head: u32, n: u32) -> u32 { return (row * size.headCount + head) * size.columns + n; }

// Four values, of which those from `count` on are 0.
fn four(values: vec4f, count: u32) -> vec4f { return select(vec4f(), values, vec4u(0u, 1u, 2u, 3u) < vec4u(count)); }

fn left(count: u32, at: u32) -> u32 { return select(0u, count - at, at < count); }

// 16 steps of the 4 x 4 sums of one invocation.
fn products(local: vec3u, sums: mat4x4f) -> mat4x4f {
  var s = sums;
  for (var k = 0u; k < 16u; k++) {
    let a = a_tile[k][local.y];
    let b = b_tile[k][local.x];
    s[0] += a.x * b;
    s[1] += a.y * b;
    s[2] += a.z * b;
    s[3] += a.w * b;
  }
  return s;
}

@compute @workgroup_size(8, 8)
fn scores(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let block = blocks[group.y];
  let head = group.z;
  let whole = band_of(block);
  let first = group.x * 32u;
  if (first + 32u <= whole.x || first >= whole.y) { return; }
  let lane = local.y * 8u + local.x;
  var sums = mat4x4f();
  for (var k0 = 0u; k0 < size.D; k0 += 16u) {
    for (var i = lane; i < 128u; i += 64u) {
      // D lies side by side in both operands; rows past the last one repeat it, and are not stored.
      let k = i & 15u; let q = (i >> 4u) * 4u;
      let d = min(k0 + k, size.D - 1u);
      let rows = min(vec4u(block.x + q) + vec4u(0u, 1u, 2u, 3u), vec4u(block.y - 1u));
      let ns = min(vec4u(first + q) + vec4u(0u, 1u, 2u, 3u), vec4u(size.columns - 1u));
      a_tile[k][q / 4u] = select(0.0, 1.0, k0 + k < size.D) *
        vec4f(f32(x[x_at(rows.x, head, d)]), f32(x[x_at(rows.y, head, d)]), f32(x[x_at(rows.z, head, d)]), f32(x[x_at(rows.w, head, d)]));
      b_tile[k][q / 4u] = vec4f(embeddings[table_at(ns.x, head, d)], embeddings[table_at(ns.y, head, d)],
                                embeddings[table_at(ns.z, head, d)], embeddings[table_at(ns.w, head, d)]);
    }
    workgroupBarrier();
    sums = products(local, sums);
    workgroupBarrier();
  }
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      let row = block.x + local.y * 4u + r; let n = first + local.x * 4u + c;
      if (row < block.y && n >= whole.x && n < whole.y) { out[out_at(row, head, n)] = sums[r][c] * size.scale; }
    }
  }
}

// Columns d.. of the embeddings' row n, and those of a row of x: 0 past the head.
fn four_embeddings(n: u32, head: u32, d: u32) -> vec4f {
  let at = table_at(n, head, min(d, size.D - 4u));
  return four(vec4f(embeddings[at], embeddings[at + 1u], embeddings[at + 2u], embeddings[at + 3u]), left(size.D, d));
}
fn four_x(row: u32, head: u32, d: u32) -> vec4f {
  let at = x_at(row, head, min(d, size.D - 4u));
  return four(vec4f(f32(x[at]), f32(x[at + 1u]), f32(x[at + 2u]), f32(x[at + 3u])), left(size.D, d));
}

@compute @workgroup_size(8, 8)
fn rows(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let block = blocks[group.y];
  let head = group.z;
  let whole = band_of(block);
  let first = group.x * 32u;
  let lane = local.y * 8u + local.x;
  var sums = mat4x4f();
  for (var k0 = whole.x; k0 < whole.y; k0 += 16u) {
    for (var i = lane; i < 128u; i += 64u) {
      var k = i & 15u; var q = i >> 4u;
      let live = k0 + k < whole.y;
      let n = min(k0 + k, whole.y - 1u);
      let rows = min(vec4u(block.x + q * 4u) + vec4u(0u, 1u, 2u, 3u), vec4u(block.y - 1u));
      let values = vec4f(dout[out_at(rows.x, head, n)], dout[out_at(rows.y, head, n)],
                         dout[out_at(rows.z, head, n)], dout[out_at(rows.w, head, n)]);
      a_tile[k][q] = select(vec4f(), values, live);
      k = i >> 3u; q = i & 7u;
      b_tile[k][q] = four_embeddings(min(k0 + k, whole.y - 1u), head, first + q * 4u);
    }
    workgroupBarrier();
    sums = products(local, sums);
    workgroupBarrier();
  }
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      let row = block.x + local.y * 4u + r; let d = first + local.x * 4u + c;
      if (row < block.y && d < size.D) { dx[x_at(row, head, d)] = DX(f32(dx[x_at(row, head, d)]) + sums[r][c] * size.scale); }
    }
  }
}

@compute @workgroup_size(8, 8)
fn table(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let head = group.z;
  let first = group.y * 32u;
  let first_d = group.x * 32u;
  let lane = local.y * 8u + local.x;
  var sums = mat4x4f();
  for (var index = 0u; index < step.blocks; index++) {
    let block = blocks[index];
    let whole = band_of(block);
    if (first + 32u <= whole.x || first >= whole.y) { continue; }
    for (var row0 = block.x; row0 < block.y; row0 += 16u) {
      for (var i = lane; i < 128u; i += 64u) {
        let k = i >> 3u; let q = i & 7u;
        let row = min(row0 + k, block.y - 1u);
        // The band begins and ends at multiples of 16, so that four columns are in it or not.
        let n = first + q * 4u;
        let at = out_at(row, head, clamp(n, whole.x, whole.y - 4u));
        let live = row0 + k < block.y && n >= whole.x && n < whole.y;
        a_tile[k][q] = select(vec4f(), vec4f(dout[at], dout[at + 1u], dout[at + 2u], dout[at + 3u]), live);
        b_tile[k][q] = four_x(row, head, first_d + q * 4u);
      }
      workgroupBarrier();
      sums = products(local, sums);
      workgroupBarrier();
    }
  }
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      let n = first + local.y * 4u + r; let d = first_d + local.x * 4u + c;
      if (n >= size.columns || d >= size.D) { continue; }
      let at = table_at(n, head, d);
      var v = sums[r][c] * size.scale;
      if (size.accumulate != 0u) { v += dembeddings[at]; }
      dembeddings[at] = v;
    }
  }
}
