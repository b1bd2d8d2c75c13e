// gated.wgsl: the gated feed-forward's activation on a fused projection, left half the gate, right half what it lets pass.
//   forward   y = act(gate) * up,  x = gate | up
//   backward  dgate = dy * up * act'(gate);  dup = dy * act(gate);  dx = dgate | dup
//   act       silu: z / (1 + exp(-z));  GELU in the forms of gelu.wgsl
// Shapes    x dx [rows, 2 F]   y dy [rows, F]
// Dispatch  ceil(rows * F / 4 / 64) groups of 64, folded over y past 65,535
// Limits    F divides by 4; x may not be dx
// Numerics  f32; the sigmoid by exp of a negative number, which cannot overflow
// Source    Shazeer 2020 (SwiGLU, GEGLU); LlamaMLP and GemmaMLP of transformers
struct Size { rows: u32, F: u32, rowSource: u32, accumulate: u32, activation: u32 }
alias X = vec4f;
alias Y = vec4f;
alias DY = vec4f;
alias DX = vec4f;
@group(0) @binding(0) var<storage, read> x: array<X>;
@group(0) @binding(1) var<storage, read_write> y: array<Y>;
@group(0) @binding(2) var<storage, read> dy: array<DY>;
@group(0) @binding(3) var<storage, read_write> dx: array<DX>;
@group(0) @binding(4) var<uniform> size: Size;
@group(0) @binding(5) var<uniform> step: Step;

// Next to GELU_ERF and GELU_TANH of gelu.wgsl.
const SILU = 3u;

fn sigmoid4(z: vec4f) -> vec4f {
  let e = exp(-abs(z));
  return select(vec4f(1.0), e, z < vec4f()) / (1.0 + e);
}

fn activate(z: vec4f) -> vec4f {
  if (size.activation == SILU) { return z * sigmoid4(z); }
  return gelu(size.activation, z);
}

fn derivative(z: vec4f) -> vec4f {
  if (size.activation == SILU) {
    let s = sigmoid4(z);
    return s * (1.0 + z * (1.0 - s));
  }
  return gelu_derivative(size.activation, z);
}

@compute @workgroup_size(64)
fn forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) folded: vec3u) {
  let i = id.y * folded.x * 64u + id.x;
  let F4 = size.F / 4u;
  if (i >= live_rows(size.rowSource, size.rows) * F4) { return; }
  let gate = i / F4 * 2u * F4 + i % F4;
  y[i] = Y(activate(vec4f(x[gate])) * vec4f(x[gate + F4]));
}

@compute @workgroup_size(64)
fn backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) folded: vec3u) {
  let i = id.y * folded.x * 64u + id.x;
  let F4 = size.F / 4u;
  if (i >= live_rows(size.rowSource, size.rows) * F4) { return; }
  let gate = i / F4 * 2u * F4 + i % F4;
  let up = gate + F4;
  var dgate = vec4f(dy[i]) * vec4f(x[up]) * derivative(vec4f(x[gate]));
  var dup = vec4f(dy[i]) * activate(vec4f(x[gate]));
  if (size.accumulate != 0u) {
    dgate += vec4f(dx[gate]);
    dup += vec4f(dx[up]);
  }
  dx[gate] = DX(dgate);
  dx[up] = DX(dup);
}
