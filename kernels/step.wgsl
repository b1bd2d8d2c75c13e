// step.wgsl: the uniform that every kernel of a program may read; rewritten before each replay, never baked into a kernel.
// Shapes    scalars only
// Dispatch  none: this file is put in front of the kernels that declare `step`
struct Step {
  tokens: u32,         // rows in use of [T, .] tensors
  segments: u32,       // rows in use of [S, .]
  battles: u32,        // rows in use of [B, .]
  blocks: u32,         // attention work items in use
  slot: u32,           // row of the metrics ring
  inverseWeight: f32,  // 1 / (sum of battle weights of the whole optimizer step)
}

// Rows in use of a tensor: `source` is 0 for all `capacity` rows, 1 tokens, 2 segments, 3 battles.
fn live_rows(source: u32, capacity: u32) -> u32 {
  switch source {
    case 1u: { return step.tokens; }
    case 2u: { return step.segments; }
    case 3u: { return step.battles; }
    default: { return capacity; }
  }
}
