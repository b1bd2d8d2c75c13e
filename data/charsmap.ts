// The character map of a SentencePiece model (`precompiled_charsmap`): a double-array trie of UTF-8 sequences and what each
// becomes, usually NFKC with white space and control characters unified.
//
// The blob: u32 bytes of the trie, the trie's u32 units, then zero-terminated UTF-8 strings that the trie's values point into.
// Units as in Darts-clone: bit 8 says that a value follows; offset = (unit >> 10) << ((unit & 512) >> 6); the lowest byte and
// bit 31 are the label; a value is a unit's lower 31 bits.
import { InputError } from "../errors.ts";

/** What a sequence of bytes is mapped to. */
export interface Mapped {
  /** Bytes of the sequence. */
  length: number;
  text: string;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

export class Charsmap {
  readonly #units: Uint32Array;
  readonly #strings: Uint8Array;
  /** What each ASCII character becomes by itself. */
  readonly #ascii: readonly string[];

  /** @param path of the file it stands in, for messages @throws {InputError} if the blob's sizes do not fit */
  constructor(blob: Uint8Array, path: string) {
    const bytes = blob.length < 4 ? 0 : new DataView(blob.buffer, blob.byteOffset).getUint32(0, true);
    if (bytes === 0 || bytes % 4 !== 0 || 4 + bytes > blob.length) {
      throw new InputError(
        `Cannot read ${path}: its precompiled_charsmap of ${blob.length} bytes holds no trie of ${bytes}: get the file again`,
      );
    }
    this.#units = new Uint32Array(Uint8Array.from(blob.subarray(4, 4 + bytes)).buffer);
    this.#strings = blob.subarray(4 + bytes);
    this.#ascii = Array.from(
      { length: 128 },
      (_, byte) => this.#find(Uint8Array.of(byte), 0, false)?.text ?? String.fromCharCode(byte),
    );
  }

  /** What the longest mapped sequence at `start` becomes: SentencePiece's own rule. */
  longest(utf8: Uint8Array, start: number): Mapped | undefined {
    return this.#find(utf8, start, true);
  }

  /**
   * The text as Hugging Face's `Precompiled` normalizer maps it: each grapheme of under 6 bytes by the shortest sequence it begins with,
   * whatever follows in the grapheme; of others, and where nothing fits, each character by itself.
   */
  mapGraphemes(text: string): string {
    // Between two ASCII characters there is a border, but for CR LF; the segmenter is slow, so that it gets the rest alone.
    return text.replaceAll(/\r\n|\p{ASCII}?\P{ASCII}+|\p{ASCII}/gu, (part) => {
      if (part.length === 1 && part < "\u0080") return this.#ascii[part.charCodeAt(0)];
      let result = "";
      for (const { segment } of graphemes.segment(part)) {
        const whole = encoder.encode(segment);
        const mapped = whole.length < 6 ? this.#find(whole, 0, false) : undefined;
        if (mapped) result += mapped.text;
        else {
          for (const character of segment) {
            result += this.#find(encoder.encode(character), 0, false)?.text ?? character;
          }
        }
      }
      return result;
    });
  }

  #find(utf8: Uint8Array, start: number, longest: boolean): Mapped | undefined {
    const units = this.#units;
    const offset = (unit: number) => (unit >>> 10) << ((unit & 512) >>> 6);
    let at = offset(units[0]), value = -1, length = 0;
    for (let i = start; i < utf8.length; i++) {
      at ^= utf8[i];
      const unit = units[at];
      if (unit === undefined || (unit & 0x800000ff) !== utf8[i]) break;
      at ^= offset(unit);
      if ((unit >>> 8) & 1) {
        value = units[at] & 0x7fffffff;
        length = i + 1 - start;
        if (!longest) break;
      }
    }
    if (value < 0) return undefined;
    const end = this.#strings.indexOf(0, value);
    return { length, text: decoder.decode(this.#strings.subarray(value, end < 0 ? undefined : end)) };
  }
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
