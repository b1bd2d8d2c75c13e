// Seeded random numbers for shuffles, splits and initial weights: xoshiro128** (Blackman and Vigna 2018), whose state is
// filled by splitmix32. The same seed gives the same numbers on every machine; nothing here reads the clock.

/** A stream of random numbers, decided by its seeds alone. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  #spare: number | undefined;

  /** @param seeds whole numbers, e.g. the run's seed and the epoch; each list is a stream of its own */
  constructor(...seeds: number[]) {
    let state = 0x9e3779b9;
    for (const seed of seeds) {
      // Both halves count, so that seeds past 2^32 differ too.
      state = mix32(state ^ (seed >>> 0)) + 0x9e3779b9;
      state = mix32(state ^ (Math.floor(seed / 2 ** 32) >>> 0)) + 0x9e3779b9;
    }
    const next = () => mix32(state = (state + 0x9e3779b9) | 0);
    [this.#a, this.#b, this.#c, this.#d] = [next(), next(), next(), next() | 1];
  }

  /** A whole number from 0 to 2^32 - 1. */
  uint32(): number {
    const result = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotate(this.#d, 11);
    return result;
  }

  /** A number in [0, 1), 53 bits fine. */
  uniform(): number {
    return ((this.uint32() >>> 5) * 2 ** 26 + (this.uint32() >>> 6)) / 2 ** 53;
  }

  /** A whole number from 0 to n - 1, each as likely as the next. */
  below(n: number): number {
    const fair = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const value = this.uint32();
      if (value < fair) return value % n;
    }
  }

  /** A draw from the normal distribution of mean 0 and deviation 1 (Box and Muller 1958). */
  normal(): number {
    if (this.#spare !== undefined) {
      const value = this.#spare;
      this.#spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform())), angle = 2 * Math.PI * this.uniform();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Puts `items` in random order, in place (Fisher and Yates). */
  shuffle<List extends { length: number; [index: number]: unknown }>(items: List): List {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [items[last], items[other]] = [items[other], items[last]];
    }
    return items;
  }
}

/** Scrambles 32 bits (the finaliser of splitmix32). */
export function mix32(value: number): number {
  value = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  value = Math.imul(value ^ (value >>> 15), 0x735a2d97);
  return value ^ (value >>> 15);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
