// finite.wgsl: function only: whether a number is infinite or no number.
// Shapes    one scalar
// Dispatch  none
// Numerics  tests the exponent's bits: a WGSL compiler may assume that x == x
fn not_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}
