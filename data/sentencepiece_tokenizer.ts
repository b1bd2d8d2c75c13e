// A tokenizer of a folder that holds a SentencePiece model and no tokenizer.json: DeBERTa's spm.model, XLM-R's
// sentencepiece.bpe.model, Llama's and Gemma's tokenizer.model. Ids are those of SentencePiece itself, which these models learned
// from; transformers 5 converts such models without their character map (docs/formats.md).
import { InputError } from "../errors.ts";
import { sentencePieceEncoder } from "./sentencepiece.ts";
import { parseSentencePieceModel } from "./sentencepiece_model.ts";
import { type Tokenizer } from "./tokenizer.ts";

export interface SentencePieceOptions {
  form: "deberta" | "xlm-roberta" | "llama";
  /** tokenizer_config.json */
  config: Record<string, unknown>;
  /** added_tokens.json: id of each token beyond the model's. */
  added: Record<string, unknown>;
  path: string;
}

/** XLM-R's ids: fairseq's four come first, in place of the model's three, and <mask> last. */
const fairseq = { start: 0, pad: 1, end: 2, unknown: 3, moved: 1 };

/** @throws {InputError} with what is wrong or not supported */
export function sentencePieceTokenizer(
  bytes: Uint8Array,
  { form, config, added, path }: SentencePieceOptions,
): Tokenizer {
  checkConfig(config, path);
  const model = parseSentencePieceModel(bytes, path);
  const encode = sentencePieceEncoder(model, path);
  const pieces = model.pieces.map(({ text }) => text);
  const lastAdded = addedIds(config, added, path).reduce((most, id) => Math.max(most, id), -1);
  if (form === "xlm-roberta") {
    const move = (id: number) => id === model.unknownId ? fairseq.unknown : id + fairseq.moved;
    return {
      encodeText: (text) => encode(text).map(move),
      startIds: [fairseq.start],
      clsId: fairseq.start,
      sepId: fairseq.end,
      padId: fairseq.pad,
      vocabSize: Math.max(pieces.length + fairseq.moved + 1, lastAdded + 1),
    };
  }
  const idOf = (name: string): number => {
    const id = pieces.indexOf(name);
    if (id < 0) throw new InputError(`Cannot load ${path}: it has no piece ${name}: take the model's own file`);
    return id;
  };
  const name = (role: string, usual: string) => tokenText(config[`${role}_token`]) ?? usual;
  if (form === "deberta") {
    const clsId = idOf(name("cls", "[CLS]")), sepId = idOf(name("sep", "[SEP]")), padId = idOf(name("pad", "[PAD]"));
    // [MASK] follows the pieces.
    const vocabSize = Math.max(pieces.length + 1, lastAdded + 1);
    return { encodeText: encode, startIds: [clsId], clsId, sepId, padId, vocabSize };
  }
  return {
    encodeText: encode,
    startIds: config.add_bos_token === false ? [] : [idOf(name("bos", pieces.includes("<bos>") ? "<bos>" : "<s>"))],
    vocabSize: Math.max(pieces.length, lastAdded + 1),
  };
}

/** Refuses what changes ids and is not computed here. */
function checkConfig(config: Record<string, unknown>, path: string): void {
  for (const field of ["do_lower_case", "split_by_punct"]) {
    if (config[field] === true) {
      throw new InputError(
        `Cannot load ${path}: tokenizer_config.json sets ${field}, which is not supported here: save the tokenizer with transformers, as tokenizer.json`,
      );
    }
  }
}

/** Ids of added tokens. @throws {InputError} if one of them would be looked for in users' text */
function addedIds(config: Record<string, unknown>, added: Record<string, unknown>, path: string): number[] {
  const decoder = Object.entries(
    (config.added_tokens_decoder ?? {}) as Record<string, { content?: string; special?: boolean }>,
  );
  const word = decoder.find(([, token]) => token?.special === false && token.content?.trim() !== "");
  if (word) {
    throw new InputError(
      `Cannot load ${path}: ${
        JSON.stringify(word[1].content)
      } is an added token that is not special: save the tokenizer with transformers, as tokenizer.json`,
    );
  }
  const ids = [...decoder.map(([id]) => Number(id)), ...Object.values(added).map(Number)];
  return ids.filter((id) => Number.isInteger(id) && id >= 0);
}

function tokenText(entry: unknown): string | undefined {
  if (typeof entry === "string") return entry;
  const content = (entry as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}
