// swap_head.wgsl: the head that cannot tell sides apart: exchanging A and B exchanges two logits and keeps the third.
//   forward     own, other = (u, v) for z_A, (v, u) for z_B:   z = (a.own + b.other) + c
//               z_tie = sum over w of t (u + v) + d |u - v|, + e
//   backward_x  d_own = g_own a + g_other b + g_tie (t + d sign(own - other)), for u and for v
//   backward_w  da = sum g_A u + g_B v      db = sum g_A v + g_B u      dt = sum g_tie (u + v)      dd = sum g_tie |u - v|
//               dbias = [sum g_A + g_B, sum g_tie], over the battles in order
// Shapes    pooled dpooled [S, W]   sides [B, 2]: u and v are these rows of pooled   a b t d [W]   bias [c, e]
//           logits dlogits [B, 3]: A wins, B wins, tie
// Dispatch  forward: [B, 3] groups of 64, one logit each;  backward_x: [B, 2] groups of 64, one side each
//           backward_w: ceil((W / 4 + 1) / 64) groups of 64, the invocation past the last column makes dbias
// Limits    W divides by 4; B <= 65,535; each live segment is one side of exactly one battle
// Numerics  f32, fixed order. Both winners come from the same instructions with the operands exchanged, and the tie uses
//           only u + v and |u - v|, which are symmetric to the bit: so are the logits, whatever the compiler contracts
// Source    Tiebreak's own; sign(0) = 0, as PyTorch differentiates abs
struct Size { W: u32, accumulate: u32 }
@group(0) @binding(0) var<storage, read> pooled: array<vec4f>;
@group(0) @binding(1) var<storage, read> sides: array<vec2u>;
@group(0) @binding(2) var<storage, read> a: array<vec4f>;
@group(0) @binding(3) var<storage, read> b: array<vec4f>;
@group(0) @binding(4) var<storage, read> t: array<vec4f>;
@group(0) @binding(5) var<storage, read> d: array<vec4f>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> logits: array<f32>;
@group(0) @binding(8) var<storage, read> dlogits: array<f32>;
@group(0) @binding(9) var<storage, read_write> dpooled: array<vec4f>;
@group(0) @binding(10) var<storage, read_write> da: array<vec4f>;
@group(0) @binding(11) var<storage, read_write> db: array<vec4f>;
@group(0) @binding(12) var<storage, read_write> dt: array<vec4f>;
@group(0) @binding(13) var<storage, read_write> dd: array<vec4f>;
@group(0) @binding(14) var<storage, read_write> dbias: array<f32>;
@group(0) @binding(15) var<uniform> size: Size;
@group(0) @binding(16) var<uniform> step: Step;

const TIE = 2u;
var<workgroup> sums: array<vec2f, 64>;

// First rows, in vec4f, of the side asked for and of the other one.
fn rows_of(battle: u32, side: u32) -> vec2u {
  let uv = sides[battle] * (size.W / 4u);
  return select(uv.yx, uv, side == 0u);
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let tie = group.y == TIE;
  let row = rows_of(group.x, group.y);
  var sum = vec2f();
  for (var w = lane; w < size.W / 4u; w += 64u) {
    let own = pooled[row.x + w];
    let other = pooled[row.y + w];
    if (tie) {
      sum += vec2f(dot(t[w], own + other), dot(d[w], abs(own - other)));
    } else {
      sum += vec2f(dot(a[w], own), dot(b[w], other));
    }
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane != 0u) { return; }
  var total = vec2f();
  for (var i = 0u; i < min(64u, size.W / 4u); i++) { total += sums[i]; }
  logits[group.x * 3u + group.y] = (total.x + total.y) + bias[group.y / TIE];
}

@compute @workgroup_size(64)
fn backward_x(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = rows_of(group.x, group.y);
  let g_own = dlogits[group.x * 3u + group.y];
  let g_other = dlogits[group.x * 3u + 1u - group.y];
  let g_tie = dlogits[group.x * 3u + TIE];
  for (var w = lane; w < size.W / 4u; w += 64u) {
    let toward = sign(pooled[row.x + w] - pooled[row.y + w]);
    var v = (g_own * a[w] + g_other * b[w]) + g_tie * (t[w] + d[w] * toward);
    if (size.accumulate != 0u) { v += dpooled[row.x + w]; }
    dpooled[row.x + w] = v;
  }
}

@compute @workgroup_size(64)
fn backward_w(@builtin(global_invocation_id) id: vec3u) {
  let W4 = size.W / 4u;
  if (id.x > W4) { return; }
  if (id.x == W4) {
    var sum = vec2f();
    for (var i = 0u; i < step.battles; i++) {
      sum += vec2f(dlogits[i * 3u] + dlogits[i * 3u + 1u], dlogits[i * 3u + TIE]);
    }
    dbias[0] += sum.x;
    dbias[1] += sum.y;
    return;
  }
  var own = vec4f();
  var other = vec4f();
  var both = vec4f();
  var apart = vec4f();
  for (var i = 0u; i < step.battles; i++) {
    let row = rows_of(i, 0u);
    let u = pooled[row.x + id.x];
    let v = pooled[row.y + id.x];
    let g = vec3f(dlogits[i * 3u], dlogits[i * 3u + 1u], dlogits[i * 3u + TIE]);
    own += g.x * u + g.y * v;
    other += g.x * v + g.y * u;
    both += g.z * (u + v);
    apart += g.z * abs(u - v);
  }
  da[id.x] += own;
  db[id.x] += other;
  dt[id.x] += both;
  dd[id.x] += apart;
}
