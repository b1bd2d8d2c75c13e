// Text -> token ids, by tokenizer.json: WordPiece, BPE and Unigram. Users' text never becomes a special token here; templates
// put those in by id.
import { Tokenizer as HubTokenizer } from "@huggingface/tokenizers";
import { InputError } from "../errors.ts";
import { type BertNormalizerConfig, normalizeBertText, splitBertWords } from "./bert_text.ts";
import { type Tokenizer } from "./tokenizer.ts";
import { correctSteps, type StepConfig, type UnigramModelJson, unigramWords } from "./unigram_json.ts";
import { rememberWords } from "./word_cache.ts";

export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
}

/** Every beginning and end of a sequence that a post_processor may ask for. */
interface PostProcessor {
  type: string;
  single?: { SpecialToken?: { id: string } }[];
  special_tokens?: Record<string, { ids: number[] }>;
  /** Of BertProcessing and RobertaProcessing: each token and its id. */
  cls?: [string, number];
  sep?: [string, number];
  processors?: PostProcessor[];
}

/** What is used of the file. */
export interface TokenizerJson {
  model:
    | { type: "WordPiece" | "BPE"; vocab: Record<string, number>; unk_token?: string | null; merges?: unknown }
    | UnigramModelJson;
  normalizer: (BertNormalizerConfig & StepConfig) | null;
  pre_tokenizer: StepConfig | null;
  post_processor?: PostProcessor | null;
  added_tokens: AddedToken[];
}

const advice = "take the tokenizer files of the model's own folder";
/** No vocabulary comes near; keeps a wrong id from asking for gigabytes. */
const highestId = 2 ** 24;
/** @param config of tokenizer_config.json @param path for messages @throws {InputError} with file and entry */
export function createTokenizer(json: TokenizerJson, config: Record<string, unknown>, path: string): Tokenizer {
  checkVocabulary(json, path);
  const added = checkAddedTokens(json, path);
  // As transformers' split_special_tokens=True: special tokens are not looked for, other added tokens are.
  const addedWords = added.filter(({ special }) => !special);
  // Truncation and padding of the file are not the library's business, so they need no switching off.
  const hub = openHub({ ...json, added_tokens: addedWords }, config, path);
  useUnicodeWhiteSpace(hub.pre_tokenizer as unknown as PreTokenizer | null);
  const { start, end } = surroundings(json.post_processor);
  // Special tokens may lie beyond the model's embedding where only its larger sisters use them: Gemma 3's for images.
  const ids = [...addedWords.map(({ id }) => id), ...start, ...end];
  const common = {
    startIds: start,
    ...(start.length > 0 && end.length > 0 && { clsId: start[0], sepId: end[0] }),
    vocabSize: ids.reduce((size, id) => Math.max(size, id + 1), vocabularySize(json)),
  };
  if (json.model.type === "Unigram") return { ...common, encodeText: unigramEncoder(hub, json, added, path) };
  if (json.model.type === "BPE") {
    return {
      ...common,
      encodeText: (text) => hub.encode(text.toWellFormed(), { add_special_tokens: false }).ids,
    };
  }

  const normalizer = json.normalizer;
  if (normalizer?.type === "BertNormalizer") {
    hub.normalizer = ((text: string) => normalizeBertText(text, normalizer)) as unknown as typeof hub.normalizer;
  }
  if (json.pre_tokenizer?.type === "BertPreTokenizer") {
    hub.pre_tokenizer = splitBertWords as unknown as typeof hub.pre_tokenizer;
  }

  const wordIds = rememberWords((text) => (hub.model!([text]) as string[]).map((token) => hub.token_to_id(token)!));
  const special = (role: string, usual: string): number => {
    const name = tokenName(config[`${role}_token`]) ?? usual;
    const id = added.find(({ content }) => content === name)?.id ?? hub.token_to_id(name);
    if (id === undefined) throw new InputError(`Cannot load ${path}: it has no ${role} token ${name}: ${advice}`);
    return id;
  };
  const clsId = special("cls", "[CLS]"), sepId = special("sep", "[SEP]");
  return {
    ...common,
    clsId,
    sepId,
    padId: special("pad", "[PAD]"),
    vocabSize: Math.max(common.vocabSize, clsId + 1, sepId + 1),
    encodeText(text) {
      const whole = text.toWellFormed();
      if (addedWords.length > 0) return hub.encode(whole, { add_special_tokens: false }).ids;
      const normal: string = hub.normalizer ? hub.normalizer(whole) : whole;
      const words: string[] = hub.pre_tokenizer ? hub.pre_tokenizer(normal) : [normal];
      const result: number[] = [];
      for (const word of words) for (const id of wordIds(word)) result.push(id);
      return result;
    },
  };
}

