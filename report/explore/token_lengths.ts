// Lengths in tokens of a random sample of battles, and what each --max-tokens would cut of them.
import { shareBudget } from "../../data/truncation.ts";
import { LogHistogram } from "../statistics/log_histogram.ts";
import { type LengthSummary, summarise } from "./lengths.ts";

/** Whole texts of a battle, turns joined by line ends, as templates join them. */
export interface SampledTexts {
  prompt: string;
  a: string;
  b: string;
}

/** Counts the tokens of a text, without special tokens. */
export type CountTokens = (text: string) => number;

export interface Cut {
  pairing: "joint" | "siamese";
  maxTokens: number;
  /** Share of sequences that would be cut, 0 to 1. */
  sequences: number;
  /** Share of their tokens that would be lost. */
  tokens: number;
}

export interface TokenFindings {
  /** Battles measured, of so many in the file. */
  battles: number;
  of: number;
  /** Where tokens come from: a tokenizer's name; undefined if they are characters / 4. */
  tokenizer: string | undefined;
  prompt: LengthSummary;
  answer: LengthSummary;
  joint: LengthSummary;
  cuts: Cut[];
}

/** Values of --max-tokens that are tried. */
export const tried: readonly number[] = [128, 192, 256, 384, 512, 768, 1024, 1536, 2048];

/** Measures sampled battles. @param marks special tokens of a sequence of so many parts */
export function measureTokens(
  sample: readonly SampledTexts[],
  { count, marks, onBattle = () => {} }: {
    count: CountTokens;
    marks: (parts: number) => number;
    onBattle?: (done: number) => void;
  },
): Pick<TokenFindings, "prompt" | "answer" | "joint" | "cuts"> {
  const [prompt, answer, joint] = [new LogHistogram(), new LogHistogram(), new LogHistogram()];
  const totals = { joint: blankTotals(), siamese: blankTotals() };
  for (const [index, texts] of sample.entries()) {
    const [p, a, b] = [texts.prompt, texts.a, texts.b].map(count);
    prompt.add(p);
    answer.add(a);
    answer.add(b);
    joint.add(p + a + b + marks(3));
    addCuts(totals.joint, [p, a, b], marks(3));
    addCuts(totals.siamese, [p, a], marks(2));
    addCuts(totals.siamese, [p, b], marks(2));
    onBattle(index + 1);
  }
  const cuts = (["siamese", "joint"] as const).flatMap((pairing) =>
    totals[pairing].map(({ maxTokens, sequences, cut, tokens, lost }) => (
      { pairing, maxTokens, sequences: cut / Math.max(1, sequences), tokens: lost / Math.max(1, tokens) }
    ))
  );
  return { prompt: summarise(prompt), answer: summarise(answer), joint: summarise(joint), cuts };
}

function blankTotals() {
  return tried.map((maxTokens) => ({ maxTokens, sequences: 0, cut: 0, tokens: 0, lost: 0 }));
}

function addCuts(totals: ReturnType<typeof blankTotals>, lengths: number[], marks: number): void {
  const whole = lengths.reduce((sum, length) => sum + length, 0);
  for (const total of totals) {
    const kept = shareBudget(lengths, total.maxTokens - marks).reduce((sum, length) => sum + length, 0);
    total.sequences++;
    total.tokens += whole;
    total.lost += whole - kept;
    if (kept < whole) total.cut++;
  }
}
