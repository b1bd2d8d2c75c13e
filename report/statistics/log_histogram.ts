// Counts of whole numbers in a fixed number of buckets that grow with the number, so that quantiles of any amount of data
// cost a few kilobytes. Numbers below 64 are counted one by one; above, 40 buckets span a doubling, 1.7 % each.

const exact = 64;
const growth = 2 ** (1 / 40);
/** Reaches past 2^53. */
const buckets = exact + Math.ceil(Math.log(2 ** 53 / exact) / Math.log(growth)) + 1;

/** A sketch of non-negative whole numbers: quantiles within 1 %, exact count, mean, least and greatest. */
export class LogHistogram {
  readonly #counts = new Uint32Array(buckets);
  count = 0;
  sum = 0;
  least = Infinity;
  greatest = 0;

  add(value: number): void {
    this.#counts[bucketOf(value)]++;
    this.count++;
    this.sum += value;
    if (value < this.least) this.least = value;
    if (value > this.greatest) this.greatest = value;
  }

  /** NaN of nothing. */
  get mean(): number {
    return this.sum / this.count;
  }

  /** The `at` quantile, 0 to 1: the middle of the bucket it falls into; NaN of nothing. */
  quantile(at: number): number {
    if (this.count === 0) return NaN;
    const rank = at * (this.count - 1);
    let seen = 0;
    for (let bucket = 0; bucket < buckets; bucket++) {
      seen += this.#counts[bucket];
      if (seen > rank) return Math.min(Math.max(middleOf(bucket), this.least), this.greatest);
    }
    return this.greatest;
  }

  /** How many lie in [low, high), as far as buckets tell. */
  between(low: number, high: number): number {
    let total = 0;
    for (let bucket = 0; bucket < buckets; bucket++) {
      if (this.#counts[bucket] === 0) continue;
      const middle = middleOf(bucket);
      if (middle >= low && middle < high) total += this.#counts[bucket];
    }
    return total;
  }
}

function bucketOf(value: number): number {
  if (value < exact) return Math.floor(value);
  return Math.min(exact + Math.floor(Math.log(value / exact) / Math.log(growth)), buckets - 1);
}

function middleOf(bucket: number): number {
  return bucket < exact ? bucket : exact * growth ** (bucket - exact + 0.5);
}
