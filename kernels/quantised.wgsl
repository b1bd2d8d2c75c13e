// quantised.wgsl: reads a frozen weight in 4 or 8 bits; put in front of the kernels that use one.
//   nf4   w = nf4[code] * (map[magnitude] * scale + offset)   8 codes a word, the first in the lowest bits
//   int8  w = code * scale                                    4 codes a word
// Shapes    codes [values / 8 or / 4], or those of some rows; scales, of all rows, nf4: 256 floats of the map, 16 of nf4, magnitudes of the blocks, 4 a word, then
//           scale and offset of each SUPERBLOCK blocks; int8: the scale of each block of 64 values
// Dispatch  none: functions only
// Source    bitsandbytes' NF4 with double quantisation; laid out by quantised_layout.ts
override BITS: u32 = 4u;
override SUPERBLOCK: u32 = 256u;
@group(0) @binding(10) var<storage, read> codes: array<u32>;
@group(0) @binding(11) var<storage, read> scales: array<u32>;

const NF4_TABLES = 272u;

// What the codes of a block are multiplied by; `blocks` in all.
fn block_scale(block: u32, blocks: u32) -> f32 {
  if (BITS == 8u) { return bitcast<f32>(scales[block]); }
  let magnitude = (scales[NF4_TABLES + block / 4u] >> (block % 4u * 8u)) & 0xffu;
  let pair = NF4_TABLES + blocks / 4u + block / SUPERBLOCK * 2u;
  return bitcast<f32>(scales[magnitude]) * bitcast<f32>(scales[pair]) + bitcast<f32>(scales[pair + 1u]);
}

fn nf4(code: u32) -> f32 {
  return bitcast<f32>(scales[256u + (code & 15u)]);
}

// Four codes of nf4, from the lowest bits up.
fn four_nf4(word: u32) -> vec4f {
  return vec4f(nf4(word), nf4(word >> 4u), nf4(word >> 8u), nf4(word >> 12u));
}

// Four codes of int8.
fn four_int8(word: u32) -> vec4f {
  let high = vec4u(word << 24u, word << 16u, word << 8u, word);
  return vec4f(bitcast<vec4i>(high) >> vec4u(24u));
}

// Four values from `at` on, a multiple of 4, where the codes are bound from value `bound` on, the first of a word; `blocks` in all.
fn four_values(at: u32, bound: u32, blocks: u32) -> vec4f {
  let scale = block_scale(at / 64u, blocks);
  if (BITS == 8u) { return scale * four_int8(codes[(at - bound) / 4u]); }
  return scale * four_nf4(codes[(at - bound) / 8u] >> (at % 8u * 4u));
}
