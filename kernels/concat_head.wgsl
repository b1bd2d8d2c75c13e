// concat_head.wgsl: one dense layer on both sides laid end to end.
//   forward     z[b, c] = sum over k of weight[c, k] * [u; v][k], + bias[c]
//   backward_x  d[u; v][k] = sum_c dz[b, c] * weight[c, k]
//   backward_w  dweight[c, k] += sum_b dz[b, c] * [u; v][k], b ascending;  dbias[c] += sum_b dz[b, c]
// Shapes    pooled dpooled [S, W]   sides [B, 2]: u and v are these rows of pooled   weight dweight [C, 2 W]
//           bias dbias [C]   logits (z) dlogits (dz) [B, C]
// Dispatch  forward: [B, C] groups of 64;  backward_x: [B, 2] groups of 64, one side each
//           backward_w: [ceil((2 W / 4 + 1) / 64), C] groups of 64, the invocation past the last column makes dbias
// Limits    W divides by 4; B <= 65,535; each live segment is one side of exactly one battle
// Numerics  f32, fixed order
// Source    the Keras starter of the competition: Dense(3) on the concatenated embeddings
struct Size { W: u32, C: u32, accumulate: u32 }
@group(0) @binding(0) var<storage, read> pooled: array<vec4f>;
@group(0) @binding(1) var<storage, read> sides: array<u32>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;
@group(0) @binding(5) var<storage, read> dlogits: array<f32>;
@group(0) @binding(6) var<storage, read_write> dpooled: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> dweight: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> dbias: array<f32>;
@group(0) @binding(9) var<uniform> size: Size;
@group(0) @binding(10) var<uniform> step: Step;

var<workgroup> sums: array<f32, 64>;

// Where column k (in vec4f) of the concatenated row of a battle lies in pooled.
fn place(battle: u32, k: u32) -> u32 {
  let W4 = size.W / 4u;
  return sides[battle * 2u + k / W4] * W4 + k % W4;
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let columns = size.W / 2u;
  var sum = 0.0;
  for (var k = lane; k < columns; k += 64u) {
    sum += dot(weight[group.y * columns + k], pooled[place(group.x, k)]);
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane != 0u) { return; }
  var total = 0.0;
  for (var i = 0u; i < 64u; i++) { total += sums[i]; }
  logits[group.x * size.C + group.y] = total + bias[group.y];
}

@compute @workgroup_size(64)
fn backward_x(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let W4 = size.W / 4u;
  for (var w = lane; w < W4; w += 64u) {
    let k = group.y * W4 + w;
    let at = place(group.x, k);
    var v = vec4f();
    for (var c = 0u; c < size.C; c++) { v += dlogits[group.x * size.C + c] * weight[c * 2u * W4 + k]; }
    if (size.accumulate != 0u) { v += dpooled[at]; }
    dpooled[at] = v;
  }
}

@compute @workgroup_size(64)
fn backward_w(@builtin(global_invocation_id) id: vec3u) {
  let columns = size.W / 2u;
  if (id.x > columns) { return; }
  if (id.x == columns) {
    var sum = 0.0;
    for (var b = 0u; b < step.battles; b++) { sum += dlogits[b * size.C + id.y]; }
    dbias[id.y] += sum;
    return;
  }
  var sum = vec4f();
  for (var b = 0u; b < step.battles; b++) { sum += dlogits[b * size.C + id.y] * pooled[place(b, id.x)]; }
  dweight[id.y * columns + id.x] += sum;
}
