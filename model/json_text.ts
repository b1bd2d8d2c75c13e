// JSON from files of others: parsed with one clear error, and searched for keys that JSON.parse would silently drop.
import { InputError } from "../errors.ts";

export type JsonObject = { [key: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses a JSON object without duplicate keys. @param what begins the error: `Cannot read model/config.json` */
export function parseObject(text: string, what: string, advice: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text, markFloats as (key: string, value: unknown) => unknown);
  } catch (error) {
    throw new InputError(`${what}: it is no JSON (${(error as Error).message.split("\n")[0]}): ${advice}`);
  }
  if (!isObject(value)) throw new InputError(`${what}: its JSON is no object: ${advice}`);
  const twice = findDuplicateKey(text);
  if (twice !== undefined) throw new InputError(`${what}: the name ${JSON.stringify(twice)} is there twice: ${advice}`);
  return value;
}

/** In an object, the keys whose whole numbers were written as 2.0, not 2. Copies by spreading keep it. */
const floats = Symbol("floats");

interface Marked {
  [floats]?: ReadonlySet<string>;
}

function markFloats(this: Marked, key: string, value: unknown, { source }: { source?: string }): unknown {
  if (Number.isInteger(value) && !/^-?\d+$/.test(source!)) this[floats] = new Set([...this[floats] ?? [], key]);
  return value;
}

/** The text of an object in two-space form. Whole numbers that `parseObject` found written as 2.0 are written so again: Python
 *  reads 2 as another type, and transformers 5 refuses a config.json for it. */
export function stringifyObject(value: JsonObject): string {
  function keepFloat(this: Marked, key: string, value: unknown): unknown {
    const isWhole = /^-?\d+$/.test(String(value));
    return typeof value === "number" && isWhole && this[floats]?.has(key) ? rawJson(`${value}.0`) : value;
  }
  return JSON.stringify(value, keepFloat, 2) + "\n";
}

/** JSON.rawJSON, which TypeScript does not know yet. */
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

/** The first key that an object of `text` holds twice, at any depth. @param text valid JSON */
export function findDuplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  // Strings whole, and the marks that tell keys from values; all else cannot hold a key.
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}]/g;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const mark = match[0];
    if (mark === "{") open.push(new Set());
    else if (mark === "}") open.pop();
    else if (isFollowedByColon(text, token.lastIndex)) {
      const key = JSON.parse(mark) as string, keys = open[open.length - 1];
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

function isFollowedByColon(text: string, at: number): boolean {
  while (" \t\r\n".includes(text.charAt(at)) && at < text.length) at++;
  return text.charAt(at) === ":";
}
