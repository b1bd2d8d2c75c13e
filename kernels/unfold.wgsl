// unfold.wgsl: the rows round each row side by side, so that a convolution over the tokens of a segment is one matmul.
//   forward   y[t, c * K + k] = x[t + k - (K - 1) / 2, c], or 0 where that row is of another segment
//   backward  dx[t, c] = sum over k of dy[t - k + (K - 1) / 2, c * K + k], where that row is of the same segment
// Shapes    x dx [T, W]   y dy [T, W K], channels outside, as a Conv1d's weight [out, W, K] lies   positions [T]
// Dispatch  forward ceil(T * W * K / 64), backward ceil(T * W / 64) groups of 64, folded over y past 65,535
// Limits    K odd; positions of a segment's rows rise by one from its first, and tell segments apart
// Numerics  f32; k ascending
// Source    torch.nn.Conv1d with padding (K - 1) / 2
struct Size { rows: u32, W: u32, K: u32, rowSource: u32, accumulate: u32 }
alias X = f32;
alias Y = f32;
alias DY = f32;
alias DX = f32;
@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<Y>;
@group(0) @binding(3) var<storage, read> dy: array<DY>;
@group(0) @binding(4) var<storage, read_write> dx: array<DX>;
@group(0) @binding(5) var<uniform> size: Size;
@group(0) @binding(6) var<uniform> step: Step;

// Whether row t + k - pad exists and is of the segment of row t.
fn is_near(t: u32, k: u32, pad: u32, rows: u32) -> bool {
  if (t + k < pad || t + k - pad >= rows) { return false; }
  return positions[t + k - pad] + pad == positions[t] + k;
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) folded: vec3u) {
  let i = id.y * folded.x * 64u + id.x;
  let rows = live_rows(size.rowSource, size.rows);
  if (i >= rows * size.W * size.K) { return; }
  let k = i % size.K;
  let c = i / size.K % size.W;
  let t = i / size.K / size.W;
  let pad = (size.K - 1u) / 2u;
  var v = 0.0;
  if (is_near(t, k, pad, rows)) { v = f32(x[(t + k - pad) * size.W + c]); }
  y[i] = Y(v);
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) folded: vec3u) {
  let i = id.y * folded.x * 64u + id.x;
  let rows = live_rows(size.rowSource, size.rows);
  if (i >= rows * size.W) { return; }
  let c = i % size.W;
  let t = i / size.W;
  let pad = (size.K - 1u) / 2u;
  var v = 0.0;
  for (var k = 0u; k < size.K; k++) {
    // Row t is the k-th one round row t + pad - k.
    let back = size.K - 1u - k;
    if (is_near(t, back, pad, rows)) { v += f32(dy[((t + back - pad) * size.W + c) * size.K + k]); }
  }
  if (size.accumulate != 0u) { v += f32(dx[i]); }
  dx[i] = DX(v);
}
