// The template of each architecture: how prompt, A and B become tokens. docs/formats.md shows them with examples.
//
// bert     joint     [CLS] prompt [SEP] A [SEP] B [SEP]    types 0 for prompt and A with their marks, 1 for B and its mark
//          siamese   [CLS] prompt [SEP] response [SEP]     types 0 for the prompt and its marks, 1 for response and its mark
// roberta  joint     <s> prompt </s></s> A </s></s> B </s>    types all 0
//          siamese   <s> prompt </s></s> response </s>        types all 0
// decoder  headings in plain text between the parts, see below; types all 0
//
// The turns of a part are joined by a line end, so the siamese form of BERT and RoBERTa is what Hugging Face's
// tokenizer("\n".join(prompt), "\n".join(response)) gives, special tokens in users' text split.
import { InputError, UsageError } from "../errors.ts";
import type { Battle } from "./battle.ts";
import { type NumberSet } from "./numbers.ts";
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
  /** Tokens of the answers before they were cut. */
  wholeTokens: number[];
  /** [W] what a frozen backbone makes of it, where it is known already. */
  pooled?: Float32Array<ArrayBuffer>;
}

/** How parts become one sequence; `parts` are the prompt and one answer, or the prompt and both. */
export interface Template {
  name: string;
  /** Tokens round `parts` parts: special ones and headings. */
  marks(tokenizer: Tokenizer, parts: number): number;
  /** Lays out parts that fit. */
  lay(tokenizer: Tokenizer, parts: readonly number[][]): Laid;
}

type Laid = Omit<Sequence, "side" | "wholeTokens" | "pooled">;

/** Parts between the tokenizer's own marks: cls part sep ... part sep. @param options `between` counts marks between parts;
 *  `typed` gives the last part and its mark type 1 */
function markedTemplate(name: string, { between = 1, typed = false }: { between?: number; typed?: boolean }): Template {
  return {
    name,
    marks: (_, parts) => 2 + (parts - 1) * between,
    lay({ clsId, sepId }, parts) {
      if (clsId === undefined || sepId === undefined) {
        throw new InputError(
          `Cannot lay out the form "${name}": the tokenizer puts no marks before and behind a text, as [CLS] and [SEP] ` +
            "or <s> and </s>: take the tokenizer files of the model's own folder",
        );
      }
      let ids = [clsId];
      const types = [0], starts: number[] = [];
      for (const [index, part] of parts.entries()) {
        const isLast = index === parts.length - 1;
        starts.push(ids.length);
        ids = ids.concat(part, new Array<number>(isLast ? 1 : between).fill(sepId));
        while (types.length < ids.length) types.push(typed && isLast ? 1 : 0);
      }
      return { inputIds: Uint32Array.from(ids), tokenTypeIds: Uint8Array.from(types), answerStarts: starts.slice(1) };
    },
  };
}

export const bertTemplate: Template = markedTemplate("bert", { typed: true });
export const robertaTemplate: Template = markedTemplate("roberta", { between: 2 });

/** What decoders read before each part, and after the last one when both answers stand in one sequence. */
const headings = {
  joint: { before: ["### Prompt\n", "\n\n### Response A\n", "\n\n### Response B\n"], end: "\n\n### Better response:" },
  siamese: { before: ["### Prompt\n", "\n\n### Response\n"], end: "" },
};

/** Plain text throughout: no special token but the one the tokenizer itself puts first (Llama's <s>), so that no model's chat
 *  form is taken for granted and the last token, which the classifier reads, is never one of padding. */
export const decoderTemplate: Template = {
  name: "decoder",
  marks: (tokenizer, parts) => layPlain(tokenizer, Array.from({ length: parts }, () => [])).inputIds.length,
  lay: layPlain,
};

function layPlain(tokenizer: Tokenizer, parts: readonly number[][]): Laid {
  const { before, end } = parts.length === 3 ? headings.joint : headings.siamese;
  let ids = [...tokenizer.startIds];
  const starts: number[] = [];
  for (const [index, part] of parts.entries()) {
    ids = ids.concat(tokenizer.encodeText(before[index]));
    starts.push(ids.length);
    ids = ids.concat(part);
  }
  if (end !== "") ids = ids.concat(tokenizer.encodeText(end));
  return { inputIds: Uint32Array.from(ids), tokenTypeIds: new Uint8Array(ids.length), answerStarts: starts.slice(1) };
}

export interface EncodeOptions {
  pairing: Pairing;
  /** Of one sequence, special tokens included. */
  maxTokens: number;
  /** @default {the template of "bert"} */
  template?: Template;
  /** Numbers beside the text. @default {"none"} */
  features?: NumberSet;
}

/** The sequences of a battle: [ab] when joint, [a, b] when siamese. A sequence that is too long is cut as truncation.ts
 *  says. @throws {UsageError} if `maxTokens` leaves less than one token for each part */
export function encodeBattle(tokenizer: Tokenizer, battle: Battle, options: EncodeOptions): Sequence[] {
  const { pairing, maxTokens, template = bertTemplate } = options;
  const parts = pairing === "joint" ? 3 : 2;
  const marks = template.marks(tokenizer, parts), budget = maxTokens - marks;
  if (!(budget >= parts)) {
    throw new UsageError(
      `Cannot use --max-tokens ${maxTokens}: ${pairing} sequences need ${marks + parts} or more: raise it`,
    );
  }
  const [prompt, a, b] = [battle.prompt, battle.responseA, battle.responseB].map((turns) =>
    tokenizer.encodeText(turns.join("\n"))
  );
  const sequence = (side: Sequence["side"], whole: number[][]): Sequence => {
    const lengths = shareBudget(whole.map(({ length }) => length), budget);
    return {
      side,
      ...template.lay(tokenizer, whole.map((ids, part) => keepHeadAndTail(ids, lengths[part]))),
      wholeTokens: whole.slice(1).map(({ length }) => length),
    };
  };
  return pairing === "joint"
    ? [sequence("ab", [prompt, a, b])]
    : [sequence("a", [prompt, a]), sequence("b", [prompt, b])];
}
