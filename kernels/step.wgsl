// step.wgsl: the uniform that every kernel of a program may read; rewritten before each replay, never baked into a kernel.
// Shapes    scalars only
// Dispatch  none: this file is put in front of the kernels that declare `step`
struct Step {
  tokens: u32,           // rows in use of [T, .] tensors
  segments: u32,         // rows in use of [S, .]
  battles: u32,          // rows in use of [B, .]
  blocks: u32,           // attention work items in use
  slot: u32,             // row of the metrics ring
  inverseWeight: f32,    // 1 / (sum of battle weights of the whole optimizer step)
  uniqueWords: u32,      // distinct word ids of the micro-batch
  uniquePositions: u32,  // distinct positions
  learningRate: f32,     // of this optimizer step
  optimizerStep: u32,    // its number, from 1
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

// Distinct rows of a table that the micro-batch uses: `groups` is 0 for words, 1 for positions.
fn unique_rows(groups: u32) -> u32 {
  return select(step.uniquePositions, step.uniqueWords, groups == 0u);
}

// The row of a group where rows are folded over y past 65,535 groups.
fn row_of(group: vec3u, folded: vec3u) -> u32 {
  return group.y * folded.x + group.x;
}
