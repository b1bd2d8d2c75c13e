// Which battles go through the GPU together: optimizer steps of `batch` battles, each cut into as few micro-batches as
// fit the engine's capacity. Plans hold places in a list of battles; packed_batch.ts turns one into arrays.
import { UsageError } from "../errors.ts";
import { mix32, Random } from "./random.ts";

/** What planning needs to know of a battle; an EncodedBattle is one. */
export interface Packable {
  tokens: number;
  segments: number;
  /** Row in its file, for messages. */
  row: number;
}

/** What one micro-batch may hold. */
export interface Capacity {
  tokens: number;
  segments: number;
  battles: number;
}

/** Battles of one micro-batch. */
export interface MicroBatch {
  /** Places in the list that was planned. */
  battles: number[];
  /** For each, whether A and B change places. */
  swapped: boolean[];
}

/** One optimizer step. */
export type Step = MicroBatch[];

export interface EpochOptions {
  battles: readonly Packable[];
  /** Battles of one optimizer step. The last step of an epoch may hold fewer. */
  batch: number;
  capacity: Capacity;
  seed: number;
  /** From 0. */
  epoch: number;
  /** Off: steps are the file's own order, cut every `batch` battles. @default {true} */
  shuffle?: boolean;
  /** Half of the battles, others in each epoch, have A and B exchanged. @default {false} */
  swapAugment?: boolean;
}

/** The steps of an epoch: battles shuffled, cut into steps, each step packed longest first. Depends on its options alone,
 *  so every machine plans the same.
 *
 *  Battles are not sorted by length before the cut: packed batches need no padding, and sorting within buckets of 2, 8 and
 *  50 steps gave as many micro-batches or more (1,931 battles of people's own texts, 16 a step, siamese: 871 without,
 *  924 to 984 with at 1,024 tokens, 458 against 474 to 479 at 2,048; joint: 601 against 597 to 606, 336 against 314 to 327).
 *  @throws {UsageError} if one battle is more than a micro-batch holds */
export function planEpoch(options: EpochOptions): Step[] {
  const { battles, batch, capacity, seed, epoch, shuffle = true, swapAugment = false } = options;
  checkCapacity(battles, capacity);
  const order = Array.from(battles.keys());
  if (shuffle) new Random(seed, epoch).shuffle(order);
  const steps: number[][] = [];
  for (let at = 0; at < order.length; at += batch) steps.push(order.slice(at, at + batch));
  const isSwapped = (battle: number) => swapAugment && isHeads(seed, epoch, battle);
  return steps.map((step) => pack(step, battles, capacity, isSwapped));
}

/** Micro-batches for prediction, as full as can be: every battle once, longest first. Results come in this order; put
 *  them back by `PackedBatch.battleIndex`. @param swapped exchange A and B of every battle */
export function planPrediction(
  options: { battles: readonly Packable[]; capacity: Capacity; swapped?: boolean },
): MicroBatch[] {
  const { battles, capacity, swapped = false } = options;
  checkCapacity(battles, capacity);
  return pack(Array.from(battles.keys()), battles, capacity, () => swapped);
}

/** Refuses what can never be packed. */
function checkCapacity(battles: readonly Packable[], capacity: Capacity): void {
  for (const { tokens, segments, row } of battles) {
    if (tokens > capacity.tokens) {
      throw new UsageError(
        `Cannot pack the battle of row ${row}: its ${tokens} tokens are more than the ${capacity.tokens} of a ` +
          "micro-batch: raise --batch-tokens or lower --max-tokens",
      );
    }
    if (segments > capacity.segments || capacity.battles < 1) {
      throw new UsageError(
        `Cannot pack the battle of row ${row}: a micro-batch holds ${capacity.segments} sequences of ` +
          `${capacity.battles} battles: raise --batch-tokens`,
      );
    }
  }
}

/** First-fit decreasing (at most 11/9 of the fewest possible, and one more: Johnson 1973), found bin by bin: each bin
 *  takes, longest first, whatever still fits. */
function pack(
  members: readonly number[],
  battles: readonly Packable[],
  capacity: Capacity,
  isSwapped: (battle: number) => boolean,
): MicroBatch[] {
  const sorted = members.toSorted((one, other) => battles[other].tokens - battles[one].tokens || one - other);
  const next = new NextFree(sorted.length);
  const bins: MicroBatch[] = [];
  for (let first = next.from(0); first < sorted.length; first = next.from(first)) {
    const bin: number[] = [];
    let tokens = capacity.tokens, segments = capacity.segments;
    for (let at = first; at < sorted.length && bin.length < capacity.battles;) {
      const battle = sorted[at];
      if (battles[battle].segments > segments) break;
      bin.push(battle);
      tokens -= battles[battle].tokens;
      segments -= battles[battle].segments;
      next.take(at);
      at = next.from(firstThatFits(sorted, battles, tokens));
    }
    bins.push({ battles: bin, swapped: bin.map(isSwapped) });
  }
  return bins;
}

/** Place of the first battle of at most `tokens` tokens in a list sorted longest first. */
function firstThatFits(sorted: readonly number[], battles: readonly Packable[], tokens: number): number {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (battles[sorted[middle]].tokens <= tokens) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Finds the next place that is not yet taken, in nearly constant time (union by path halving). */
class NextFree {
  readonly #next: Uint32Array;

  constructor(places: number) {
    this.#next = Uint32Array.from({ length: places + 1 }, (_, place) => place);
  }

  take(place: number): void {
    this.#next[place] = place + 1;
  }

  from(place: number): number {
    const next = this.#next;
    while (next[place] !== place) place = next[place] = next[next[place]];
    return place;
  }
}

/** A coin for each battle and epoch, whatever the order of the battles. */
function isHeads(seed: number, epoch: number, battle: number): boolean {
  return (mix32(mix32(mix32(seed + 0x51ed270b) ^ epoch) ^ battle) & 0x10000) !== 0;
}
