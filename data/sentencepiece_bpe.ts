// SentencePiece's BPE: of all neighbours that make a piece together, those of the best score are joined, the first on a tie, until
// none is left; as `bpe::Model::SampleEncode` of google/sentencepiece without sampling. Unused pieces, which a model may be given
// by hand after its training, are no steps on the way to longer ones here; there they are, and are cut again.
import { symbolFinder } from "./user_defined.ts";

export interface BpeOptions {
  /** Score of each piece that text is read as, by id; NaN for the others, unused ones included. */
  scores: Float64Array;
  pieces: readonly string[];
  unknownId: number;
  /** Never joined with their neighbours. */
  userDefined: ReadonlySet<string>;
  /** Id of each byte's piece: what a character without a piece is spelled with. */
  byteIds?: readonly number[];
}

/** Two neighbours that could be joined. */
interface Pair {
  left: number;
  right: number;
  score: number;
  /** UTF-16 units of both, to notice that one of them has been joined since. */
  length: number;
}

const encoder = new TextEncoder();

export class SentencePieceBpe {
  readonly #ids = new Map<string, number>();
  readonly #options: BpeOptions;
  readonly #symbolAt: ReturnType<typeof symbolFinder>;

  constructor(options: BpeOptions) {
    this.#options = options;
    options.pieces.forEach((piece, id) => {
      if (!Number.isNaN(options.scores[id])) this.#ids.set(piece, id);
    });
    this.#symbolAt = symbolFinder(options.userDefined);
  }

  /** Ids of one word, unknown neighbours as one. */
  encode(word: string): number[] {
    const texts: string[] = [], frozen: boolean[] = [];
    for (let at = 0; at < word.length;) {
      const symbol = this.#symbolAt(word, at);
      const text = symbol ?? String.fromCodePoint(word.codePointAt(at)!);
      texts.push(text);
      frozen.push(symbol !== undefined);
      at += text.length;
    }
    this.#join(texts, frozen);
    return this.#idsOf(texts.filter((text) => text !== ""));
  }

  /** Joins in place; what was joined to its left neighbour is left empty. */
  #join(texts: string[], frozen: readonly boolean[]): void {
    const size = texts.length;
    const next = Int32Array.from(texts, (_, i) => i + 1), previous = Int32Array.from(texts, (_, i) => i - 1);
    const queue = new PairQueue();
    const offer = (left: number, right: number) => {
      if (left < 0 || right >= size || frozen[left] || frozen[right]) return;
      const id = this.#ids.get(texts[left] + texts[right]);
      if (id === undefined) return;
      queue.push({ left, right, score: this.#options.scores[id], length: texts[left].length + texts[right].length });
    };
    for (let i = 1; i < size; i++) offer(i - 1, i);
    for (let pair = queue.pop(); pair; pair = queue.pop()) {
      const { left, right, length } = pair;
      if (texts[left] === "" || texts[right] === "" || texts[left].length + texts[right].length !== length) continue;
      texts[left] += texts[right];
      texts[right] = "";
      next[left] = next[right];
      if (next[right] < size) previous[next[right]] = left;
      offer(previous[left], left);
      offer(left, next[left]);
    }
  }

  #idsOf(texts: readonly string[]): number[] {
    const { unknownId, byteIds } = this.#options;
    const result: number[] = [];
    for (const text of texts) {
      const id = this.#ids.get(text);
      if (id !== undefined) result.push(id);
      else if (byteIds) { for (const byte of encoder.encode(text)) result.push(byteIds[byte]); }
      else if (result.at(-1) !== unknownId) result.push(unknownId);
    }
    return result;
  }
}

/** A heap of pairs: the best score first, of equal scores the leftmost. */
class PairQueue {
  readonly #heap: Pair[] = [];

  push(pair: Pair): void {
    const heap = this.#heap;
    let at = heap.push(pair) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!comesFirst(pair, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = pair;
  }

  pop(): Pair | undefined {
    const heap = this.#heap, first = heap[0], last = heap.pop();
    if (heap.length === 0 || last === undefined) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && comesFirst(heap[child + 1], heap[child])) child++;
      if (!comesFirst(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function comesFirst(a: Pair, b: Pair): boolean {
  return a.score > b.score || (a.score === b.score && a.left < b.left);
}
