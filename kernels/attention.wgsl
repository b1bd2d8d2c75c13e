// attention.wgsl: self-attention inside segments, flash style: no T x T array exists.
//   forward      s = cap(scale q k^T + bias) over the keys that the query sees;  p = softmax(s);  y = (mask * p) v;
//                lse = log(sum(exp(s))) is kept
//   delta        delta = sum over the head of dy * y
//   backward_q   p = exp(s - lse);  ds = p * (mask * (dy v^T) - delta) * cap'(s);  dq = scale ds k;  rows of queries' bias
//   backward_kv  dv = (mask * p)^T dy;  dk = scale ds^T q, both over the query heads of the key's head, in order; rows of keys' bias
// mask is 0 or 1 / (1 - rate), made anew from the query's key; in front of this file stand the struct Step, HEAD4 = D / 4 and
// TILE (attention.ts), `row_base` and `kept` (attention_dropout.ts), the cap and who sees whom (attention_scores.ts), and the
// bias by relative position, where there is one, with its gradient (relative_positions.ts)
// Shapes    qkv dqkv [T, (heads + 2 kvHeads) D]: q | k | v, head h at columns h * D; heads / kvHeads query heads in a row share
//           a key head   y dy [T, heads D]   stats [T, heads] = (lse, delta)
//           blocks [blocks] = (first row, row after the last, segment's first row, row after its last)
// Dispatch  [blocks, headCount] groups of 32, one row of the block an invocation, heads of the rows from firstHead on;
//           delta: ceil(T * heads / 64) groups of 64
// Limits    D divides by 4, at most 256; at most 32 rows a block; segments of at most 65,536 rows
// Numerics  f32; sums run over the rows of a segment from the first one seen, wherever it lies; the running maximum begins
//           at -1e30
// Source    Dao 2023, "FlashAttention-2", algorithms 1 and 2; Ainslie et al. 2023, "GQA"
struct Size {
  heads: u32,
  kvHeads: u32,
  firstHead: u32, // heads of this dispatch
  headCount: u32,
  columns: u32,   // of a relative bias
  reach: u32,
  scale: f32,
  softcap: f32,   // 0 where scores have no cap
  before: u32,    // rows that a query sees before its own
  after: u32,     // and after it
  accumulate: u32,
  site: u32,
  dropThreshold: u32,
  dropScale: f32,
}
alias QKV = vec4f;
alias Y = vec4f;
alias DY = vec4f;
alias DQKV = vec4f;
@group(0) @binding(0) var<storage, read> qkv: array<QKV>;
@group(0) @binding(1) var<storage, read> blocks: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> y: array<Y>;
@group(0) @binding(3) var<storage, read_write> stats: array<vec2f>;
@group(0) @binding(4) var<storage, read> dy: array<DY>;
@group(0) @binding(5) var<storage, read_write> dqkv: array<DQKV>;
@group(0) @binding(6) var<uniform> size: Size;
@group(0) @binding(7) var<uniform> step: Step;

var<workgroup> tile_a: array<vec4f, TILE * HEAD4>;
var<workgroup> tile_b: array<vec4f, TILE * HEAD4>;
var<workgroup> tile_stats: array<vec2f, TILE>;
var<workgroup> tile_base: array<u32, TILE>;

// Where the vec4f of a query's head begin in qkv.
fn query_at(row: u32, head: u32) -> u32 {
  return (row * (size.heads + 2u * size.kvHeads) + head) * HEAD4;
}

// And those of a key's head: part 0 is k, 1 is v.
fn key_at(row: u32, head: u32, part: u32) -> u32 {
  return query_at(row, size.heads + part * size.kvHeads + head);
}

fn sees(query: u32, key: u32) -> bool {
  return !BOUNDED || (key + size.before >= query && key <= query + size.after);
}

fn channel(head: u32, position: u32) -> u32 {
  return head * 65536u + position;
}

fn store(place: u32, value: vec4f) {
  var v = value;
  if (size.accumulate != 0u) { v += vec4f(dqkv[place]); }
  dqkv[place] = DQKV(v);
}

// Reads k and v of TILE rows; rows from `end` on repeat the one before it and are not used.
fn load_keys(lane: u32, head: u32, first: u32, end: u32) {
  workgroupBarrier();
  for (var i = lane; i < TILE * HEAD4; i += 32u) {
    let row = min(first + i / HEAD4, end - 1u);
    tile_a[i] = vec4f(qkv[key_at(row, head, 0u) + i % HEAD4]);
    tile_b[i] = vec4f(qkv[key_at(row, head, 1u) + i % HEAD4]);
  }
  workgroupBarrier();
}

