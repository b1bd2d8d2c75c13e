// adamw.wgsl: one optimizer step over flat buffers: the gradient's norm, the clip coefficient, the update.
//   partial_norm  partial[offset + group] = its share of the sum of g * g
//   finish_norm   norm = sqrt(sum of partial, in order);  clip = [min(1, maxNorm / (norm + 1e-6)), norm, stepSize, rootCorrection]
//                 metrics[slot].gradNorm = norm;  flag = 1 where the norm is not finite;  clip[0] = -1 where flag is set
//                 stepSize = learningRate / (1 - beta1^t),  rootCorrection = sqrt(1 - beta2^t),  t the step's number
//   finish_scaled_norm  the same of gradients that are scale[0] times too large: the norm is divided by it and so is clip[0];
//                 where the norm is not finite: scale[0] /= 2, clip[0] = -1, metrics[slot].gradNorm = -1, and flag = 1 only
//                 where scale[0] was 1 already; after growAfter good steps in a row: scale[0] *= 2
//                 t leaves out the steps left out, as GradScaler of torch.amp
//   update        g = gradient * clip[0];  m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g g
//                 p -= learningRate * weightDecay * p + stepSize * m / (sqrt(v) / rootCorrection + eps)
//                 nothing is written where clip[0] < 0; only values before `decayed` decay
// Shapes    p g m v [N]   partial [groups]   clip [4]   metrics [slots, 4]   flag [1]
//           scale [3]: the scale, good steps since it changed, steps left out
// Dispatch  partial_norm, update: ceil(N / 2048) groups, one block of 512 vec4f each, folded over y past 65,535
//           finish_norm, finish_scaled_norm: one group
// Limits    N divides by 64 and is one range of the flat buffers: longer ones are several ranges (kernels/adamw.ts)
// Numerics  f32, fixed order; a range's groups depend on its length only
// Source    torch.optim.AdamW and torch.nn.utils.clip_grad_norm_; Loshchilov, Hutter 2019, algorithm 2
struct Size {
  N: u32,
  offset: u32,          // first entry of this range in partial
  groups: u32,          // entries of partial, over all ranges
  decayed: u32,
  maxNorm: f32,         // 0: no clipping
  firstRate: f32,       // 1 - beta1
  beta2: f32,
  secondRate: f32,      // 1 - beta2
  eps: f32,
  weightDecay: f32,
  growAfter: f32,
  logBeta1: f32,
  logBeta2: f32,
}
@group(0) @binding(0) var<storage, read_write> p: array<vec4f>;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;
@group(0) @binding(5) var<storage, read_write> clip: array<f32>;
@group(0) @binding(6) var<storage, read_write> metrics: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> flag: array<u32>;
@group(0) @binding(8) var<uniform> size: Size;
@group(0) @binding(9) var<uniform> step: Step;
@group(0) @binding(10) var<storage, read_write> scale: array<f32>;

// 8 and 64 on CPU adapters, whose invocations run eight at a time through all of their loop: a group then reads forwards.
// 64 and 8 on GPUs, which want neighbours to read neighbours. Both: blocks of 512 vec4f. Measured in bench/tried.md.
override LANES: u32;
override RUN: u32;

var<workgroup> sums: array<f32, 64>;

// Lane 0 gets the sum of all lanes, in order.
fn sum_lanes(lane: u32, value: f32) -> f32 {
  sums[lane] = value;
  workgroupBarrier();
  var total = 0.0;
  if (lane == 0u) {
    for (var i = 0u; i < LANES; i++) { total += sums[i]; }
  }
  return total;
}

// The group's number, which numbers its block of the range as well.
fn group_number(group: vec3u, folded: vec3u) -> u32 {
  return group.y * folded.x + group.x;
}

// First vec4f of an invocation, and where its group's block ends; neighbours lie side by side.
fn block_of(number: u32, lane: u32) -> vec2u {
  let first = number * LANES * RUN;
  return vec2u(first + lane, min(first + LANES * RUN, size.N / 4u));
}

