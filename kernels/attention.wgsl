// attention.wgsl: bidirectional self-attention inside segments, flash style: no T x T array exists.
//   forward      s = q k^T / sqrt(D);  p = softmax(s);  y = (mask * p) v;  lse = log(sum(exp(s))) is kept
//   delta        delta = sum over the head of dy * y
//   backward_q   p = exp(s - lse);  ds = p * (mask * (dy v^T) - delta);  dq = ds k / sqrt(D)
//   backward_kv  dv = (mask * p)^T dy;  dk = ds^T q / sqrt(D)
// mask is 0 or 1 / (1 - rate), made anew from the query's key; in front of this file stand the struct Step, HEAD4 = D / 4
// (attention.ts), `row_base` and `kept` (attention_dropout.ts)
// Shapes    qkv dqkv [T, 3 W]: q | k | v, head h at columns h * D   y dy [T, W]   stats [T, heads] = (lse, delta)
//           blocks [blocks] = (first row, row after the last, segment's first row, row after its last)
// Dispatch  [blocks, heads] groups of 32, one row of the block an invocation;  delta: ceil(T * heads / 64) groups of 64
// Limits    D divides by 4, at most 128; at most 32 rows a block; segments of at most 65,536 rows
// Numerics  f32; sums run over the rows of a segment from its start, wherever it lies; the running maximum begins at -1e30
// Source    Dao 2023, "FlashAttention-2", algorithms 1 and 2
struct Size { heads: u32, scale: f32, accumulate: u32, site: u32, dropThreshold: u32, dropScale: f32 }
@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(1) var<storage, read> blocks: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(4) var<storage, read> dy: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> dqkv: array<vec4f>;
@group(0) @binding(6) var<uniform> size: Size;
@group(0) @binding(7) var<uniform> step: Step;

// Rows of a tile in workgroup memory: two tiles of 16 rows of 128 channels fill the 16 KiB every adapter has.
const TILE = 16u;
var<workgroup> tile_a: array<vec4f, TILE * HEAD4>;
var<workgroup> tile_b: array<vec4f, TILE * HEAD4>;
var<workgroup> tile_stats: array<vec2f, TILE>;
var<workgroup> tile_base: array<u32, TILE>;

// Where the head's vec4f of a row begin in qkv: part 0 is q, 1 k, 2 v.
fn at(row: u32, head: u32, part: u32) -> u32 {
  return ((row * 3u + part) * size.heads + head) * HEAD4;
}

fn channel(head: u32, position: u32) -> u32 {
  return head * 65536u + position;
}

fn store(place: u32, value: vec4f) {
  var v = value;
  if (size.accumulate != 0u) { v += dqkv[place]; }
  dqkv[place] = v;
}

// Reads k and v of TILE rows; rows past the segment's end repeat its last one and are not used.
fn load_keys(lane: u32, head: u32, first: u32, end: u32) {
  workgroupBarrier();
  for (var i = lane; i < TILE * HEAD4; i += 32u) {
    let row = min(first + i / HEAD4, end - 1u);
    tile_a[i] = qkv[at(row, head, 1u) + i % HEAD4];
    tile_b[i] = qkv[at(row, head, 2u) + i % HEAD4];
  }
  workgroupBarrier();
}

@compute @workgroup_size(32)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = blocks[group.x];
  let head = group.y;
  // Lanes past the block's last row repeat it and store nothing: all lanes must reach the barriers.
  let row = min(block.x + lane, block.y - 1u);
  let base = row_base(row);
  var q: array<vec4f, HEAD4>;
  var sum: array<vec4f, HEAD4>;
  for (var d = 0u; d < HEAD4; d++) { q[d] = qkv[at(row, head, 0u) + d] * size.scale; }
  var top = -1e30;
  var total = 0.0;
  for (var first = block.z; first < block.w; first += TILE) {
    load_keys(lane, head, first, block.w);
    for (var j = 0u; j < min(TILE, block.w - first); j++) {
      var products = vec4f();
      for (var d = 0u; d < HEAD4; d++) { products += q[d] * tile_a[j * HEAD4 + d]; }
      let s = dot(products, vec4f(1.0));
      if (s > top) {
        let shrink = exp(top - s);
        for (var d = 0u; d < HEAD4; d++) { sum[d] *= shrink; }
        total *= shrink;
        top = s;
      }
      let p = exp(s - top);
      total += p;
      let weight = p * kept(base, channel(head, first + j - block.z));
      for (var d = 0u; d < HEAD4; d++) { sum[d] += weight * tile_b[j * HEAD4 + d]; }
    }
  }
  if (block.x + lane >= block.y) { return; }
  for (var d = 0u; d < HEAD4; d++) { y[(row * size.heads + head) * HEAD4 + d] = sum[d] / total; }
  stats[row * size.heads + head] = vec2f(top + log(total), 0.0);
}

