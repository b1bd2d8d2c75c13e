// Numbers beside the text: how long each answer is and how it is laid out. A model of mean-pooled, cut texts hardly knows
// them, and on small data they tell more than its embedding (docs/preferences.md).
import type { Battle } from "./battle.ts";

/** Which numbers a model gets. */
export const numberSets = ["none", "length"] as const;
export type NumberSet = typeof numberSets[number];

/** What is counted in an answer; each count n becomes log(1 + n). `tokens` are the model's, before the text is cut. */
export const answerCounts = [
  "characters",
  "tokens",
  "words",
  "different words",
  "words of the prompt",
  "sentences",
  "lines",
  "list items",
  "code blocks",
  "marks of format",
  "digits",
  "capitals",
  "questions",
] as const;

const S = answerCounts.length;

const word = /[\p{L}\p{N}]+/gu;
const patterns: Partial<Record<typeof answerCounts[number], RegExp>> = {
  "sentences": /[.!?。！？](?=\s|$)|[。！？]/gu,
  "lines": /\S[^\n]*/g,
  "list items": /^[ \t]*(?:[-*•+]|\d{1,3}[.)])[ \t]+\S/gm,
  "code blocks": /```/g,
  "marks of format": /\*\*|^#{1,6} |^[ \t]*\|/gm,
  "digits": /\p{N}/gu,
  "capitals": /\p{Lu}/gu,
  "questions": /[?？]/g,
};

/** What stands beside a battle's text, as logarithms: S counts of A, S of B, and the prompt's characters. @param tokens of A and of B */
export function battleNumbers(
  { prompt, responseA, responseB }: Pick<Battle, "prompt" | "responseA" | "responseB">,
  tokens: readonly number[],
): Float32Array<ArrayBuffer> {
  const text = prompt.join("\n"), asked = new Set(wordsOf(text));
  const answers = [responseA, responseB].flatMap((turns, side) => countsOf(turns.join("\n"), asked, tokens[side]));
  return Float32Array.from([...answers, text.length], Math.log1p);
}

/** A battle's numbers after A and B changed places. */
export function exchangeNumbers(numbers: Float32Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(numbers, (_, at) => numbers[at === 2 * S ? at : (at + S) % (2 * S)]);
}

/** Columns that change their sign when A and B are exchanged, and those that stay as they are. */
export const numberColumns = { winner: 2 * S, tie: 2 * S + 1 } as const;

/**
 * What the head reads: of each difference d of A and B in a number d itself and tanh(d / 2), which for counts is (a - b) / (a + b + 2),
 * so that answers far apart do not count without end; for ties their sizes, and the prompt's length.
 */
export function expandNumbers(
  numbers: Float32Array,
  into: { winner: Float32Array; tie: Float32Array },
  row: number,
): void {
  const winner = row * numberColumns.winner, tie = row * numberColumns.tie;
  for (let at = 0; at < S; at++) {
    const difference = numbers[at] - numbers[S + at], size = Math.abs(difference);
    const share = Math.tanh(size / 2);
    into.winner[winner + 2 * at] = difference;
    into.winner[winner + 2 * at + 1] = Math.sign(difference) * share;
    into.tie[tie + 2 * at] = size;
    into.tie[tie + 2 * at + 1] = share;
  }
  into.tie[tie + 2 * S] = numbers[2 * S];
}

function countsOf(text: string, asked: ReadonlySet<string>, tokens: number): number[] {
  const words = wordsOf(text), different = new Set(words);
  return answerCounts.map((name) => {
    switch (name) {
      case "characters":
        return text.length;
      case "tokens":
        return tokens;
      case "words":
        return words.length;
      case "different words":
        return different.size;
      case "words of the prompt":
        return different.intersection(asked).size;
      default:
        return count(text, patterns[name]!);
    }
  });
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(word) ?? [];
}

function count(text: string, pattern: RegExp): number {
  let found = 0;
  for (const _ of text.matchAll(pattern)) found++;
  return found;
}
