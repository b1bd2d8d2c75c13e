// Text -> token ids, by whatever files of a tokenizer a model's folder holds.
import { join } from "node:path";
import { InputError } from "../errors.ts";
import { sentencePieceTokenizer } from "./sentencepiece_tokenizer.ts";
import { createTokenizer, type TokenizerJson } from "./tokenizer_json.ts";
import { byteLevelJson, wordPieceJson } from "./vocabulary_files.ts";

export interface Tokenizer {
  /** Ids of a text without special tokens. What looks like one ("[SEP]") is text; a lone surrogate is read as U+FFFD. */
  encodeText(text: string): number[];
  /** What the tokenizer itself puts before a text: [CLS], Llama's <s>, nothing for many. */
  startIds: readonly number[];
  /** What the tokenizer itself puts before and behind a text, where it does both: [CLS] and [SEP], <s> and </s>. */
  clsId?: number;
  sepId?: number;
  padId?: number;
  /** Highest id that can occur + 1; the model's embedding must have that many rows. */
  vocabSize: number;
}

const advice = "take the tokenizer files of the model's own folder";

/** SentencePiece models by the names that transformers gives them; each has a form of its own. */
const sentencePieceFiles = {
  "spm.model": "deberta",
  "sentencepiece.bpe.model": "xlm-roberta",
  "tokenizer.model": "llama",
} as const;

/** What a folder must hold to be read, in the order in which they are looked for; of each, all. */
export const tokenizerForms: readonly (readonly string[])[] = [
  ["tokenizer.json"],
  ...Object.keys(sentencePieceFiles).map((name) => [name]),
  ["vocab.json", "merges.txt"],
  ["vocab.txt"],
];

/**
 * Loads `tokenizer.json`; else a SentencePiece model, byte-level BPE's `vocab.json` and `merges.txt`, or BERT's `vocab.txt`. Beside
 * them, `tokenizer_config.json` and `added_tokens.json` are read where they are there.
 *
 * @throws {InputError} with file and entry
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const path = join(folder, "tokenizer.json");
  const config = await readJson(join(folder, "tokenizer_config.json")) ?? {};
  const json = await readJson(path) as unknown as TokenizerJson | undefined;
  if (json) return createTokenizer(json, config, path);
  for (const [name, form] of Object.entries(sentencePieceFiles)) {
    const path = join(folder, name), bytes = await readIfThere(path);
    if (bytes) return sentencePieceTokenizer(bytes, { form, config, path });
  }
  const vocabularyPath = join(folder, "vocab.json"), vocabulary = await readJson(vocabularyPath);
  const merges = vocabulary && await readIfThere(join(folder, "merges.txt"));
  if (merges) {
    const added = await readJson(join(folder, "added_tokens.json")) ?? {};
    const json = byteLevelJson({ vocabulary, merges: decoder.decode(merges), config, added, path: vocabularyPath });
    return createTokenizer(json, config, vocabularyPath);
  }
  const listPath = join(folder, "vocab.txt"), list = await readIfThere(listPath);
  if (list) return createTokenizer(wordPieceJson(decoder.decode(list), { config, path: listPath }), config, listPath);
  throw new InputError(
    `Cannot open ${path}: there is no such file, nor ${
      tokenizerForms.slice(1).map((names) => names.join(" with ")).join(", ")
    }: ${advice}`,
  );
}

const decoder = new TextDecoder();

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

async function readJson(path: string): Promise<Record<string, unknown> | undefined> {
  const bytes = await readIfThere(path);
  if (!bytes) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new InputError(`Cannot read ${path}: it is no JSON (${(error as Error).message.split("\n")[0]}): ${advice}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InputError(`Cannot read ${path}: its JSON is no object: ${advice}`);
  }
  return value as Record<string, unknown>;
}
