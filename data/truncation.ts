// How a budget of tokens is shared among the parts of a sequence, and what of a part is kept.

/** Lengths that fit into `budget`: all as they are if they fit; else every part longer than a common level is cut to it
 *  (max-min fair), so that each part of k keeps at least min(its length, budget / k rounded down).
 *
 *  What is left over, less than a token for each cut part, goes to the cut parts after the first if there is one for each;
 *  else one token goes to the first part if it is cut, else it stays unused. Parts after the first are thus treated alike:
 *  exchanging A and B exchanges their lengths exactly. */
export function shareBudget(lengths: readonly number[], budget: number): number[] {
  if (lengths.reduce((sum, length) => sum + length, 0) <= budget) return [...lengths];
  // Parts that fit below the level leave the rest of their share to the others, shortest first.
  let left = budget, cut = lengths.length;
  for (const length of [...lengths].sort((a, b) => a - b)) {
    if (length > Math.floor(left / cut)) break;
    left -= length;
    cut--;
  }
  const level = Math.floor(left / cut);
  const kept = lengths.map((length) => Math.min(length, level));
  let rest = left - level * cut;
  const others = lengths.flatMap((length, part) => part > 0 && length > level ? [part] : []);
  if (others.length > 0 && rest >= others.length) {
    for (const part of others) kept[part]++;
    rest -= others.length;
  }
  if (rest > 0 && lengths[0] > level) kept[0]++;
  return kept;
}

/** The first half of `keep` (rounded up) from the head, the rest from the tail; the middle is left out. */
export function keepHeadAndTail(ids: readonly number[], keep: number): number[] {
  if (ids.length <= keep) return [...ids];
  const head = Math.ceil(keep / 2), tail = keep - head;
  return [...ids.slice(0, head), ...ids.slice(ids.length - tail)];
}
