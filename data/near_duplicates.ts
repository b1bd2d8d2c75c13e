// Which prompts say nearly the same, so that no fold trains on what another is judged on. MinHash with one permutation
// (Li, Owen, Zhang 2012) made dense (Shrivastava and Li 2014), banded; time grows with the text, not with pairs of prompts.

/** Characters of a shingle; letters, not words, since not every script has spaces. */
const shingle = 5;

/** Numbers of a signature: the estimated similarity is off by 0.04 or so. */
const bins = 128;

/** Prompts are compared if one band of so many numbers agrees: of two at similarity 0.7, all but 1 in 6,000 pairs are. */
const bandRows = 4;

export interface NearDuplicateOptions {
  /** Least share of common shingles (Jaccard) that makes two prompts the same. @default {0.7} */
  similarity?: number;
}

/** For each key the least key, in the order of code units, of its group; keys like `promptKey` gives them. A group is
 *  whatever is linked by pairs that are alike and hold the same numbers: "12 + 30" is not "12 + 31". Depends on the set of keys alone, not on their order. */
export function nearDuplicateKeys(keys: readonly string[], options: NearDuplicateOptions = {}): string[] {
  const { similarity = 0.7 } = options;
  const distinct = [...new Set(keys)].sort();
  const signatures = new Uint32Array(distinct.length * bins);
  for (const [at, key] of distinct.entries()) sign(key, signatures.subarray(at * bins, (at + 1) * bins));
  const numbers = distinct.map((key) => key.match(/\p{N}+/gu)?.join(" ") ?? "");
  const numbersHash = Uint32Array.from(numbers, (text) => hashOf(text));
  const groups = new Groups(distinct.length);
  for (let band = 0; band < bins; band += bandRows) {
    const first = new Map<number, number[]>();
    for (let at = 0; at < distinct.length; at++) {
      const from = at * bins + band;
      const name = bandName(signatures, from, numbersHash[at]);
      const others = first.get(name);
      if (!others) first.set(name, [at]);
      else if (!others.some((other) => joinIfAlike(at, other))) {
        // A band that many unlike prompts share (say, a long common preface) must not make this quadratic.
        if (others.length < mostCompared) others.push(at);
      }
    }
  }
  const keyOf = new Map(distinct.map((key, at) => [key, distinct[groups.leastOf(at)]]));
  return keys.map((key) => keyOf.get(key)!);

  function joinIfAlike(at: number, other: number): boolean {
    if (groups.leastOf(at) === groups.leastOf(other)) return true;
    if (numbers[at] !== numbers[other]) return false;
    let same = 0;
    for (let bin = 0; bin < bins; bin++) same += Number(signatures[at * bins + bin] === signatures[other * bins + bin]);
    if (same < similarity * bins) return false;
    groups.join(at, other);
    return true;
  }
}

/** Prompts of one band that a new one is compared with, at most. */
const mostCompared = 16;

/** 53 bits that stand for a band and the prompt's numbers; what meets by chance is compared and found unlike. */
function bandName(signatures: Uint32Array, from: number, numbers: number): number {
  let high = numbers, low = 0;
  for (let at = from; at < from + bandRows; at++) {
    high = Math.imul(high ^ signatures[at], 0x9e3779b1);
    high ^= high >>> 15;
    low = Math.imul(low ^ signatures[at], 0x85ebca6b);
    low ^= low >>> 13;
  }
  return (high >>> 0) * 2 ** 21 + (low >>> 11);
}

/** FNV-1a of code units, finished as murmur3 does, since FNV's low bits are weak. */
function hashOf(text: string, start = 0, end = text.length): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return (hash ^ hash >>> 16) >>> 0;
}

/** The least hash of the shingles that fall into each bin; an empty bin borrows from the next full one. */
function sign(key: string, signature: Uint32Array): void {
  const empty = 0xffffffff;
  signature.fill(empty);
  const last = Math.max(key.length - shingle, 0);
  for (let start = 0; start <= last; start++) {
    const hash = hashOf(key, start, Math.min(start + shingle, key.length));
    const bin = hash % bins;
    if (hash < signature[bin]) signature[bin] = hash;
  }
  const own = signature.slice();
  // Twice round from the end, so that each empty bin has met the full one after it.
  let lent = empty, distance = 0;
  for (let at = 2 * bins - 1; at >= 0; at--) {
    const bin = at % bins;
    if (own[bin] !== empty) [lent, distance] = [own[bin], 0];
    else if (lent !== empty) {
      // The distance is mixed in, so that two prompts do not agree on many bins by one shingle.
      signature[bin] = Math.imul(lent + ++distance, 0x9e3779b1) >>> 0;
    }
  }
}

/** Union-find; the least member stands for its group. */
class Groups {
  readonly #parent: Uint32Array;

  constructor(size: number) {
    this.#parent = Uint32Array.from({ length: size }, (_, at) => at);
  }

  leastOf(at: number): number {
    const parent = this.#parent;
    while (parent[at] !== at) at = parent[at] = parent[parent[at]];
    return at;
  }

  join(one: number, other: number): void {
    const a = this.leastOf(one), b = this.leastOf(other);
    this.#parent[Math.max(a, b)] = Math.min(a, b);
  }
}
