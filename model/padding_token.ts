// The padding token that a decoder's export names: transformers' classifier reads the last token that is another one.
import { join } from "node:path";
import { tokenName } from "../data/tokenizer_json.ts";
import { ShapeError } from "../errors.ts";
import { type CommonConfig } from "./config.ts";
import { isObject, type JsonObject } from "./json_text.ts";

/**
 * What the tokenizer of `folder` pads with, else `pad_token_id` of config.json, else the end of text.
 *
 * None of them is ever the last token of a battle, which is plain text.
 *
 * @throws {ShapeError} if there is none of them
 */
export async function paddingToken(folder: string, { raw }: Pick<CommonConfig, "raw">): Promise<number> {
  const ends = Array.isArray(raw.eos_token_id) ? raw.eos_token_id : [raw.eos_token_id];
  const id = [await tokenizersOwn(folder), raw.pad_token_id, ...ends].find(isTokenId);
  if (id === undefined) {
    throw new ShapeError(
      `Cannot export ${folder}: neither its tokenizer nor config.json names a padding or end token: set pad_token_id`,
    );
  }
  return id;
}

function isTokenId(id: unknown): id is number {
  return Number.isSafeInteger(id) && (id as number) >= 0;
}

/** `pad_token` of tokenizer_config.json, by its id in whatever says which ids added tokens have. */
async function tokenizersOwn(folder: string): Promise<unknown> {
  const config = await readObject(join(folder, "tokenizer_config.json"));
  const content = tokenName(config?.pad_token);
  if (content === undefined) return undefined;
  const tokenizer = await readObject(join(folder, "tokenizer.json"));
  const added = Array.isArray(tokenizer?.added_tokens) ? tokenizer.added_tokens : [];
  const known = isObject(config?.added_tokens_decoder) ? Object.entries(config.added_tokens_decoder) : [];
  const found = known.find(([, token]) => tokenName(token) === content);
  return added.find((token: unknown) => isObject(token) && token.content === content)?.id ??
    (found && Number(found[0])) ??
    (await readObject(join(folder, "added_tokens.json")))?.[content] ??
    (await readObject(join(folder, "vocab.json")))?.[content];
}

async function readObject(path: string): Promise<JsonObject | undefined> {
  try {
    const value: unknown = JSON.parse(await Deno.readTextFile(path));
    return isObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
