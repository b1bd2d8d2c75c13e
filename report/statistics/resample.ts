// Draws a bootstrap sample of counted things: as drawing single battles with replacement, without keeping the battles.
import type { Random } from "../../data/random.ts";

/** `total` draws over cells in proportion to their counts, by Walker's alias method (Vose 1991): constant time a draw. */
export class Resampler {
  readonly #total: number;
  readonly #chance: Float64Array;
  readonly #alias: Uint32Array;

  constructor(counts: ArrayLike<number>) {
    const n = counts.length;
    this.#total = Array.from(counts).reduce((sum, count) => sum + count, 0);
    this.#chance = Float64Array.from({ length: n }, (_, i) => counts[i] * n / this.#total);
    this.#alias = Uint32Array.from({ length: n }, (_, i) => i);
    const small: number[] = [], large: number[] = [];
    for (let i = 0; i < n; i++) (this.#chance[i] < 1 ? small : large).push(i);
    while (small.length > 0 && large.length > 0) {
      const less = small.pop()!, more = large.pop()!;
      this.#alias[less] = more;
      this.#chance[more] -= 1 - this.#chance[less];
      (this.#chance[more] < 1 ? small : large).push(more);
    }
    // What is left is 1 but for rounding.
    for (const i of [...small, ...large]) this.#chance[i] = 1;
  }

  /** Counts of one bootstrap sample. */
  draw(random: Random): Float64Array {
    const drawn = new Float64Array(this.#chance.length);
    for (let i = 0; i < this.#total; i++) {
      const cell = random.below(drawn.length);
      const point = random.uint32() / 2 ** 32;
      drawn[point < this.#chance[cell] ? cell : this.#alias[cell]]++;
    }
    return drawn;
  }
}