@compute @workgroup_size(LANES)
fn partial_norm(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let number = group_number(group, folded);
  let block = block_of(number, lane);
  var sum = 0.0;
  for (var i = block.x; i < block.y; i += LANES) {
    let x = g[i];
    sum += dot(x, x);
  }
  let total = sum_lanes(lane, sum);
  // Folding may add groups past the last block; their entry would be the next range's.
  if (lane == 0u && block.x < block.y) { partial[size.offset + number] = total; }
}

// Lane 0 gets the norm.
fn total_norm(lane: u32) -> f32 {
  var sum = 0.0;
  for (var i = lane; i < size.groups; i += LANES) { sum += partial[i]; }
  return sqrt(sum_lanes(lane, sum));
}

fn clipped(norm: f32) -> f32 {
  if (size.maxNorm > 0.0) { return min(1.0, size.maxNorm / (norm + 1e-6)); }
  return 1.0;
}

// 1 - e^x, x <= 0. Near 0, where the difference would lose most digits, by its series: the first term left out is below 1e-8 of it.
fn one_minus_exp(x: f32) -> f32 {
  if (x < -0.5) { return 1.0 - exp(x); }
  var sum = 1.0;
  for (var n = 9.0; n > 1.0; n -= 1.0) { sum = 1.0 + x / n * sum; }
  return -x * sum;
}

// The factors that a step's number decides, `taken` of them counted with this one.
fn store_corrections(taken: f32) {
  clip[2] = step.learningRate / one_minus_exp(size.logBeta1 * taken);
  clip[3] = sqrt(one_minus_exp(size.logBeta2 * taken));
}

@compute @workgroup_size(LANES)
fn finish_norm(@builtin(local_invocation_index) lane: u32) {
  let norm = total_norm(lane);
  if (lane != 0u) { return; }
  metrics[step.slot].w = norm;
  if (not_finite(norm)) { flag[0] = 1u; }
  clip[0] = select(clipped(norm), -1.0, flag[0] != 0u);
  clip[1] = norm;
  store_corrections(f32(step.optimizerStep));
}

// Above, f32 sums of squares could overflow before f16 gradients do.
const MAX_SCALE = 16777216.0;

@compute @workgroup_size(LANES)
fn finish_scaled_norm(@builtin(local_invocation_index) lane: u32) {
  let scaled = total_norm(lane);
  if (lane != 0u) { return; }
  let factor = scale[0];
  let norm = scaled / factor;
  let overflows = not_finite(scaled);
  let skips = overflows && factor > 1.0;
  if (overflows && !skips) { flag[0] = 1u; }
  metrics[step.slot].w = select(norm, -1.0, skips);
  clip[0] = select(clipped(norm) / factor, -1.0, overflows || flag[0] != 0u);
  clip[1] = norm;
  store_corrections(max(1.0, f32(step.optimizerStep) - scale[2]));
  if (skips) {
    scale[0] = factor * 0.5;
    scale[1] = 0.0;
    scale[2] += 1.0;
  } else if (scale[1] + 1.0 < size.growAfter) {
    scale[1] += 1.0;
  } else {
    scale[0] = min(factor * 2.0, MAX_SCALE);
    scale[1] = 0.0;
  }
}

fn store(i: u32, p_old: vec4f, gradient: vec4f, m_old: vec4f, v_old: vec4f, stepSize: f32, rootCorrection: f32) {
  let m_new = m_old + size.firstRate * (gradient - m_old);
  let v_new = size.beta2 * v_old + size.secondRate * gradient * gradient;
  let decay = select(0.0, step.learningRate * size.weightDecay, i * 4u < size.decayed);
  m[i] = m_new;
  v[i] = v_new;
  p[i] = p_old - (decay * p_old + stepSize * m_new / (sqrt(v_new) / rootCorrection + size.eps));
}

@compute @workgroup_size(LANES)
fn update(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) folded: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let coefficient = clip[0];
  if (coefficient < 0.0) { return; }
  let stepSize = clip[2];
  let rootCorrection = clip[3];
  let number = group_number(group, folded);
  let block = block_of(number, lane);
  for (var i = block.x; i < block.y; i += LANES) {
    store(i, p[i], g[i] * coefficient, m[i], v[i], stepSize, rootCorrection);
  }
}
