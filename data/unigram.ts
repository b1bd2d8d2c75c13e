// The Unigram model: the cut of a word into pieces whose log probabilities add up to the most; Kudo 2018, by Viterbi's
// algorithm as SentencePiece's `EncodeOptimized` and Hugging Face's `Unigram` run it.

export interface UnigramOptions {
  /** Log probability of each piece, by id; NaN where text is never read as the piece: control and unused ones. */
  scores: Float64Array;
  pieces: readonly string[];
  unknownId: number;
  /** Pieces that win wherever they stand. */
  userDefined?: ReadonlySet<string>;
  /** Whether sums are rounded to float32, as SentencePiece's are; Hugging Face's are not. Decides between cuts of equal worth. */
  single: boolean;
  /** Id of each byte's piece: what a character without a piece is spelled with. */
  byteIds?: readonly number[];
}

/** An unknown character is worth that much less than the worst piece: kUnkPenalty of SentencePiece. */
const unknownPenalty = 10;

const encoder = new TextEncoder();

/** The name of the piece of a byte, for instance `<0x0A>`. */
export function bytePiece(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

export class Unigram {
  readonly #ids = new Map<string, number>();
  readonly #scores: Float64Array;
  readonly #options: UnigramOptions;
  /** UTF-16 units of the longest piece. */
  readonly #longest: number;
  readonly #unknownScore: number;
  readonly #bestScore: number;
  readonly #round: (sum: number) => number;

  constructor(options: UnigramOptions) {
    this.#options = options;
    this.#scores = options.scores;
    this.#round = options.single ? Math.fround : (sum) => sum;
    let longest = 1, least = Infinity, most = -Infinity;
    options.pieces.forEach((piece, id) => {
      const score = options.scores[id];
      if (Number.isNaN(score)) return;
      this.#ids.set(piece, id);
      longest = Math.max(longest, piece.length);
      if (options.userDefined?.has(piece)) return;
      least = Math.min(least, score);
      most = Math.max(most, score);
    });
    this.#longest = longest;
    this.#unknownScore = this.#round(least - unknownPenalty);
    this.#bestScore = most;
  }

  /** Ids of a text or of one word of it, unknown neighbours as one. */
  encode(word: string): number[] {
    const size = word.length;
    if (size === 0) return [];
    const best = new Float64Array(size + 1).fill(-Infinity),
      from = new Int32Array(size + 1),
      ids = new Int32Array(size + 1);
    best[0] = 0;
    for (let start = 0; start < size;) {
      const width = word.codePointAt(start)! > 0xffff ? 2 : 1;
      let hasSingle = false;
      for (let end = start + width; end <= Math.min(size, start + this.#longest); end++) {
        const piece = word.slice(start, end), id = this.#ids.get(piece);
        if (id === undefined) continue;
        // SentencePiece keeps sums in float32 but compares them before they are rounded.
        const sum = best[start] + this.#scoreOf(piece, id);
        if (sum > best[end]) [best[end], from[end], ids[end]] = [this.#round(sum), start, id];
        if (end - start === width) hasSingle = true;
      }
      const next = start + width, unknown = this.#round(best[start] + this.#unknownScore);
      if (!hasSingle && unknown > best[next]) {
        [best[next], from[next], ids[next]] = [unknown, start, this.#options.unknownId];
      }
      start = next;
    }
    return this.#trace(word, from, ids);
  }

  #scoreOf(piece: string, id: number): number {
    // SentencePiece: "User defined symbol receives extra bonus to always be selected", by its bytes.
    const { userDefined } = this.#options;
    return userDefined?.has(piece) ? encoder.encode(piece).length * this.#bestScore - 0.1 : this.#scores[id];
  }

  #trace(word: string, from: Int32Array, ids: Int32Array): number[] {
    const { unknownId, byteIds } = this.#options;
    const result: number[] = [];
    for (let end = word.length; end > 0; end = from[end]) {
      if (ids[end] !== unknownId) result.push(ids[end]);
      else if (byteIds) {
        result.push(...[...encoder.encode(word.slice(from[end], end))].reverse().map((byte) => byteIds[byte]));
      } else if (result.at(-1) !== unknownId) result.push(unknownId);
    }
    return result.reverse();
  }
}
