// Flag tables: one table of a command's flags gives the types of its settings, their defaults, their checks and their
// help. cli/command.ts turns a table into a command line; nothing here prints.
import { UsageError } from "../errors.ts";

/** One flag. `T` is the type of its value, `undefined` included where there is no default. */
export interface Flag<T> {
  kind: "text" | "texts" | "integer" | "number" | "switch" | "choice";
  /** Heading it stands under in --help. */
  group: string;
  help: string;
  /** Name of the value in --help, e.g. `FILE`. */
  value: string;
  default: T;
  /** Said in --help in place of `default`, where the default depends on something else. */
  otherwise?: string;
  choices?: readonly string[];
  min?: number;
  max?: number;
  /** May be given with --resume without having to agree with the run's own. */
  perRun?: boolean;
}

export type FlagTable = Record<string, Flag<unknown>>;

/** The settings a table describes. */
export type Values<Table> = { [Name in keyof Table]: Table[Name] extends Flag<infer T> ? T : never };

interface Options {
  group: string;
  help: string;
  value?: string;
  otherwise?: string;
  min?: number;
  max?: number;
  perRun?: boolean;
}

type Defined<T> = Options & { default: T };

/** Any text: a file, a folder, a name. */
export function text(options: Defined<string>): Flag<string>;
export function text(options: Options): Flag<string | undefined>;
export function text(options: Options): Flag<string | undefined> {
  return { kind: "text", value: "TEXT", default: undefined, ...options };
}

/** Any texts: the flag may be given several times; none is an empty list. */
export function texts(options: Options): Flag<readonly string[]> {
  return { kind: "texts", value: "TEXT", default: [], ...options };
}

export function integer(options: Defined<number>): Flag<number>;
export function integer(options: Options): Flag<number | undefined>;
export function integer(options: Options): Flag<number | undefined> {
  return { kind: "integer", value: "N", default: undefined, ...options };
}

export function number(options: Defined<number>): Flag<number>;
export function number(options: Options): Flag<number | undefined>;
export function number(options: Options): Flag<number | undefined> {
  return { kind: "number", value: "X", default: undefined, ...options };
}

/** On or off: `--name` and `--no-name`. */
export function toggle(options: Defined<boolean>): Flag<boolean>;
export function toggle(options: Options): Flag<boolean | undefined>;
export function toggle(options: Options): Flag<boolean | undefined> {
  return { kind: "switch", value: "", default: undefined, ...options };
}

/** One of a few words. */
export function choice<C extends string>(choices: readonly C[], options: Defined<C>): Flag<C>;
export function choice<C extends string>(choices: readonly C[], options: Options): Flag<C | undefined>;
export function choice<C extends string>(choices: readonly C[], options: Options): Flag<C | undefined> {
  return { kind: "choice", value: choices.join("|"), choices, default: undefined, ...options };
}

/** `maxTokens` -> `max-tokens`. */
export function flagName(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Reads what the user typed after a flag.
 *  @throws {UsageError} with the flag, the value and what it must be */
export function parseFlag(field: string, flag: Flag<unknown>, typed: string | boolean | readonly string[]): unknown {
  if (typeof typed === "object") return typed.map((one) => parseFlag(field, { ...flag, kind: "text" }, one));
  if (flag.kind === "switch") return typed === true || typed === "true";
  const given = String(typed);
  const refuse = (wanted: string) => {
    throw new UsageError(`Cannot read --${flagName(field)} "${given}": must be ${wanted}`);
  };
  if (flag.kind === "choice") return flag.choices!.includes(given) ? given : refuse(oneOf(flag.choices!));
  if (flag.kind === "text") return given.length > 0 ? given : refuse("non-empty");
  const wanted = `${flag.kind === "integer" ? "a whole number" : "a number"}${range(flag)}`;
  const value = Number(given);
  const wellFormed = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(given) && Number.isFinite(value);
  if (!wellFormed || (flag.kind === "integer" && !Number.isSafeInteger(value))) return refuse(wanted);
  if (value < (flag.min ?? -Infinity) || value > (flag.max ?? Infinity)) return refuse(wanted);
  return value;
}

function range({ min, max }: Flag<unknown>): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  if (min !== undefined) return `, ${min} or more`;
  return max !== undefined ? `, ${max} or less` : "";
}

function oneOf(words: readonly string[]): string {
  return words.length === 1 ? words[0] : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
