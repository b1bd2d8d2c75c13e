// Tokenizers that lie in older files: GPT-2's vocab.json with merges.txt (RoBERTa, Qwen2), BERT's vocab.txt. Each becomes what
// tokenizer.json would say, as transformers' own converters do it.
import { InputError } from "../errors.ts";
import { type AddedToken, type TokenizerJson } from "./tokenizer_json.ts";

interface Files {
  /** tokenizer_config.json */
  config: Record<string, unknown>;
  /** For messages. */
  path: string;
}

/** Text split before byte-level BPE: PRETOKENIZE_REGEX of tokenization_qwen2.py. */
const qwen2Split =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** @throws {InputError} if tokenizer_config.json names a class whose splitting is not known here */
export function byteLevelJson(
  { vocabulary, merges, config, added, path }: Files & {
    vocabulary: Record<string, unknown>;
    merges: string;
    /** added_tokens.json */
    added: Record<string, unknown>;
  },
): TokenizerJson {
  const kind = String(config.tokenizer_class ?? "RobertaTokenizer").replace(/Fast$/, "");
  if (kind !== "RobertaTokenizer" && kind !== "Qwen2Tokenizer") {
    throw new InputError(
      `Cannot load ${path}: tokenizer_class is "${kind}", must be RobertaTokenizer or Qwen2Tokenizer where there is no tokenizer.json: ` +
        `save the tokenizer with transformers`,
    );
  }
  const isRoberta = kind === "RobertaTokenizer";
  const ids = { ...vocabulary, ...added } as Record<string, number>;
  const named = isRoberta
    ? ["<s>", "</s>", "<pad>", "<unk>", "<mask>"].filter((name) => name in ids)
    : Object.keys(added);
  const byteLevel = { type: "ByteLevel", add_prefix_space: config.add_prefix_space === true, use_regex: isRoberta };
  const split = { type: "Split", pattern: { Regex: qwen2Split }, behavior: "Isolated", invert: false };
  return {
    model: {
      type: "BPE",
      vocab: vocabulary as Record<string, number>,
      merges: merges.split("\n").filter((line) => line !== "" && !line.startsWith("#version")),
    },
    normalizer: (isRoberta ? null : { type: "NFC" }) as TokenizerJson["normalizer"],
    pre_tokenizer: (isRoberta ? byteLevel : { type: "Sequence", pretokenizers: [split, byteLevel] }) as StepOf,
    post_processor: isRoberta
      ? { type: "RobertaProcessing", cls: ["<s>", ids["<s>"]], sep: ["</s>", ids["</s>"]] }
      : null,
    added_tokens: named.map((content) => addedToken(content, ids[content], config)),
    decoder: { type: "ByteLevel" },
  } as TokenizerJson;
}

type StepOf = TokenizerJson["pre_tokenizer"];

/** One piece a line. */
export function wordPieceJson(list: string, { config, path }: Files): TokenizerJson {
  const pieces = list.replace(/\r?\n$/, "").split(/\r?\n/);
  const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
  const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].filter((name) => name in vocab);
  if (!special.includes("[CLS]") || !special.includes("[SEP]")) {
    throw new InputError(
      `Cannot load ${path}: it has no [CLS] or no [SEP]: take the tokenizer files of the model's own folder`,
    );
  }
  const lower = config.do_lower_case !== false;
  return {
    model: {
      type: "WordPiece",
      vocab,
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
    },
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: config.tokenize_chinese_chars !== false,
      strip_accents: config.strip_accents ?? null,
      lowercase: lower,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: { type: "BertProcessing", cls: ["[CLS]", vocab["[CLS]"]], sep: ["[SEP]", vocab["[SEP]"]] },
    added_tokens: special.map((content) => addedToken(content, vocab[content], {})),
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  } as unknown as TokenizerJson;
}

/** As `added_tokens_decoder` of tokenizer_config.json describes it, else special. */
function addedToken(content: string, id: number, { added_tokens_decoder: known }: Record<string, unknown>): AddedToken {
  return { special: true, ...(known as Record<string, Partial<AddedToken>> | undefined)?.[id], id, content };
}
