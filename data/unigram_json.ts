// tokenizer.json of the Unigram kind (XLM-R, DeBERTa-v3, T5): its cutting is done here, and those steps before it that
// @huggingface/tokenizers 0.2.0 does otherwise than Hugging Face's own: the character map (it takes NFKC in its place), white space as
// JavaScript sees it, words joined by ▁ (it leaves them in one, which is slow).
import { Buffer } from "node:buffer";
import { Charsmap } from "./charsmap.ts";
import { bytePiece, Unigram } from "./unigram.ts";
import { rememberWords } from "./word_cache.ts";

/** A normalizer or pre_tokenizer as it stands in the file. */
export interface StepConfig {
  type: string;
  normalizers?: StepConfig[];
  pretokenizers?: StepConfig[];
  precompiled_charsmap?: string | null;
  strip_left?: boolean;
  strip_right?: boolean;
  replacement?: string;
  prepend_scheme?: "always" | "first" | "never";
  split?: boolean;
}

/** What the library makes of one: its methods may be replaced. */
interface Step {
  normalizers?: (Step | null)[];
  tokenizers?: (Step | null)[];
  normalize?(text: string): string;
  pre_tokenize_text?(text: string, options?: { section_index?: number }): string[];
}

/** Replaces what the library does otherwise than Hugging Face's. @param path of the file, for messages */
export function correctSteps(step: Step | null, config: StepConfig | null, path: string): void {
  if (!step || !config) return;
  const inner = config.normalizers ?? config.pretokenizers ?? [];
  (step.normalizers ?? step.tokenizers ?? []).forEach((part, i) => correctSteps(part, inner[i], path));
  if (config.type === "Precompiled" && config.precompiled_charsmap) {
    const map = new Charsmap(Buffer.from(config.precompiled_charsmap, "base64"), path);
    step.normalize = (text) => map.mapGraphemes(text);
  } else if (config.type === "Strip") {
    const { strip_left = true, strip_right = true } = config;
    step.normalize = (text) => {
      const stripped = strip_left ? text.replace(/^\p{White_Space}+/u, "") : text;
      return strip_right ? stripped.replace(/\p{White_Space}+$/u, "") : stripped;
    };
  } else if (config.type === "WhitespaceSplit") {
    step.pre_tokenize_text = (text) => text.match(/\P{White_Space}+/gu) ?? [];
  } else if (config.type === "Metaspace") step.pre_tokenize_text = metaspace(config);
}

/** Spaces become ▁, one more stands in front, and every word begins with its own. */
function metaspace({ replacement = "\u2581", prepend_scheme = "always", split = true }: StepConfig) {
  const borders = new RegExp(`(?=${replacement})`, "u");
  return (text: string, { section_index = 0 }: { section_index?: number } = {}): string[] => {
    let marked = text.replaceAll(" ", replacement);
    const isAsked = prepend_scheme === "always" || (prepend_scheme === "first" && section_index === 0);
    if (isAsked && !marked.startsWith(replacement)) marked = replacement + marked;
    return split ? marked.split(borders) : [marked];
  };
}

export interface UnigramModelJson {
  type: "Unigram";
  vocab: [piece: string, score: number][];
  unk_id: number;
  byte_fallback?: boolean;
}

/** Cuts a word; a special token is never found in one. */
export function unigramWords(model: UnigramModelJson, isSpecial: (piece: string) => boolean) {
  const pieces = model.vocab.map(([piece]) => piece);
  const ids = new Map(pieces.map((piece, id) => [piece, id]));
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => ids.get(bytePiece(byte)),
  );
  const byteIds = model.byte_fallback ? bytes.filter((id) => id !== undefined) : [];
  const unigram = new Unigram({
    scores: Float64Array.from(model.vocab, ([piece, score]) => isSpecial(piece) ? NaN : score),
    pieces,
    unknownId: model.unk_id,
    single: false,
    ...(byteIds.length === 256 && { byteIds }),
  });
  return rememberWords((word) => unigram.encode(word));
}
