// Reads a SentencePiece model, a ModelProto in protocol buffers' wire format: pieces, and how text is normalised before.
// Fields as sentencepiece_model.proto of google/sentencepiece numbers them.
import { InputError } from "../errors.ts";

export type PieceType = "normal" | "unknown" | "control" | "userDefined" | "unused" | "byte";

export interface Piece {
  text: string;
  /** Unigram: log probability; BPE: less the rank of the merge. */
  score: number;
  type: PieceType;
}

export interface SentencePieceModel {
  kind: "unigram" | "bpe";
  pieces: Piece[];
  unknownId: number;
  byteFallback: boolean;
  treatWhitespaceAsSuffix: boolean;
  normalizer: {
    charsmap?: Uint8Array;
    addDummyPrefix: boolean;
    removeExtraWhitespaces: boolean;
    escapeWhitespaces: boolean;
  };
}

const pieceTypes: Record<number, PieceType> = {
  1: "normal",
  2: "unknown",
  3: "control",
  4: "userDefined",
  5: "unused",
  6: "byte",
};

const advice = "get the file again";

/** @param path for messages @throws {InputError} with the byte, if the bytes are no model or one of a kind that is not supported */
export function parseSentencePieceModel(bytes: Uint8Array, path: string): SentencePieceModel {
  // Of an array of its own, so that a field's offset in it is its place in the file.
  const root = new Message(Uint8Array.from(bytes), path);
  const trainer = root.message(2), normalizer = root.message(3);
  const kind = trainer?.number(3, 1) ?? 1;
  if (kind !== 1 && kind !== 2) {
    throw new InputError(
      `Cannot load ${path}: its model_type is ${kind}, must be 1 (unigram) or 2 (BPE): use another model`,
    );
  }
  const pieces = root.messages(1).map((piece): Piece => ({
    text: piece.text(1, ""),
    score: piece.float(2, 0),
    type: pieceTypes[piece.number(3, 1)] ?? "unused",
  }));
  if (pieces.length === 0) throw new InputError(`Cannot load ${path}: it holds no pieces: ${advice}`);
  const unknownId = pieces.findIndex(({ type }) => type === "unknown");
  if (unknownId < 0) throw new InputError(`Cannot load ${path}: no piece is of the unknown type: ${advice}`);
  return {
    kind: kind === 1 ? "unigram" : "bpe",
    pieces,
    unknownId,
    byteFallback: trainer?.flag(35, false) ?? false,
    treatWhitespaceAsSuffix: trainer?.flag(24, false) ?? false,
    normalizer: {
      charsmap: normalizer?.bytes(2),
      addDummyPrefix: normalizer?.flag(3, true) ?? true,
      removeExtraWhitespaces: normalizer?.flag(4, true) ?? true,
      escapeWhitespaces: normalizer?.flag(5, true) ?? true,
    },
  };
}

// A piece may begin with U+FEFF, which a decoder takes for a mark of its own.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The fields of one message, split and not yet interpreted; a field given twice counts the last time. */
class Message {
  readonly #fields = new Map<number, (number | Uint8Array)[]>();

  constructor(bytes: Uint8Array, readonly path: string) {
    const fail = (at: number, what: string) =>
      new InputError(
        `Cannot read ${path}: byte ${bytes.byteOffset + at}: ${what}, so it is no SentencePiece model: ${advice}`,
      );
    let at = 0;
    const varint = (): number => {
      let value = 0;
      for (let scale = 1;; scale *= 128) {
        if (at >= bytes.length || scale > 2 ** 63) throw fail(at, "a number does not end");
        const byte = bytes[at++];
        value += (byte & 127) * scale;
        if (byte < 128) return value;
      }
    };
    while (at < bytes.length) {
      const tag = varint(), wire = tag % 8, field = Math.floor(tag / 8);
      let value: number | Uint8Array;
      if (wire === 0) value = varint();
      else {
        const length = wire === 1 ? 8 : wire === 5 ? 4 : wire === 2 ? varint() : -1;
        if (length < 0) throw fail(at, `wire type ${wire}`);
        if (at + length > bytes.length) throw fail(at, `a field of ${length} bytes does not fit`);
        value = bytes.subarray(at, at += length);
      }
      const known = this.#fields.get(field);
      if (known) known.push(value);
      else this.#fields.set(field, [value]);
    }
  }

  messages(field: number): Message[] {
    return this.#all(field).filter((value) => typeof value !== "number").map((value) => {
      return new Message(value, this.path);
    });
  }

  message(field: number): Message | undefined {
    return this.messages(field).at(-1);
  }

  bytes(field: number): Uint8Array | undefined {
    const value = this.#all(field).at(-1);
    return typeof value === "object" && value.length > 0 ? value : undefined;
  }

  text(field: number, otherwise: string): string {
    const value = this.#all(field).at(-1);
    return typeof value === "object" ? decoder.decode(value) : otherwise;
  }

  number(field: number, otherwise: number): number {
    const value = this.#all(field).at(-1);
    return typeof value === "number" ? value : otherwise;
  }

  flag(field: number, otherwise: boolean): boolean {
    return this.number(field, otherwise ? 1 : 0) !== 0;
  }

  float(field: number, otherwise: number): number {
    const value = this.#all(field).at(-1);
    return typeof value === "object" && value.length === 4
      ? new DataView(value.buffer, value.byteOffset).getFloat32(0, true)
      : otherwise;
  }

  #all(field: number): readonly (number | Uint8Array)[] {
    return this.#fields.get(field) ?? [];
  }
}
