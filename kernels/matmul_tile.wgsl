// matmul_tile.wgsl: out = A B for any sizes and strides, through tiles in workgroup memory; the schedule of real GPUs.
//   out[m, n] = epilogue(sum_k A(m, k) * B(k, n)),  A(m, k) = a[m * aRow + k * aSum],  B(k, n) = b[k * bSum + n * bColumn]
//   epilogue: + bias[n], then pre = sum and GELU (entry points `bias`, `gelu`), then + out where `accumulate` is set
// Shapes    a [M, K] or [K, M]   b [K, N] or [N, K]   out pre [M, N]   bias [N]
// Dispatch  [ceil(N / 32), ceil(M / 32)] groups of 8 x 8, each invocation 4 x 4 sums, 16 steps of k a tile
// Limits    M, N, K >= 1; live rows are counted by `rowSource` (of M) and `sumSource` (of K)
// Numerics  f32, k ascending, so a row's result does not depend on where the row lies
// Source    the classic tiled product; layout as in Tiebreak's design notes
struct Size {
  M: u32, N: u32, K: u32,
  aRow: u32, aSum: u32, bSum: u32, bColumn: u32,
  rowSource: u32, sumSource: u32, accumulate: u32, gelu: u32,
}
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> pre: array<f32>;
@group(0) @binding(5) var<uniform> size: Size;
@group(0) @binding(6) var<uniform> step: Step;

// Four values of one k side by side, so that an invocation loads its 4 rows (or columns) as one vec4f.
var<workgroup> aTile: array<array<vec4f, 8>, 16>;
var<workgroup> bTile: array<array<vec4f, 8>, 16>;

fn load_a(m: u32, k: u32, M: u32, K: u32) -> f32 {
  if (m < M && k < K) { return a[m * size.aRow + k * size.aSum]; }
  return 0.0;
}

fn load_b(k: u32, n: u32, K: u32) -> f32 {
  if (n < size.N && k < K) { return b[k * size.bSum + n * size.bColumn]; }
  return 0.0;
}

// The 4 x 4 sums of one invocation, rows m.., columns n..
fn product(group: vec3u, local: vec3u, M: u32, K: u32) -> mat4x4f {
  var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f();
  let lane = local.y * 8u + local.x;
  for (var k0 = 0u; k0 < K; k0 += 16u) {
    // 128 vec4f of each tile over 64 lanes: k runs with the lane where the operand's k is contiguous, else the other index.
    for (var i = lane; i < 128u; i += 64u) {
      var k = i >> 3u; var q = i & 7u;
      if (size.aSum == 1u) { k = i & 15u; q = i >> 4u; }
      let m = group.y * 32u + q * 4u;
      aTile[k][q] = vec4f(load_a(m, k0 + k, M, K), load_a(m + 1u, k0 + k, M, K),
                          load_a(m + 2u, k0 + k, M, K), load_a(m + 3u, k0 + k, M, K));
      k = i >> 3u; q = i & 7u;
      if (size.bSum == 1u) { k = i & 15u; q = i >> 4u; }
      let n = group.x * 32u + q * 4u;
      bTile[k][q] = vec4f(load_b(k0 + k, n, K), load_b(k0 + k, n + 1u, K),
                          load_b(k0 + k, n + 2u, K), load_b(k0 + k, n + 3u, K));
    }
    workgroupBarrier();
    for (var k = 0u; k < 16u; k++) {
      let x = aTile[k][local.y];
      let w = bTile[k][local.x];
      s0 += x.x * w; s1 += x.y * w; s2 += x.z * w; s3 += x.w * w;
    }
    workgroupBarrier();
  }
  return mat4x4f(s0, s1, s2, s3);
}

fn put(at: u32, value: f32) {
  if (size.accumulate != 0u) { out[at] += value; } else { out[at] = value; }
}

@compute @workgroup_size(8, 8)
fn plain(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let M = live_rows(size.rowSource, size.M);
  let sums = product(group, local, M, live_rows(size.sumSource, size.K));
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      let m = group.y * 32u + local.y * 4u + r; let n = group.x * 32u + local.x * 4u + c;
      if (m < M && n < size.N) { put(m * size.N + n, sums[r][c]); }
    }
  }
}

@compute @workgroup_size(8, 8)
fn biased(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let M = live_rows(size.rowSource, size.M);
  let sums = product(group, local, M, live_rows(size.sumSource, size.K));
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      let m = group.y * 32u + local.y * 4u + r; let n = group.x * 32u + local.x * 4u + c;
      if (m < M && n < size.N) { put(m * size.N + n, sums[r][c] + bias[n]); }
    }
  }
}

@compute @workgroup_size(8, 8)
fn activated(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let M = live_rows(size.rowSource, size.M);
  let sums = product(group, local, M, live_rows(size.sumSource, size.K));
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      let m = group.y * 32u + local.y * 4u + r; let n = group.x * 32u + local.x * 4u + c;
      if (m < M && n < size.N) {
        let v = sums[r][c] + bias[n];
        pre[m * size.N + n] = v;
        out[m * size.N + n] = gelu(size.gelu, vec4f(v)).x;
      }
    }
  }
}
