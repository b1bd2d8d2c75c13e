// A random sample of fixed size from a stream of unknown length.
import { Random } from "../../data/random.ts";

/** Keeps `size` items, each subset of the stream as likely as the next (Vitter 1985, algorithm R). */
export class Reservoir<T> {
  readonly items: T[] = [];
  /** Items offered so far. */
  seen = 0;
  readonly #draw: Random;

  constructor(readonly size: number, seed: number) {
    this.#draw = new Random(seed);
  }

  /** `make` is called only if the item is kept. */
  offer(make: () => T): void {
    this.seen++;
    if (this.items.length < this.size) this.items.push(make());
    else {
      const place = this.#draw.below(this.seen);
      if (place < this.size) this.items[place] = make();
    }
  }
}
