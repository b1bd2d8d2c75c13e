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
 * Any stretch of the list holds about its share of the work, whether a block's work grows with its segment or, where attention is
 * causal, with its place there: Mesa's CPU adapter halves a dispatch between its threads beforehand (bench/tried.md).
 *
 * @param starts [S + 1] first row of each segment, then the number of rows
 * @returns four numbers a block: its first row, the row after its last, the segment's first row, the row after its last
 */
export function attentionBlocks(starts: ArrayLike<number>): Uint32Array<ArrayBuffer> {
  const segments = Array.from({ length: starts.length - 1 }, (_, s) => [starts[s], starts[s + 1]])
    .sort(([a, aEnd], [b, bEnd]) => (bEnd - b) - (aEnd - a));
  const blocks = segments.flatMap(([start, end], i) => {
    const own: number[][] = [];
    for (let first = start; first < end; first += attentionBlockRows) {
      own.push([first, Math.min(first + attentionBlockRows, end), start, end]);
    }
    // Back and forth, so that no stretch has the late blocks of all segments.
    return i % 2 === 0 ? own : own.reverse();
  });
  return Uint32Array.from(spread(blocks).flat());
}

/** In the order of their numbers' bits, last bit first: neighbours go to different halves, quarters, eighths. */
function spread<T>(items: readonly T[]): T[] {
  const bits = Math.ceil(Math.log2(Math.max(1, items.length))), mirrored = [0];
  for (let bit = bits - 1; bit >= 0; bit--) mirrored.push(...mirrored.map((number) => number + 2 ** bit));
  return mirrored.filter((number) => number < items.length).map((number) => items[number]);
}
