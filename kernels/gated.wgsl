// gated.wgsl: the gated feed-forward's activation on a fused projection, left half the gate, right half what it lets pass.
//   forward   y = act(gate) * up,  x = gate | up
//   backward  dgate = dy * up * act'(gate);  dup = dy * act(gate);  dx = dgate | dup
//   act       silu: z / (1 + exp(-z));  GELU in the forms of gelu.wgsl
// Shapes    x dx [rows, 2 F]   y dy [rows, F]
// Dispatch  one group of LANES for each row, folded over y past 65,535
// Limits    F divides by 4; x may not be dx
// Numerics  f32; the sigmoid is that of gelu.wgsl, which stands in front
// Source    Shazeer 2020 (SwiGLU, GEGLU); LlamaMLP and GemmaMLP of transformers
struct Size { rows: u32, F: u32, rowSource: u32 }
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

// As in gelu_alone.wgsl.
override LANES: u32;
override ACTIVATION: u32;
override ACCUMULATE: u32;

// Next to GELU_ERF and GELU_TANH of gelu.wgsl.
const SILU = 3u;

fn activate(z: vec4f) -> vec4f {
  if (ACTIVATION == SILU) { return z * sigmoid4(z); }
  return gelu(ACTIVATION, z);
}

fn derivative(z: vec4f) -> vec4f {
  if (ACTIVATION == SILU) {
    let s = sigmoid4(z);
    return s * (1.0 + z * (1.0 - s));
  }
  return gelu_derivative(ACTIVATION, z);
}

@compute @workgroup_size(LANES)
fn forward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = row_of(group, folded);
  if (row >= live_rows(size.rowSource, size.rows)) { return; }
  let F4 = size.F / 4u;
  for (var i = lane; i < F4; i += LANES) {
    let gate = 2u * row * F4 + i;
    y[row * F4 + i] = Y(activate(vec4f(x[gate])) * vec4f(x[gate + F4]));
  }
}

@compute @workgroup_size(LANES)
fn backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = row_of(group, folded);
  if (row >= live_rows(size.rowSource, size.rows)) { return; }
  let F4 = size.F / 4u;
  for (var i = lane; i < F4; i += LANES) {
    let gate = 2u * row * F4 + i;
    let z = vec4f(x[gate]);
    let g = vec4f(dy[row * F4 + i]);
    var dgate = g * vec4f(x[gate + F4]) * derivative(z);
    var dup = g * activate(z);
    if (ACCUMULATE != 0u) {
      dgate += vec4f(dx[gate]);
      dup += vec4f(dx[gate + F4]);
    }
    dx[gate] = DX(dgate);
    dx[gate + F4] = DX(dup);
  }
}
