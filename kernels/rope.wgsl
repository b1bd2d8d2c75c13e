// rope.wgsl: rotary positions, in place, on the first `heads` heads of each row; the columns behind them stay as they are.
//   rotate  (a, b) <- (a cos - b sin, b cos + a sin),  a = x[h, i], b = x[h, i + D / 2], i < D / 2, angle of the token's
//           position; `sign` -1 turns back, which is the gradient of turning forward
// Shapes    x [T, columns], head h at h * D   positions [T]   turns [P, D]: of each position cos | sin
// Dispatch  one group of LANES for each row, folded over y past 65,535
// Limits    D divides by 8, columns by 4; every position < P
// Numerics  f32; cos and sin are tables made on the CPU, as WGSL promises neither beyond pi to more than 2^-11
// Source    Su et al. 2021, in the half-split form of transformers' apply_rotary_pos_emb
struct Size { rows: u32, columns: u32, heads: u32, D: u32, rowSource: u32, sign: f32 }
alias X = vec4f;
@group(0) @binding(0) var<storage, read_write> x: array<X>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> turns: array<vec4f>;
@group(0) @binding(3) var<uniform> size: Size;
@group(0) @binding(4) var<uniform> step: Step;

// As in add.wgsl: 8 on CPU adapters, 64 on GPUs.
override LANES: u32;

@compute @workgroup_size(LANES)
fn rotate(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = row_of(group, folded);
  if (row >= live_rows(size.rowSource, size.rows)) { return; }
  // A lane turns the same columns of several heads, so that it reads their cos and sin once: `abreast` heads at a time, as many
  // as the lanes hold; a half that is wider than they takes several columns a lane.
  let half4 = size.D / 8u;
  let abreast = max(1u, LANES / half4);
  let turn = positions[row] * 2u * half4;
  var column = lane; var head = 0u;
  if (half4 < LANES) { column = lane % half4; head = lane / half4; }
  if (head >= abreast) { return; }
  let first = row * (size.columns / 4u);
  for (; column < half4; column += LANES) {
    let c = turns[turn + column];
    let s = turns[turn + half4 + column] * size.sign;
    for (var h = head; h < size.heads; h += abreast) {
      let at = first + h * 2u * half4 + column;
      let a = vec4f(x[at]);
      let b = vec4f(x[at + half4]);
      x[at] = X(a * c - b * s);
      x[at + half4] = X(b * c + a * s);
    }
  }
}
