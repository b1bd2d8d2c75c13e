// copy.wgsl: the adapter's ceiling for kernels bound by memory: to = from, vec4f by vec4f.
// Shapes    from to [floats / 4] vec4f
// Dispatch  one: ceil(count / LANES) groups of LANES;  four: ceil(count / 4 / LANES), a lane's four lying LANES apart
override LANES: u32;
struct Size { count: u32 }
@group(0) @binding(0) var<storage, read> from_: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> to: array<vec4f>;
@group(0) @binding(2) var<uniform> size: Size;

@compute @workgroup_size(LANES)
fn one(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i < size.count) { to[i] = from_[i]; }
}

@compute @workgroup_size(LANES)
fn four(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * (4u * LANES) + lane;
  if (i + 3u * LANES < size.count) {
    let a = from_[i];
    let b = from_[i + LANES];
    let c = from_[i + 2u * LANES];
    let d = from_[i + 3u * LANES];
    to[i] = a;
    to[i + LANES] = b;
    to[i + 2u * LANES] = c;
    to[i + 3u * LANES] = d;
    return;
  }
  for (var j = i; j < size.count; j += LANES) { to[j] = from_[j]; }
}