@compute @workgroup_size(32)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = blocks[group.x];
  let head = size.firstHead + group.y;
  // Lanes past the block's last row repeat it and store nothing: all lanes must reach the barriers.
  let row = min(block.x + lane, block.y - 1u);
  let base = row_base(row);
  var q: array<vec4f, HEAD4>;
  var sum: array<vec4f, HEAD4>;
  for (var d = 0u; d < HEAD4; d++) { q[d] = vec4f(qkv[query_at(row, head) + d]) * size.scale; }
  var top = -1e30;
  var total = 0.0;
  let key_head = head / (size.heads / size.kvHeads);
  let end = past_key(block.y - 1u, block.w);
  for (var first = first_key(block.x, block.z); first < end; first += TILE) {
    load_keys(lane, key_head, first, end);
    for (var j = 0u; j < min(TILE, end - first); j++) {
      if (!sees(row, first + j)) { continue; }
      var products = vec4f();
      for (var d = 0u; d < HEAD4; d++) { products += q[d] * tile_a[j * HEAD4 + d]; }
      let s = cap_score(biased(dot(products, vec4f(1.0)), row, first + j, head));
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
  for (var d = 0u; d < HEAD4; d++) { y[(row * size.heads + head) * HEAD4 + d] = Y(sum[d] / total); }
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
  for (var d = 0u; d < HEAD4; d++) { products += vec4f(dy[i * HEAD4 + d]) * vec4f(y[i * HEAD4 + d]); }
  stats[i].y = dot(products, vec4f(1.0));
}

@compute @workgroup_size(32)
fn backward_q(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = blocks[group.x];
  let head = size.firstHead + group.y;
  let row = min(block.x + lane, block.y - 1u);
  let base = row_base(row);
  let stat = stats[row * size.heads + head];
  var q: array<vec4f, HEAD4>;
  var dyr: array<vec4f, HEAD4>;
  var dq: array<vec4f, HEAD4>;
  for (var d = 0u; d < HEAD4; d++) {
    q[d] = vec4f(qkv[query_at(row, head) + d]) * size.scale;
    dyr[d] = vec4f(dy[(row * size.heads + head) * HEAD4 + d]);
  }
  let key_head = head / (size.heads / size.kvHeads);
  open_query(block.x + lane < block.y, row, head, block);
  let end = past_key(block.y - 1u, block.w);
  for (var first = first_key(block.x, block.z); first < end; first += TILE) {
    load_keys(lane, key_head, first, end);
    for (var j = 0u; j < min(TILE, end - first); j++) {
      if (!sees(row, first + j)) { continue; }
      var products = vec4f();
      var slopes = vec4f();
      for (var d = 0u; d < HEAD4; d++) {
        products += q[d] * tile_a[j * HEAD4 + d];
        slopes += dyr[d] * tile_b[j * HEAD4 + d];
      }
      let s = cap_score(biased(dot(products, vec4f(1.0)), row, first + j, head));
      let p = exp(s - stat.x);
      let dp = dot(slopes, vec4f(1.0)) * kept(base, channel(head, first + j - block.z));
      let ds = p * (dp - stat.y) * cap_slope(s);
      add_query(row, first + j, head, ds);
      for (var d = 0u; d < HEAD4; d++) { dq[d] += ds * tile_a[j * HEAD4 + d]; }
    }
  }
  close_query(row, head, block);
  if (block.x + lane >= block.y) { return; }
  for (var d = 0u; d < HEAD4; d++) { store(query_at(row, head) + d, dq[d] * size.scale); }
}

@compute @workgroup_size(32)
fn backward_kv(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = blocks[group.x];
  let key_head = size.firstHead + group.y;
  let row = min(block.x + lane, block.y - 1u);
  var k: array<vec4f, HEAD4>;
  var v: array<vec4f, HEAD4>;
  var dk: array<vec4f, HEAD4>;
  var dv: array<vec4f, HEAD4>;
  for (var d = 0u; d < HEAD4; d++) {
    k[d] = vec4f(qkv[key_at(row, key_head, 0u) + d]) * size.scale;
    v[d] = vec4f(qkv[key_at(row, key_head, 1u) + d]);
  }
  open_key(block.x + lane < block.y, row, key_head, block);
  let sharing = size.heads / size.kvHeads;
  let end = past_query(block.y - 1u, block.w);
  for (var head = key_head * sharing; head < (key_head + 1u) * sharing; head++) {
    let key = channel(head, row - block.z);
    for (var first = first_query(block.x, block.z); first < end; first += TILE) {
      workgroupBarrier();
      for (var i = lane; i < TILE * HEAD4; i += 32u) {
        let query = min(first + i / HEAD4, end - 1u);
        tile_a[i] = vec4f(qkv[query_at(query, head) + i % HEAD4]);
        tile_b[i] = vec4f(dy[(query * size.heads + head) * HEAD4 + i % HEAD4]);
      }
      if (lane < TILE) {
        let query = min(first + lane, end - 1u);
        tile_stats[lane] = stats[query * size.heads + head];
        tile_base[lane] = row_base(query);
      }
      workgroupBarrier();
      for (var j = 0u; j < min(TILE, end - first); j++) {
        if (!sees(first + j, row)) { continue; }
        var products = vec4f();
        var slopes = vec4f();
        for (var d = 0u; d < HEAD4; d++) {
          products += k[d] * tile_a[j * HEAD4 + d];
          slopes += v[d] * tile_b[j * HEAD4 + d];
        }
        let mask = kept(tile_base[j], key);
        let s = cap_score(biased(dot(products, vec4f(1.0)), first + j, row, head));
        let p = exp(s - tile_stats[j].x);
        let ds = p * (dot(slopes, vec4f(1.0)) * mask - tile_stats[j].y) * cap_slope(s);
        add_key(first + j, row, head, ds);
        for (var d = 0u; d < HEAD4; d++) {
          dk[d] += ds * tile_a[j * HEAD4 + d];
          dv[d] += p * mask * tile_b[j * HEAD4 + d];
        }
      }
    }
  }
  close_key(row, key_head, block);
  if (block.x + lane >= block.y) { return; }
  for (var d = 0u; d < HEAD4; d++) {
    store(key_at(row, key_head, 0u) + d, dk[d] * size.scale);
    store(key_at(row, key_head, 1u) + d, dv[d]);
  }
}
