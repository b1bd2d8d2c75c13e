// probe.wgsl: notes where a tensor holds a value that is not finite; recorded only to find out where a run went wrong.
//   found[index] = 1 where any live value of x is infinite or no number
// Shapes    x [rows, W]   found [marks] u32
// Dispatch  ceil(live values / 64) groups of 64, folded over y past 65,535
// Limits    writes of the same 1 by several invocations do not conflict
// Numerics  exponent bits, see finite.wgsl
// Source    none
struct Size { rows: u32, W: u32, rowSource: u32, index: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> found: array<atomic<u32>>;
@group(0) @binding(2) var<uniform> size: Size;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * 64u + lane;
  if (i >= live_rows(size.rowSource, size.rows) * size.W) { return; }
  if (not_finite(x[i])) { atomicStore(&found[size.index], 1u); }
}
