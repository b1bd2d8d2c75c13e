// dropout.wgsl: functions only: which channels of a token survive dropout, from a counter-based hash.
//   kept(token, site, channel) = hash(hash(tokenKey + site * C) + channel * C) >= rate * 2^32
// Shapes    one channel, or four at a time
// Dispatch  none
// Numerics  integer arithmetic only, so every adapter drops the same channels; tokenKey = hash(seed, optimizer step, battle,
//           side, position) is made on the CPU (kernels/dropout.ts), so that packing and recomputation change nothing
// Source    "lowbias32" of Wellons' Hash Prospector (bias 0.17 bits)
fn hash4(v: vec4u) -> vec4u {
  var x = v;
  x = (x ^ (x >> vec4u(16u))) * 0x7feb352du;
  x = (x ^ (x >> vec4u(15u))) * 0x846ca68bu;
  return x ^ (x >> vec4u(16u));
}

fn hash1(v: u32) -> u32 {
  var x = v;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

// The part of the hash that all channels of one token at one site share.
fn dropout_base(token_key: u32, site: u32) -> u32 {
  return hash1(token_key + site * 0x9e3779b9u);
}

// One channel of `dropout4`.
fn dropout1(base: u32, channel: u32, threshold: u32, scale: f32) -> f32 {
  return select(0.0, scale, hash1(base + channel * 0x9e3779b9u) >= threshold);
}

// `scale` where channels channel..channel+3 are kept, 0 where they are dropped; scale = 1 / (1 - rate).
fn dropout4(base: u32, channel: u32, threshold: u32, scale: f32) -> vec4f {
  let h = hash4(vec4u(base) + (vec4u(channel) + vec4u(0u, 1u, 2u, 3u)) * 0x9e3779b9u);
  return select(vec4f(0.0), vec4f(scale), h >= vec4u(threshold));
}
