// The work list of attention, made on the CPU for every micro-batch: blocks of query (or key) rows inside one segment.

/** Rows of one block. */
export const attentionBlockRows = 32;

/** The most blocks that `tokens` tokens in at most `segments` segments can need. */
export function maxAttentionBlocks(tokens: number, segments: number): number {
  return Math.floor(tokens / attentionBlockRows) + segments;
}

/**
 * Cuts each segment into blocks, from its first row on, so that a sequence is cut alike wherever it lies.
 *
 * @param starts [S + 1] first row of each segment, then the number of rows
 * @returns four numbers a block: its first row, the row after its last, the segment's first row, the row after its last
 */
export function attentionBlocks(starts: ArrayLike<number>): Uint32Array<ArrayBuffer> {
  const blocks: number[] = [];
  for (let segment = 0; segment + 1 < starts.length; segment++) {
    const start = starts[segment], end = starts[segment + 1];
    for (let first = start; first < end; first += attentionBlockRows) {
      blocks.push(first, Math.min(first + attentionBlockRows, end), start, end);
    }
  }
  return Uint32Array.from(blocks);
}
