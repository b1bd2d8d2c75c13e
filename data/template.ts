// The template of each architecture: how prompt, A and B become tokens. docs/formats.md shows them with examples.
//
// bert   joint     [CLS] prompt [SEP] A [SEP] B [SEP]    types 0 for prompt and A with their marks, 1 for B and its mark
//        siamese   [CLS] prompt [SEP] response [SEP]     types 0 for the prompt and its marks, 1 for response and its mark
//
// The turns of a part are joined by a line end, so the siamese form is what Hugging Face's
// tokenizer("\n".join(prompt), "\n".join(response)) gives, special tokens in users' text split.
import { InputError, UsageError } from "../errors.ts";
import type { Battle } from "./battle.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { keepHeadAndTail, shareBudget } from "./truncation.ts";

export type Pairing = "joint" | "siamese";

/** Tokens of one pass through the model. */
export interface Sequence {
  /** Both answers, or the one that follows the prompt. */
  side: "ab" | "a" | "b";
  inputIds: Uint32Array<ArrayBuffer>;
  tokenTypeIds: Uint8Array<ArrayBuffer>;
  /** First token of each answer: joint [of A, of B], siamese [of the response]. */
  answerStarts: number[];
}

/** How parts become one sequence; `parts` are the prompt and one answer, or the prompt and both. */
export interface Template {
  name: string;
  /** Special tokens round `parts` parts. */
  marks(parts: number): number;
  /** Lays out parts that fit. */
  lay(tokenizer: Tokenizer, parts: readonly number[][]): Omit<Sequence, "side">;
}

const bert: Template = {
  name: "bert",
  marks: (parts) => parts + 1,
  lay({ clsId, sepId }, parts) {
    let ids = [clsId];
    const types = [0], starts: number[] = [];
    for (const [index, part] of parts.entries()) {
      starts.push(ids.length);
      ids = ids.concat(part, sepId);
      // Only the last part is of the second type.
      while (types.length < ids.length) types.push(index === parts.length - 1 ? 1 : 0);
    }
    return { inputIds: Uint32Array.from(ids), tokenTypeIds: Uint8Array.from(types), answerStarts: starts.slice(1) };
  },
};

/** model_type of config.json -> its template. A new architecture adds its line here. */
const templates = new Map<string, Template>([["bert", bert]]);

/** The template of an architecture. @throws {InputError} if there is none */
export function templateFor(modelType: string): Template {
  const template = templates.get(modelType);
  if (template) return template;
  throw new InputError(
    `Cannot turn battles into tokens: no template for model_type ${JSON.stringify(modelType)}: use ${
      [...templates.keys()].join(" or ")
    }`,
  );
}

export interface EncodeOptions {
  pairing: Pairing;
  /** Of one sequence, special tokens included. */
  maxTokens: number;
  /** @default {the template of "bert"} */
  template?: Template;
}

/** The sequences of a battle: [ab] when joint, [a, b] when siamese. A sequence that is too long is cut as truncation.ts
 *  says. @throws {UsageError} if `maxTokens` leaves less than one token for each part */
export function encodeBattle(tokenizer: Tokenizer, battle: Battle, options: EncodeOptions): Sequence[] {
  const { pairing, maxTokens, template = bert } = options;
  const parts = pairing === "joint" ? 3 : 2;
  const budget = maxTokens - template.marks(parts);
  if (!(budget >= parts)) {
    throw new UsageError(
      `Cannot use --max-tokens ${maxTokens}: ${pairing} sequences need ${
        template.marks(parts) + parts
      } or more: raise it`,
    );
  }
  const [prompt, a, b] = [battle.prompt, battle.responseA, battle.responseB].map((turns) =>
    tokenizer.encodeText(turns.join("\n"))
  );
  const sequence = (side: Sequence["side"], whole: number[][]): Sequence => {
    const lengths = shareBudget(whole.map(({ length }) => length), budget);
    return { side, ...template.lay(tokenizer, whole.map((ids, part) => keepHeadAndTail(ids, lengths[part]))) };
  };
  return pairing === "joint"
    ? [sequence("ab", [prompt, a, b])]
    : [sequence("a", [prompt, a]), sequence("b", [prompt, b])];
}
