// number_head.wgsl: adds to the logits what numbers beside the text say; exchanging A and B exchanges the two winners.
//   forward     s = sum over n of winner[n] x[b, n] / winnerScale[n]
//               y = [zA + s, zB - s, zTie + sum over m of tie[m] (t[b, m] - tieMean[m]) / tieScale[m]]
//   backward_w  dwinner[n] += sum_b (gA - gB) x[b, n] / winnerScale[n]
//               dtie[m]    += sum_b gTie (t[b, m] - tieMean[m]) / tieScale[m], b ascending;  dz is g itself
// Shapes    z y g [B, 3]: A wins, B wins, tie   x [B, N]: changes its sign when A and B are exchanged   t [B, M]: does not
//           winner winnerScale dwinner [N]   tie tieMean tieScale dtie [M]
// Dispatch  forward: ceil(3 B / 64) groups of 64, one logit a lane;  backward_w: ceil((N + M) / 64) groups of 64
// Limits    scales above 0
// Numerics  f32, fixed order; z_B gets the negative of the very sum that z_A gets, so the exchange is exact to the bit
// Source    Tiebreak's own
struct Size { N: u32, M: u32 }
@group(0) @binding(0) var<storage, read> z: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> t: array<f32>;
@group(0) @binding(3) var<storage, read> winner: array<f32>;
@group(0) @binding(4) var<storage, read> winnerScale: array<f32>;
@group(0) @binding(5) var<storage, read> tie: array<f32>;
@group(0) @binding(6) var<storage, read> tieMean: array<f32>;
@group(0) @binding(7) var<storage, read> tieScale: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<f32>;
@group(0) @binding(9) var<storage, read> g: array<f32>;
@group(0) @binding(10) var<storage, read_write> dwinner: array<f32>;
@group(0) @binding(11) var<storage, read_write> dtie: array<f32>;
@group(0) @binding(12) var<uniform> size: Size;
@group(0) @binding(13) var<uniform> step: Step;

const TIE = 2u;

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u) {
  let b = id.x / 3u;
  let column = id.x % 3u;
  if (b >= step.battles) { return; }
  var sum = 0.0;
  if (column == TIE) {
    for (var m = 0u; m < size.M; m++) { sum += tie[m] * ((t[b * size.M + m] - tieMean[m]) / tieScale[m]); }
  } else {
    for (var n = 0u; n < size.N; n++) { sum += winner[n] * (x[b * size.N + n] / winnerScale[n]); }
  }
  y[id.x] = z[id.x] + select(sum, -sum, column == 1u);
}

@compute @workgroup_size(64)
fn backward_w(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= size.N + size.M) { return; }
  var sum = 0.0;
  if (id.x < size.N) {
    let n = id.x;
    for (var b = 0u; b < step.battles; b++) {
      sum += (g[b * 3u] - g[b * 3u + 1u]) * (x[b * size.N + n] / winnerScale[n]);
    }
    dwinner[n] += sum;
  } else {
    let m = id.x - size.N;
    for (var b = 0u; b < step.battles; b++) {
      sum += g[b * 3u + TIE] * ((t[b * size.M + m] - tieMean[m]) / tieScale[m]);
    }
    dtie[m] += sum;
  }
}
