// low_rank_tile.wgsl: products of adapters for any sizes, through tiles in workgroup memory: columns of wider matrices, a
// scale, dropout of one side, and sums over tokens in chunks.
//   out[m, n] (+)= scale * sum_k A(m, k) * B(k, n),  A(m, k) = a[aFirst + m * aRow + k * aSum],  B alike, out at outFirst + m * outRow + n
//   masked     which side has its channels multiplied by the mask of dropout.wgsl, see below; where none has, `keys` is not read
//   activated  pre += the sum, out = GELU(pre)
//   chunked    the sum over k of one chunk of `chunk` steps a group.z, stored in partial[group.z, m, n]
// Shapes    a [M, .] or [K, .]   b [K, .] or [N, .]   out pre [M, .]   keys one a token   partial [chunks, M, N]
// Dispatch  [ceil(N / 32), ceil(M / 32), chunks] groups of 8 x 8, each invocation 4 x 4 sums, 16 steps of k a tile
// Limits    M, N, K >= 1; live rows are counted by `rowSource` (of M) and `sumSource` (of K)
// Numerics  f32, k ascending; chunks are added in order by column_sum.wgsl
// Source    Hu et al. 2021, "LoRA"; the tile is that of matmul_tile.wgsl
struct Size {
  M: u32, N: u32, K: u32,
  aFirst: u32, aRow: u32, aSum: u32, bFirst: u32, bSum: u32, bColumn: u32, outFirst: u32, outRow: u32,
  rowSource: u32, sumSource: u32, accumulate: u32, chunk: u32, gelu: u32, scale: f32,
  masked: u32, dropThreshold: u32, dropScale: f32, site: u32,
}
alias A = f32;
alias B = f32;
alias Out = f32;
alias Pre = f32;
@group(0) @binding(0) var<storage, read> a: array<A>;
@group(0) @binding(1) var<storage, read> b: array<B>;
@group(0) @binding(2) var<storage, read_write> out: array<Out>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read_write> pre: array<Pre>;
@group(0) @binding(5) var<uniform> size: Size;
@group(0) @binding(6) var<uniform> step: Step;

// What `masked` says of which token and channel are dropped.
const MASK_A = 1u;    // A: token m, channel k
const MASK_B = 2u;    // B: token k, channel n
const MASK_SUM = 3u;  // the sum: token m, channel n

// Four values of one k side by side, so that an invocation loads its 4 rows (or columns) as one vec4f.
var<workgroup> aTile: array<array<vec4f, 8>, 16>;
var<workgroup> bTile: array<array<vec4f, 8>, 16>;

fn load_a(m: u32, k: u32, M: u32, K: u32) -> f32 {
  if (m < M && k < K) { return f32(a[size.aFirst + m * size.aRow + k * size.aSum]); }
  return 0.0;
}

fn load_b(k: u32, n: u32, K: u32) -> f32 {
  if (n < size.N && k < K) { return f32(b[size.bFirst + k * size.bSum + n * size.bColumn]); }
  return 0.0;
}

fn mask(token: u32, channel: u32) -> f32 {
  return dropout1(dropout_base(keys[token], size.site), channel, size.dropThreshold, size.dropScale);
}

// The 4 x 4 sums of one invocation, rows m.., columns n.., over k from `first` to `end`.
fn product(group: vec3u, local: vec3u, M: u32, first: u32, end: u32) -> mat4x4f {
  var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f();
  let lane = local.y * 8u + local.x;
  for (var k0 = first; k0 < end; k0 += 16u) {
    for (var i = lane; i < 128u; i += 64u) {
      var k = k0 + (i >> 3u); var q = i & 7u;
      if (size.aSum == 1u) { k = k0 + (i & 15u); q = i >> 4u; }
      let m = group.y * 32u + q * 4u;
      var x = vec4f(load_a(m, k, M, end), load_a(m + 1u, k, M, end), load_a(m + 2u, k, M, end), load_a(m + 3u, k, M, end));
      if (size.masked == MASK_A) { x *= vec4f(mask(m, k), mask(m + 1u, k), mask(m + 2u, k), mask(m + 3u, k)); }
      aTile[k - k0][q] = x;
      k = k0 + (i >> 3u); q = i & 7u;
      if (size.bSum == 1u) { k = k0 + (i & 15u); q = i >> 4u; }
      let n = group.x * 32u + q * 4u;
      var w = vec4f(load_b(k, n, end), load_b(k, n + 1u, end), load_b(k, n + 2u, end), load_b(k, n + 3u, end));
      if (size.masked == MASK_B) {
        w *= dropout4(dropout_base(keys[k], size.site), n, size.dropThreshold, size.dropScale);
      }
      bTile[k - k0][q] = w;
    }
    workgroupBarrier();
    for (var k = 0u; k < 16u; k++) {
      let x = aTile[k][local.y];
      let w = bTile[k][local.x];
      s0 += x.x * w; s1 += x.y * w; s2 += x.z * w; s3 += x.w * w;
    }
    workgroupBarrier();
  }
  return mat4x4f(s0, s1, s2, s3) * size.scale;
}

// A sum as it is added: masked where the sum is.
fn value(sum: f32, m: u32, n: u32) -> f32 {
  if (size.masked == MASK_SUM) { return sum * mask(m, n); }
  return sum;
}

fn put(m: u32, n: u32, value: f32) {
  let at = size.outFirst + m * size.outRow + n;
  if (size.accumulate != 0u) { out[at] = Out(f32(out[at]) + value); } else { out[at] = Out(value); }
}

@compute @workgroup_size(8, 8)
fn plain(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let M = live_rows(size.rowSource, size.M);
  let sums = product(group, local, M, 0u, live_rows(size.sumSource, size.K));
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      let m = group.y * 32u + local.y * 4u + r; let n = group.x * 32u + local.x * 4u + c;
      if (m >= M || n >= size.N) { continue; }
      put(m, n, value(sums[r][c], m, n));
    }
  }
}

@compute @workgroup_size(8, 8)
fn activated(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let M = live_rows(size.rowSource, size.M);
  let sums = product(group, local, M, 0u, live_rows(size.sumSource, size.K));
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      let m = group.y * 32u + local.y * 4u + r; let n = group.x * 32u + local.x * 4u + c;
      if (m >= M || n >= size.N) { continue; }
      let at = size.outFirst + m * size.outRow + n;
      let v = f32(pre[at]) + value(sums[r][c], m, n);
      pre[at] = Pre(v);
      out[at] = Out(gelu(size.gelu, vec4f(v)).x);
    }
  }
}

@compute @workgroup_size(8, 8)
fn chunked(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let first = group.z * size.chunk;
  let end = min(first + size.chunk, live_rows(size.sumSource, size.K));
  let sums = product(group, local, size.M, first, end);
  for (var r = 0u; r < 4u; r++) {
    for (var c = 0u; c < 4u; c++) {
      let m = group.y * 32u + local.y * 4u + r; let n = group.x * 32u + local.x * 4u + c;
      if (m < size.M && n < size.N) { out[(group.z * size.M + m) * size.N + n] = Out(sums[r][c]); }
    }
  }
}
