// A tokenizer of a folder that holds a SentencePiece model and no tokenizer.json: DeBERTa's spm.model, XLM-R's
// sentencepiece.bpe.model, Llama's and Gemma's tokenizer.model. Ids are those of SentencePiece itself, which these models learned
// from; transformers 5 converts such models without their character map (docs/formats.md).
import { InputError } from "../errors.ts";
import { sentencePieceEncoder } from "./sentencepiece.ts";
import { parseSentencePieceModel } from "./sentencepiece_model.ts";
import { type Tokenizer } from "./tokenizer.ts";
import { tokenName } from "./tokenizer_json.ts";

export interface SentencePieceOptions {
  form: "deberta" | "xlm-roberta" | "llama";
  /** tokenizer_config.json */
  config: Record<string, unknown>;
  path: string;
}

/** XLM-R's ids: fairseq's four come first, in place of the model's three; <mask> is last and never occurs. */
const fairseq = { start: 0, pad: 1, end: 2, unknown: 3, moved: 1 };

/** @throws {InputError} with what is wrong or not supported */
export function sentencePieceTokenizer(
  bytes: Uint8Array,
  { form, config, path }: SentencePieceOptions,
): Tokenizer {
  checkConfig(config, path);
  checkAdded(config, path);
  const model = parseSentencePieceModel(bytes, path);
  const encode = sentencePieceEncoder(model, path);
  const pieces = model.pieces.map(({ text }) => text);
  if (form === "xlm-roberta") {
    const move = (id: number) => id === model.unknownId ? fairseq.unknown : id + fairseq.moved;
    return {
      encodeText: (text) => encode(text).map(move),
      startIds: [fairseq.start],
      clsId: fairseq.start,
      sepId: fairseq.end,
      padId: fairseq.pad,
      vocabSize: pieces.length + fairseq.moved,
    };
  }
  const idOf = (name: string): number => {
    const id = pieces.indexOf(name);
    if (id < 0) throw new InputError(`Cannot load ${path}: it has no piece ${name}: take the model's own file`);
    return id;
  };
  const name = (role: string, usual: string) => tokenName(config[`${role}_token`]) ?? usual;
  if (form === "deberta") {
    const clsId = idOf(name("cls", "[CLS]")), sepId = idOf(name("sep", "[SEP]")), padId = idOf(name("pad", "[PAD]"));
    return { encodeText: encode, startIds: [clsId], clsId, sepId, padId, vocabSize: pieces.length };
  }
  return {
    encodeText: encode,
    startIds: config.add_bos_token === false ? [] : [idOf(name("bos", pieces.includes("<bos>") ? "<bos>" : "<s>"))],
    vocabSize: pieces.length,
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

/** @throws {InputError} if an added token would be looked for in users' text, which SentencePiece knows nothing of */
function checkAdded(config: Record<string, unknown>, path: string): void {
  const decoder = (config.added_tokens_decoder ?? {}) as Record<string, { content?: string; special?: boolean }>;
  // added_tokens.json does not say which are special; those that the forms read here have there are: [MASK], <image_soft_token>.
  const word = Object.values(decoder).find((token) => token?.special === false && token.content?.trim() !== "");
  if (!word) return;
  throw new InputError(
    `Cannot load ${path}: ${
      JSON.stringify(word.content)
    } is an added token that is not special: save the tokenizer with transformers, as tokenizer.json`,
  );
}