function openHub(json: TokenizerJson, config: Record<string, unknown>, path: string): HubTokenizer {
  // The library's Unigram is not used, and building its trie of 250,000 pieces takes a second.
  const model = json.model.type === "Unigram" ? { type: "WordPiece", vocab: { "": 0 }, unk_token: "" } : json.model;
  try {
    return new HubTokenizer({ ...json, model }, config);
  } catch (error) {
    throw new InputError(`Cannot load ${path}: ${(error as Error).message.split("\n")[0]}: ${advice}`);
  }
}

/** The library's steps before the model, corrected, and our own Unigram. */
function unigramEncoder(
  hub: HubTokenizer,
  json: TokenizerJson,
  added: AddedToken[],
  path: string,
): Tokenizer["encodeText"] {
  const model = json.model as UnigramModelJson;
  correctSteps(hub.normalizer as unknown as Parameters<typeof correctSteps>[0], json.normalizer, path);
  correctSteps(hub.pre_tokenizer as unknown as Parameters<typeof correctSteps>[0], json.pre_tokenizer, path);
  const special = new Set(added.filter((token) => token.special).map(({ content }) => content));
  const wordIds = unigramWords(model, (piece) => special.has(piece));
  // Words come back with a mark in front that no added token begins with, so that they can be told apart.
  const mark = "\u0000";
  hub.model = ((words: string[]) => words.map((word) => mark + word)) as unknown as typeof hub.model;
  const cut = (hub as unknown as { encode_text(text: string): string[] }).encode_text.bind(hub);
  const addedIds = new Map(added.map(({ content, id }) => [content, id]));
  return (text) => {
    const result: number[] = [];
    for (const word of cut(text.toWellFormed())) {
      if (word.startsWith(mark)) { for (const id of wordIds(word.slice(1))) result.push(id); }
      else result.push(addedIds.get(word)!);
    }
    return result;
  };
}

/** What the library makes of a pre_tokenizer: a pattern to split by, or a sequence of such. */
interface PreTokenizer {
  pattern?: RegExp | null;
  tokenizers?: PreTokenizer[];
}

/** Lets patterns read `\s` as Rust and Oniguruma do: JavaScript's own counts U+FEFF as white space, but not U+0085. */
function useUnicodeWhiteSpace(pre: PreTokenizer | null): void {
  if (pre?.pattern) {
    const source = pre.pattern.source.replaceAll("\\s", "\\p{White_Space}").replaceAll("\\S", "\\P{White_Space}");
    pre.pattern = new RegExp(source, pre.pattern.flags);
  }
  pre?.tokenizers?.forEach(useUnicodeWhiteSpace);
}