@compute @workgroup_size(64)
fn delta(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 64u + lane;
  if (i >= step.tokens * size.heads) { return; }
  var products = vec4f();
  for (var d = 0u; d < HEAD4; d++) { products += dy[i * HEAD4 + d] * y[i * HEAD4 + d]; }
  stats[i].y = dot(products, vec4f(1.0));
}

@compute @workgroup_size(32)
fn backward_q(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = blocks[group.x];
  let head = group.y;
  let row = min(block.x + lane, block.y - 1u);
  let base = row_base(row);
  let stat = stats[row * size.heads + head];
  var q: array<vec4f, HEAD4>;
  var dyr: array<vec4f, HEAD4>;
  var dq: array<vec4f, HEAD4>;
  for (var d = 0u; d < HEAD4; d++) {
    q[d] = qkv[at(row, head, 0u) + d] * size.scale;
    dyr[d] = dy[(row * size.heads + head) * HEAD4 + d];
  }
  for (var first = block.z; first < block.w; first += TILE) {
    load_keys(lane, head, first, block.w);
    for (var j = 0u; j < min(TILE, block.w - first); j++) {
      var products = vec4f();
      var slopes = vec4f();
      for (var d = 0u; d < HEAD4; d++) {
        products += q[d] * tile_a[j * HEAD4 + d];
        slopes += dyr[d] * tile_b[j * HEAD4 + d];
      }
      let p = exp(dot(products, vec4f(1.0)) - stat.x);
      let dp = dot(slopes, vec4f(1.0)) * kept(base, channel(head, first + j - block.z));
      let ds = p * (dp - stat.y);
      for (var d = 0u; d < HEAD4; d++) { dq[d] += ds * tile_a[j * HEAD4 + d]; }
    }
  }
  if (block.x + lane >= block.y) { return; }
  for (var d = 0u; d < HEAD4; d++) { store(at(row, head, 0u) + d, dq[d] * size.scale); }
}

@compute @workgroup_size(32)
fn backward_kv(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = blocks[group.x];
  let head = group.y;
  let row = min(block.x + lane, block.y - 1u);
  let key = channel(head, row - block.z);
  var k: array<vec4f, HEAD4>;
  var v: array<vec4f, HEAD4>;
  var dk: array<vec4f, HEAD4>;
  var dv: array<vec4f, HEAD4>;
  for (var d = 0u; d < HEAD4; d++) {
    k[d] = qkv[at(row, head, 1u) + d] * size.scale;
    v[d] = qkv[at(row, head, 2u) + d];
  }
  for (var first = block.z; first < block.w; first += TILE) {
    workgroupBarrier();
    for (var i = lane; i < TILE * HEAD4; i += 32u) {
      let query = min(first + i / HEAD4, block.w - 1u);
      tile_a[i] = qkv[at(query, head, 0u) + i % HEAD4];
      tile_b[i] = dy[(query * size.heads + head) * HEAD4 + i % HEAD4];
    }
    if (lane < TILE) {
      let query = min(first + lane, block.w - 1u);
      tile_stats[lane] = stats[query * size.heads + head];
      tile_base[lane] = row_base(query);
    }
    workgroupBarrier();
    for (var j = 0u; j < min(TILE, block.w - first); j++) {
      var products = vec4f();
      var slopes = vec4f();
      for (var d = 0u; d < HEAD4; d++) {
        products += k[d] * tile_a[j * HEAD4 + d];
        slopes += v[d] * tile_b[j * HEAD4 + d];
      }
      let mask = kept(tile_base[j], key);
      let p = exp(dot(products, vec4f(1.0)) - tile_stats[j].x);
      let ds = p * (dot(slopes, vec4f(1.0)) * mask - tile_stats[j].y);
      for (var d = 0u; d < HEAD4; d++) {
        dk[d] += ds * tile_a[j * HEAD4 + d];
        dv[d] += p * mask * tile_b[j * HEAD4 + d];
      }
    }
  }
  if (block.x + lane >= block.y) { return; }
  for (var d = 0u; d < HEAD4; d++) {
    store(at(row, head, 1u) + d, dk[d] * size.scale);
    store(at(row, head, 2u) + d, dv[d]);
  }
}
