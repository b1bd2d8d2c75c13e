// How long prompts and answers are, and how the outcome goes with the difference of the answers' lengths.
import type { Battle, Outcome } from "../../data/battle.ts";
import { LogHistogram } from "../statistics/log_histogram.ts";
import type { TextScan } from "./text_scan.ts";

export interface LengthSummary {
  mean: number;
  median: number;
  p90: number;
  p99: number;
  greatest: number;
  /** Counts between neighbouring edges, for a plot. */
  bins: { low: number; high: number; count: number }[];
}

/** Battles whose answers' lengths have a ratio within [2^low, 2^high). */
export interface RatioBin {
  low: number;
  high: number;
  /** A won, B won, tie. */
  outcomes: [number, number, number];
}

export interface LengthFindings {
  prompt: LengthSummary;
  answer: LengthSummary;
  /** Prompts by their number of turns; the last place counts that many or more. */
  turns: number[];
  /** Both orders of a battle are counted: A against B, and B against A with the outcome exchanged. */
  ratios: RatioBin[];
  /** Battles with a winner and answers of different lengths, and those that the longer answer won. */
  decided: number;
  longerWon: number;
}

const mostTurns = 8;
/** Half doublings from 8 times shorter to 8 times longer; the ends take what lies beyond. */
const ratioReach = 3;
const ratioStep = 0.5;

export class LengthCounter {
  readonly #prompt = new LogHistogram();
  readonly #answer = new LogHistogram();
  readonly #turns = new Array<number>(mostTurns).fill(0);
  readonly #ratios: RatioBin[] = Array.from({ length: 2 * ratioReach / ratioStep }, (_, bin) => ({
    low: -ratioReach + bin * ratioStep,
    high: -ratioReach + (bin + 1) * ratioStep,
    outcomes: [0, 0, 0],
  }));
  #decided = 0;
  #longerWon = 0;

  add(battle: Battle, { prompt, a, b }: { prompt: TextScan; a: TextScan; b: TextScan }): void {
    this.#prompt.add(prompt.characters);
    this.#answer.add(a.characters);
    this.#answer.add(b.characters);
    this.#turns[Math.min(Math.max(battle.prompt.length, 1), mostTurns) - 1]++;
    if (battle.label !== undefined) this.#addOutcome(a.characters, b.characters, battle.label);
  }

  #addOutcome(a: number, b: number, label: Outcome): void {
    const ratio = Math.log2((a + 1) / (b + 1));
    if (ratio === 0) return;
    this.#bin(ratio).outcomes[label]++;
    this.#bin(-ratio).outcomes[label === 2 ? 2 : 1 - label]++;
    if (label === 2) return;
    this.#decided++;
    if (ratio > 0 === (label === 0)) this.#longerWon++;
  }

  #bin(ratio: number): RatioBin {
    const bin = Math.floor((ratio + ratioReach) / ratioStep);
    return this.#ratios[Math.min(Math.max(bin, 0), this.#ratios.length - 1)];
  }

  finish(): LengthFindings {
    return {
      prompt: summarise(this.#prompt),
      answer: summarise(this.#answer),
      turns: this.#turns,
      ratios: this.#ratios,
      decided: this.#decided,
      longerWon: this.#longerWon,
    };
  }
}

/** Half doublings from 1; none between 1 and 2, where there is no whole number. */
const edges = [1, ...Array.from({ length: 48 }, (_, half) => 2 ** (1 + half / 2))];

/** What reports say of lengths, with bins for a logarithmic axis; lengths of 0 are in no bin. */
export function summarise(lengths: LogHistogram): LengthSummary {
  const bins = edges.slice(1).map((high, place) => {
    const low = edges[place];
    // A hair lower, so that an edge's own whole number is above it whatever its rounding.
    return { low, high, count: lengths.between(low * (1 - 1e-9), high * (1 - 1e-9)) };
  });
  const first = bins.findIndex(({ count }) => count > 0), last = bins.findLastIndex(({ count }) => count > 0);
  return {
    mean: lengths.mean,
    median: lengths.quantile(0.5),
    p90: lengths.quantile(0.9),
    p99: lengths.quantile(0.99),
    greatest: lengths.greatest,
    bins: first < 0 ? [] : bins.slice(first, last + 1),
  };
}
