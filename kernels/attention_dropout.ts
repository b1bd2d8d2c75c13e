// The two functions by which attention's kernels ask for dropout masks: real ones, or ones that the compiler removes.
import dropoutSource from "./dropout.wgsl" with { type: "text" };

const keepAll = `
fn row_base(row: u32) -> u32 { return 0u; }
fn kept(base: u32, channel: u32) -> f32 { return 1.0; }
fn kept_by(base: u32, channel: u32, threshold: u32, scale: f32) -> f32 { return 1.0; }
`;

const dropSome = `${dropoutSource}
@group(0) @binding(8) var<storage, read> tokenKeys: array<u32>;
fn row_base(row: u32) -> u32 { return dropout_base(tokenKeys[row], size.site); }
fn kept(base: u32, channel: u32) -> f32 {
  return kept_by(base, channel, size.dropThreshold, size.dropScale);
}
fn kept_by(base: u32, channel: u32, threshold: u32, scale: f32) -> f32 {
  return dropout1(base, channel, threshold, scale);
}
`;

/**
 * WGSL of `row_base(row)`, the part of the hash that all keys of a query share, and `kept(base, channel)`, the mask of one
 * key: 0 where it is dropped, else 1 / (1 - rate); `kept_by` is the same with the uniforms given, for loops that read them
 * once. The channel of a key is head * 65536 + its position in the segment.
 */
export function maskSource(drop: boolean): string {
  return drop ? dropSome : keepAll;
}
