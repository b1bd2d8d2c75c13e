// cross_entropy.wgsl: the loss of a micro-batch with its gradient, and probabilities for prediction.
//   loss      p = softmax(z[b]);  loss = sum over b of w[b] * sum_c target[b, c] * -log p[c], * inverseWeight
//             dz[b, c] = (p[c] * sum_c' target[b, c'] - target[b, c]) * w[b] * inverseWeight
//             metrics[slot] += (loss, battles whose largest z is where the largest target is, battles, 0)
//             flag = 1 where a logit or the loss is not finite; it is never cleared here
//   softmax   probabilities[b] = softmax(z[b])
// Shapes    logits (z) dlogits (dz) targets probabilities [B, C]   weights (w) [B]   metrics [slots, 4]   flag [1]
// Dispatch  loss: one group of 64, so that the metrics have one fixed order;  softmax: ceil(B / 64) groups of 64
// Limits    C <= 8 in practice: one invocation walks all classes of a battle; battles are the live rows of logits
// Numerics  f32, the largest logit subtracted; lane i sums battles i, i + 64, ..., then the lanes are added in order
// Source    torch.nn.functional.cross_entropy with class probabilities as target
struct Size { rows: u32, C: u32, rowSource: u32 }
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> targets: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(4) var<storage, read_write> metrics: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> flag: array<u32>;
@group(0) @binding(6) var<storage, read_write> probabilities: array<f32>;
@group(0) @binding(7) var<uniform> size: Size;
@group(0) @binding(8) var<uniform> step: Step;

var<workgroup> sums: array<vec4f, 64>;

fn largest_logit(first: u32) -> u32 {
  var best = first;
  for (var i = first + 1u; i < first + size.C; i++) { best = select(best, i, logits[i] > logits[best]); }
  return best;
}

// log of the sum of exp(z - top), over one battle's classes.
fn log_sum(first: u32, top: f32) -> f32 {
  var sum = 0.0;
  for (var i = first; i < first + size.C; i++) { sum += exp(logits[i] - top); }
  return log(sum);
}

@compute @workgroup_size(64)
fn loss(@builtin(local_invocation_index) lane: u32) {
  var sum = vec4f();  // loss, correct, battles, logits that are not finite
  for (var b = lane; b < live_rows(size.rowSource, size.rows); b += 64u) {
    let first = b * size.C;
    let best = largest_logit(first);
    let top = logits[best];
    let norm = log_sum(first, top);
    var target_sum = 0.0;
    var target_best = first;
    for (var i = first; i < first + size.C; i++) {
      target_sum += targets[i];
      target_best = select(target_best, i, targets[i] > targets[target_best]);
    }
    let weight = weights[b] * step.inverseWeight;
    var entropy = 0.0;
    for (var i = first; i < first + size.C; i++) {
      let log_p = logits[i] - top - norm;
      entropy -= targets[i] * log_p;
      dlogits[i] = (exp(log_p) * target_sum - targets[i]) * weight;
      sum.w += f32(not_finite(logits[i]));
    }
    sum += vec4f(entropy * weight, f32(best == target_best), 1.0, 0.0);
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane != 0u) { return; }
  var total = vec4f();
  for (var i = 0u; i < 64u; i++) { total += sums[i]; }
  metrics[step.slot] += vec4f(total.xyz, 0.0);
  if (total.w > 0.0 || not_finite(total.x)) { flag[0] = 1u; }
}

@compute @workgroup_size(64)
fn softmax(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= live_rows(size.rowSource, size.rows)) { return; }
  let first = id.x * size.C;
  let top = logits[largest_logit(first)];
  let norm = log_sum(first, top);
  for (var i = first; i < first + size.C; i++) { probabilities[i] = exp(logits[i] - top - norm); }
}
