// Text -> ids by a SentencePiece model, as google/sentencepiece itself does it. Control pieces (<s>, [CLS]) are never found
// in text.
import { Charsmap } from "./charsmap.ts";
import { SentencePieceBpe } from "./sentencepiece_bpe.ts";
import { type SentencePieceModel } from "./sentencepiece_model.ts";
import { bytePiece, Unigram } from "./unigram.ts";
import { symbolFinder } from "./user_defined.ts";
import { InputError } from "../errors.ts";

/** What a space becomes. */
const mark = "\u2581";

/** @param path of the model, for messages */
export function sentencePieceEncoder(model: SentencePieceModel, path: string): (text: string) => number[] {
  const { pieces, unknownId } = model;
  const isText = ({ type }: typeof pieces[number]) => type === "normal" || type === "userDefined";
  const userDefined = new Set(pieces.filter(({ type }) => type === "userDefined").map(({ text }) => text));
  const options = {
    scores: Float64Array.from(pieces, (piece) => isText(piece) ? piece.score : NaN),
    pieces: pieces.map(({ text }) => text),
    unknownId,
    userDefined,
    ...(model.byteFallback && { byteIds: byteIds(model, path) }),
  };
  // The whole text at once, as SentencePiece does: its sums in float32 depend on all that stands before.
  const pieceModel = model.kind === "unigram"
    ? new Unigram({ ...options, single: true })
    : new SentencePieceBpe(options);
  const normalize = normalizer(model, userDefined, path);
  return (text) => pieceModel.encode(normalize(text.toWellFormed()));
}

function byteIds({ pieces }: SentencePieceModel, path: string): number[] {
  const ids = new Map(pieces.flatMap(({ text, type }, id) => type === "byte" ? [[text, id] as const] : []));
  return Array.from({ length: 256 }, (_, byte) => {
    const name = bytePiece(byte), id = ids.get(name);
    if (id === undefined) throw new InputError(`Cannot load ${path}: it has no piece ${name}: get the file again`);
    return id;
  });
}

/** `Normalizer::Normalize` of google/sentencepiece. */
function normalizer(
  model: SentencePieceModel,
  userDefined: ReadonlySet<string>,
  path: string,
): (text: string) => string {
  const { charsmap, addDummyPrefix, removeExtraWhitespaces, escapeWhitespaces } = model.normalizer;
  const map = charsmap && new Charsmap(charsmap, path);
  const symbolAt = userDefined.size > 0 ? symbolFinder(userDefined) : undefined;
  const space = escapeWhitespaces ? mark : " ";
  return (text) => {
    const parts = mapPrefixes(text, map, symbolAt);
    let from = 0;
    if (removeExtraWhitespaces) { while (parts[from] === " ") from++; }
    if (from === parts.length) return "";
    let result = "", afterSpace = removeExtraWhitespaces;
    for (const part of parts.slice(from)) {
      const kept = afterSpace ? part.replace(/^ +/, "") : part;
      if (kept === "") continue;
      result += escapeWhitespaces ? kept.replaceAll(" ", mark) : kept;
      afterSpace = removeExtraWhitespaces && kept.endsWith(" ");
    }
    if (removeExtraWhitespaces) { while (result.endsWith(space)) result = result.slice(0, -space.length); }
    if (!addDummyPrefix) return result;
    return model.treatWhitespaceAsSuffix ? result + space : space + result;
  };
}

const encoder = new TextEncoder();

/** The text cut into user-defined symbols, mapped sequences and single characters, each as it is mapped. */
function mapPrefixes(
  text: string,
  map: Charsmap | undefined,
  symbolAt: ReturnType<typeof symbolFinder> | undefined,
): string[] {
  if (!map && !symbolAt) return [...text];
  const parts: string[] = [], utf8 = encoder.encode(text);
  for (let at = 0, byte = 0; at < text.length;) {
    const symbol = symbolAt?.(text, at);
    const mapped = symbol === undefined ? map?.longest(utf8, byte) : undefined;
    if (mapped) {
      parts.push(mapped.text);
      for (const end = byte + mapped.length; byte < end;) {
        const width = unitsAt(text, at);
        byte += bytesOf(text.codePointAt(at)!);
        at += width;
      }
    } else {
      const part = symbol ?? text.slice(at, at + unitsAt(text, at));
      parts.push(part);
      at += part.length;
      byte += symbol === undefined ? bytesOf(part.codePointAt(0)!) : encoder.encode(part).length;
    }
  }
  return parts;
}

function unitsAt(text: string, at: number): number {
  return text.codePointAt(at)! > 0xffff ? 2 : 1;
}

function bytesOf(codePoint: number): number {
  return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
}
