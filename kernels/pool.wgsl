// pool.wgsl: one row for each segment from the rows of its tokens.
//   forward   mean   y[s] = (sum of x[t], t = starts[s] .. starts[s + 1] - 1, ascending) / tokens of s
//             first  y[s] = x[starts[s]]          last  y[s] = x[starts[s + 1] - 1]
//   backward  mean   dx[t] = dy[s] / tokens of s, for every token of s
//             first, last  dx[t] = dy[s] at that token, 0 at the others
// Shapes    x dx [T, W]   y dy [S, W]   starts [S + 1]
// Dispatch  forward: [S, ceil(W / 4 / 32)] groups of 32;  backward: [S, 8] groups of 64, token t - starts[s] in group
//           (t - starts[s]) % 8
// Limits    W divides by 4; S <= 65,535; a segment has at least one token
// Numerics  f32; the sum starts at the segment's first token, so it does not depend on where the segment lies
// Source    Reimers, Gurevych 2019, section 3 (mean, CLS); "last" as transformers' GPT and Llama classifiers
struct Size { W: u32, mode: u32, accumulate: u32 }
alias X = vec4f;
alias DX = vec4f;
@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read> starts: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<storage, read> dy: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> dx: array<DX>;
@group(0) @binding(5) var<uniform> size: Size;
@group(0) @binding(6) var<uniform> step: Step;

const MEAN = 0u;
const FIRST = 1u;
const SHARES = 8u;  // groups of one segment in backward

@compute @workgroup_size(32)
fn forward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let s = group.x;
  let w = group.y * 32u + lane;
  let W4 = size.W / 4u;
  if (s >= step.segments || w >= W4) { return; }
  let first = starts[s];
  let end = starts[s + 1u];
  if (size.mode != MEAN) {
    let t = select(end - 1u, first, size.mode == FIRST);
    y[s * W4 + w] = vec4f(x[t * W4 + w]);
    return;
  }
  var sum = vec4f();
  for (var t = first; t < end; t++) { sum += vec4f(x[t * W4 + w]); }
  y[s * W4 + w] = sum / f32(end - first);
}

@compute @workgroup_size(64)
fn backward(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let s = group.x;
  if (s >= step.segments) { return; }
  let W4 = size.W / 4u;
  let first = starts[s];
  let end = starts[s + 1u];
  for (var w = lane; w < W4; w += 64u) {
    var d = dy[s * W4 + w];
    if (size.mode == MEAN) { d /= f32(end - first); }
    let chosen = select(end - 1u, first, size.mode == FIRST);
    for (var t = first + group.y; t < end; t += SHARES) {
      var v = select(vec4f(), d, size.mode == MEAN || t == chosen);
      if (size.accumulate != 0u) { v += vec4f(dx[t * W4 + w]); }
      dx[t * W4 + w] = DX(v);
    }
  }
}
