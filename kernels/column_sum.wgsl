// column_sum.wgsl: sums of columns over the live rows, for gradients of biases and norm gains.
//   sum_chunk  partial[g, w] = sum of x[t, w] over the rows t of chunk g
//   finish   out[w] += sum_g partial[g, offset + w], g ascending
//   narrow   out[w] += sum_t x[t, w], one invocation a column: for heads of a few columns, where rows are battles
// Shapes    x [rows, W]   partial [G, stride]   out [W]
// Dispatch  sum_chunk: [ceil(W / 4 / 64), G] groups of 64;  sum_chunk_four, the same: [ceil(W / 16 / 8), G] groups of 8, four
//           vec4f of columns an invocation, so that a step of the loop does more;  finish: ceil(W / 4 / 64) groups of 64
//           narrow: ceil(W / 64) groups of 64
// Limits    W, stride and offset divide by 4, in sum_chunk_four W by 16; in narrow they need not
// Numerics  f32, fixed order; out is added to, as every parameter's gradient
// Source    the definition; row_operands.ts declares x, binding 0
struct Size { rows: u32, W: u32, rowSource: u32, chunk: u32, stride: u32, offset: u32 }
@group(0) @binding(1) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<storage, read> xs: array<f32>;
@group(0) @binding(6) var<storage, read_write> outs: array<f32>;
@group(0) @binding(3) var<uniform> size: Size;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(64)
fn sum_chunk(@builtin(global_invocation_id) id: vec3u) {
  let W4 = size.W / 4u;
  if (id.x >= W4) { return; }
  let end = min(live_rows(size.rowSource, size.rows), (id.y + 1u) * size.chunk);
  var sum = vec4f();
  for (var t = id.y * size.chunk; t < end; t++) { sum += x_at(t, id.x); }
  partial[id.y * W4 + id.x] = sum;
}

@compute @workgroup_size(8)
fn sum_chunk_four(@builtin(global_invocation_id) id: vec3u) {
  let W4 = size.W / 4u; let i = id.x * 4u;
  if (i >= W4) { return; }
  let end = min(live_rows(size.rowSource, size.rows), (id.y + 1u) * size.chunk);
  var sum0 = vec4f(); var sum1 = vec4f(); var sum2 = vec4f(); var sum3 = vec4f();
  for (var t = id.y * size.chunk; t < end; t++) {
    sum0 += x_at(t, i); sum1 += x_at(t, i + 1u); sum2 += x_at(t, i + 2u); sum3 += x_at(t, i + 3u);
  }
  let at = id.y * W4 + i;
  partial[at] = sum0; partial[at + 1u] = sum1; partial[at + 2u] = sum2; partial[at + 3u] = sum3;
}

@compute @workgroup_size(64)
fn finish(@builtin(global_invocation_id) id: vec3u) {
  let W4 = size.W / 4u;
  if (id.x >= W4) { return; }
  let chunks = (live_rows(size.rowSource, size.rows) + size.chunk - 1u) / size.chunk;
  var sum = vec4f();
  for (var g = 0u; g < chunks; g++) { sum += partial[(g * size.stride + size.offset) / 4u + id.x]; }
  out[id.x] += sum;
}

@compute @workgroup_size(64)
fn narrow(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= size.W) { return; }
  let rows = live_rows(size.rowSource, size.rows);
  var sum = 0.0;
  for (var t = 0u; t < rows; t++) { sum += xs[t * size.W + id.x]; }
  outs[id.x] += sum;
}