/** The special tokens that stand before and behind the text in the form for single texts. */
function surroundings(post: PostProcessor | null | undefined): { start: number[]; end: number[] } {
  if (!post) return { start: [], end: [] };
  if (post.type === "Sequence") {
    const all = (post.processors ?? []).map(surroundings);
    return { start: all.flatMap(({ start }) => start), end: all.flatMap(({ end }) => end) };
  }
  if (post.cls) return { start: [post.cls[1]], end: post.sep ? [post.sep[1]] : [] };
  const single = post.single ?? [], text = single.findIndex((item) => !item.SpecialToken);
  const ids = (items: typeof single) =>
    items.flatMap(({ SpecialToken }) => SpecialToken ? post.special_tokens?.[SpecialToken.id]?.ids ?? [] : []);
  return { start: ids(single.slice(0, Math.max(0, text))), end: ids(single.slice(text + 1)) };
}

/** Highest id of a piece + 1. */
function vocabularySize(json: TokenizerJson): number {
  if (json.model.type === "Unigram") return json.model.vocab.length;
  return Object.values(json.model.vocab).reduce((size, id) => Math.max(size, id + 1), 0);
}

function checkVocabulary({ model }: TokenizerJson, path: string): void {
  const refuse = (what: string) => new InputError(`Cannot load ${path}: ${what}: ${advice}`);
  if (typeof model !== "object" || model === null) throw refuse("model is missing");
  if (model.type === "Unigram") return checkUnigram(model, refuse);
  if (model.type !== "WordPiece" && model.type !== "BPE") {
    throw new InputError(
      `Cannot load ${path}: model.type is ${
        JSON.stringify((model as { type: unknown }).type)
      }, must be "WordPiece", "BPE" or "Unigram": use another model`,
    );
  }
  const { vocab } = model;
  if (typeof vocab !== "object" || vocab === null || Array.isArray(vocab)) throw refuse("model.vocab is no object");
  const wrong = Object.entries(vocab).find(([, id]) => !Number.isInteger(id) || id < 0 || id >= highestId);
  if (wrong) throw refuse(`model.vocab gives ${JSON.stringify(wrong[0])} the id ${JSON.stringify(wrong[1])}`);
  // Byte-level BPE has a piece for every byte and so no token for the unknown.
  const isOptional = model.type === "BPE" && (model.unk_token ?? undefined) === undefined;
  if (!isOptional && vocab[model.unk_token!] === undefined) throw refuse("model.unk_token is not in model.vocab");
  if (model.type === "BPE" && !isMergeList(model.merges)) throw refuse("model.merges is no list of pairs");
}

function checkUnigram({ vocab, unk_id }: UnigramModelJson, refuse: (what: string) => InputError): void {
  const isPiece = (entry: unknown) =>
    Array.isArray(entry) && entry.length === 2 && typeof entry[0] === "string" && Number.isFinite(entry[1]);
  if (!Array.isArray(vocab) || vocab.length === 0 || !vocab.every(isPiece)) {
    throw refuse("model.vocab is no list of pieces with their scores");
  }
  if (!Number.isInteger(unk_id) || unk_id < 0 || unk_id >= vocab.length) {
    throw refuse("model.unk_id is no id of a piece");
  }
}

/** Pairs of pieces, in the older form with a space between them. */
function isMergeList(merges: unknown): boolean {
  const isPair = (merge: unknown) =>
    typeof merge === "string"
      ? merge.indexOf(" ") > 0
      : Array.isArray(merge) && merge.length === 2 && merge.every((piece) => typeof piece === "string");
  return Array.isArray(merges) && merges.every(isPair);
}

function checkAddedTokens(json: TokenizerJson, path: string): AddedToken[] {
  const added: unknown = json.added_tokens;
  const isSound = Array.isArray(added) &&
    added.every((token) =>
      typeof token === "object" && token !== null && typeof token.content === "string" &&
      Number.isInteger(token.id) && token.id >= 0 && token.id < highestId && typeof token.special === "boolean"
    );
  if (!isSound) throw new InputError(`Cannot load ${path}: added_tokens is no list of tokens: ${advice}`);
  return added;
}

/** A token as tokenizer_config.json names it: its text, or an object that holds it. */
export function tokenName(entry: unknown): string | undefined {
  if (typeof entry === "string") return entry;
  const content = (entry as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}
