// Text -> token ids, by the tokenizer.json of a model's folder. Users' text never becomes a special token here; templates
// put those in by id.
import { join } from "node:path";
import { Tokenizer as HubTokenizer } from "@huggingface/tokenizers";
import { InputError } from "../errors.ts";
import { type BertNormalizerConfig, normalizeBertText, splitBertWords } from "./bert_text.ts";

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

interface AddedToken {
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

interface TokenizerJson {
  model: { type: string; vocab: Record<string, number>; unk_token?: string | null; merges?: unknown };
  normalizer: (BertNormalizerConfig & { type: string }) | null;
  pre_tokenizer: { type: string } | null;
  post_processor?: PostProcessor | null;
  added_tokens: AddedToken[];
}

const advice = "take the tokenizer files of the model's own folder";
/** No vocabulary comes near; keeps a wrong id from asking for gigabytes. */
const highestId = 2 ** 24;
/** Words remembered, about 100 bytes each; the 1,931 battles of people's own texts hold 30,000 different ones. */
const rememberedWords = 200_000;

/** Loads `tokenizer.json` and, where there is one, `tokenizer_config.json`. @throws {InputError} with file and entry */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const path = join(folder, "tokenizer.json");
  const json = await readJson(path) as unknown as TokenizerJson | undefined;
  if (!json) throw new InputError(`Cannot open ${path}: there is no such file: ${advice}`);
  const config = await readJson(join(folder, "tokenizer_config.json")) ?? {};
  return createTokenizer(json, config, path);
}

function createTokenizer(json: TokenizerJson, config: Record<string, unknown>, path: string): Tokenizer {
  checkVocabulary(json, path);
  const added = checkAddedTokens(json, path);
  // As transformers' split_special_tokens=True: special tokens are not looked for, other added tokens are.
  const addedWords = added.filter(({ special }) => !special);
  let hub: HubTokenizer;
  try {
    // Truncation and padding of the file are not the library's business, so they need no switching off.
    hub = new HubTokenizer({ ...json, added_tokens: addedWords }, config);
  } catch (error) {
    throw new InputError(`Cannot load ${path}: ${(error as Error).message.split("\n")[0]}: ${advice}`);
  }
  useUnicodeWhiteSpace(hub.pre_tokenizer as unknown as PreTokenizer | null);
  const common = {
    startIds: surroundings(json.post_processor).start,
    vocabSize: added.reduce((size, { id }) => Math.max(size, id + 1), vocabularySize(json)),
  };
  if (json.model.type === "BPE") {
    // Special tokens may lie beyond the model's embedding where only its larger sisters use them: Gemma 3's for images.
    const { start, end } = surroundings(json.post_processor);
    const ids = [...addedWords.map(({ id }) => id), ...start, ...end];
    const vocabSize = ids.reduce((size, id) => Math.max(size, id + 1), vocabularySize(json));
    return {
      ...common,
      vocabSize,
      ...(start.length > 0 && end.length > 0 && { clsId: start[0], sepId: end[0] }),
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

  // WordPiece reads each word alone, so words are remembered: 4 times as fast as the library's own way.
  const idsOfWord = new Map<string, number[]>();
  const wordIds = (text: string): number[] => {
    let ids = idsOfWord.get(text);
    if (ids === undefined) {
      ids = (hub.model!([text]) as string[]).map((token) => hub.token_to_id(token)!);
      if (idsOfWord.size >= rememberedWords) idsOfWord.clear();
      idsOfWord.set(text, ids);
    }
    return ids;
  };
  const special = (role: string, usual: string): number => {
    const name = tokenName(config[`${role}_token`]) ?? usual;
    const id = added.find(({ content }) => content === name)?.id ?? hub.token_to_id(name);
    if (id === undefined) throw new InputError(`Cannot load ${path}: it has no ${role} token ${name}: ${advice}`);
    return id;
  };
  return {
    encodeText(text) {
      const whole = text.toWellFormed();
      if (addedWords.length > 0) return hub.encode(whole, { add_special_tokens: false }).ids;
      const normal: string = hub.normalizer ? hub.normalizer(whole) : whole;
      const words: string[] = hub.pre_tokenizer ? hub.pre_tokenizer(normal) : [normal];
      const result: number[] = [];
      for (const word of words) for (const id of wordIds(word)) result.push(id);
      return result;
    },
    clsId: special("cls", "[CLS]"),
    sepId: special("sep", "[SEP]"),
    padId: special("pad", "[PAD]"),
    ...common,
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
  return Object.values(json.model.vocab).reduce((size, id) => Math.max(size, id + 1), 0);
}

function checkVocabulary({ model }: TokenizerJson, path: string): void {
  const refuse = (what: string) => new InputError(`Cannot load ${path}: ${what}: ${advice}`);
  if (typeof model !== "object" || model === null) throw refuse("model is missing");
  if (model.type !== "WordPiece" && model.type !== "BPE") {
    throw new InputError(
      `Cannot load ${path}: model.type is ${
        JSON.stringify(model.type)
      }, must be "WordPiece" or "BPE": use another model`,
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
function tokenName(entry: unknown): string | undefined {
  if (typeof entry === "string") return entry;
  const content = (entry as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}

async function readJson(path: string): Promise<Record<string, unknown> | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`Cannot read ${path}: it is no JSON (${(error as Error).message.split("\n")[0]}): ${advice}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InputError(`Cannot read ${path}: its JSON is no object: ${advice}`);
  }
  return value as Record<string, unknown>;
}
