// How a quantised weight lies on the GPU, as words of 32 bits: see quantised.wgsl, which reads it.
import { ShapeError } from "../errors.ts";
import { BLOCK, dynamicMap, nf4Values, type QuantForm, quantiseInt8, quantiseNf4, SUPERBLOCK } from "./quantiser.ts";

/** Words at the start of an nf4 weight's scales: the 8-bit map, then the 16 values. */
const NF4_TABLES = 256 + 16;

/** Words to write. */
export interface Words {
  into: "codes" | "scales";
  /** First word. */
  first: number;
  words: Uint32Array<ArrayBuffer>;
}

/** Whether a weight can be quantised: whole blocks in each row, and magnitudes that fill words. */
export function isQuantisable(shape: readonly number[]): boolean {
  const [rows, inputs] = shape;
  return shape.length === 2 && inputs % BLOCK === 0 && rows * inputs % (4 * BLOCK) === 0;
}

/** A weight [rows, inputs], or several of one width below each other, each quantised for itself. */
export class QuantisedLayout {
  /** Blocks that share a scale and an offset: a divisor of `SUPERBLOCK` at which every part begins. */
  readonly superblock: number;
  readonly blocks: number;
  /** Codes of a word. */
  readonly perWord: number;
  readonly codeWords: number;
  readonly scaleWords: number;
  readonly #starts: number[] = [];

  /** @throws {ShapeError} if a part is not quantisable */
  constructor(readonly form: QuantForm, readonly rows: readonly number[], readonly inputs: number) {
    let blocks = 0, superblock = SUPERBLOCK;
    for (const count of rows) {
      if (!isQuantisable([count, inputs])) {
        throw new ShapeError(
          `Cannot quantise [${count}, ${inputs}]: rows must be blocks of ${BLOCK}, 4 or more in all`,
        );
      }
      superblock = gcd(superblock, blocks);
      this.#starts.push(blocks);
      blocks += count * inputs / BLOCK;
    }
    this.superblock = superblock;
    this.blocks = blocks;
    this.perWord = form === "nf4" ? 8 : 4;
    this.codeWords = blocks * BLOCK / this.perWord;
    this.scaleWords = form === "int8" ? blocks : NF4_TABLES + blocks / 4 + 2 * Math.ceil(blocks / superblock);
  }

  /** What does not depend on the weights. */
  tables(): Words[] {
    if (this.form === "int8") return [];
    const values = Float32Array.of(...dynamicMap, ...nf4Values);
    return [{ into: "scales", first: 0, words: new Uint32Array(values.buffer) }];
  }

  /** Quantises one part, row-major. */
  pack(part: number, w: Float32Array): Words[] {
    const start = this.#starts[part];
    if (w.length !== this.rows[part] * this.inputs) {
      throw new ShapeError(`Cannot quantise ${w.length} values as [${this.rows[part]}, ${this.inputs}]`);
    }
    if (this.form === "int8") {
      const { codes, scales } = quantiseInt8(w);
      return [
        { into: "codes", first: start * BLOCK / 4, words: new Uint32Array(codes.buffer) },
        { into: "scales", first: start, words: new Uint32Array(scales.buffer) },
      ];
    }
    const { codes, magnitudes, scales, offset } = quantiseNf4(w);
    const words = new Uint32Array(codes.length / 8);
    codes.forEach((code, i) => words[i >> 3] |= code << 4 * (i & 7));
    const pairs = Math.ceil(magnitudes.length / this.superblock);
    const shared = Float32Array.from(
      { length: 2 * pairs },
      (_, i) => i % 2 ? offset : scales[Math.floor((i >> 1) * this.superblock / SUPERBLOCK)],
    );
    return [
      { into: "codes", first: start * BLOCK / 8, words },
      { into: "scales", first: NF4_TABLES + start / 4, words: new Uint32Array(magnitudes.buffer) },
      {
        into: "scales",
        first: NF4_TABLES + this.blocks / 4 + 2 * start / this.superblock,
        words: new Uint32Array(shared.buffer),
      },
    ];
  }
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
