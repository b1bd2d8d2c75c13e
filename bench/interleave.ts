// Measures cases in turns, so that a machine whose speed drifts treats all of them alike.
import { type Enqueue, type Stopwatch } from "./stopwatch.ts";

/** Median of the samples, ms; the distance between their quartiles, ms; their number. */
export interface Timing {
  ms: number;
  spread: number;
  n: number;
}

/** Work to be timed: its laps, run one after the other, each timed apart. */
export interface Timed {
  laps: Readonly<Record<string, Enqueue>>;
}

export interface InterleaveOptions {
  /** Samples of each case. */
  rounds: number;
  /** A sample repeats its laps until they take about so long, ms. @default {30} */
  sampleMs?: number;
  /** Awaited after each round. */
  onRound?: (round: number) => Promise<void>;
}

/** Samples of each lap of each case, ms, in the order of the cases. Two runs of each case, the first compiles, do not count. */
export async function interleave(
  stopwatch: Stopwatch,
  cases: readonly Timed[],
  { rounds, sampleMs = 30, onRound }: InterleaveOptions,
): Promise<Record<string, number[]>[]> {
  const samples = cases.map(({ laps }): Record<string, number[]> =>
    Object.fromEntries(Object.keys(laps).map((lap) => [lap, []]))
  );
  const repeats: number[] = [];
  for (const { laps } of cases) {
    const work = Object.values(laps);
    await stopwatch.laps(work);
    const ms = sum(await stopwatch.laps(work));
    repeats.push(Math.min(1000, Math.max(1, Math.ceil(sampleMs / Math.max(ms, 1e-3)))));
  }
  for (let round = 1; round <= rounds; round++) {
    for (const [i, { laps }] of cases.entries()) {
      const times = await stopwatch.laps(Object.values(laps), repeats[i]);
      Object.keys(laps).forEach((lap, at) => samples[i][lap].push(times[at]));
    }
    await onRound?.(round);
  }
  return samples;
}

/** Median and spread of samples. */
export function timing(samples: readonly number[]): Timing {
  return { ms: quantile(samples, 0.5), spread: quantile(samples, 0.75) - quantile(samples, 0.25), n: samples.length };
}

/** Of what is left when each sample of `inner` is taken from the same round's sample of `outer`. */
export function differences(outer: readonly number[], inner: readonly number[]): number[] {
  return outer.map((ms, i) => ms - inner[i]);
}

/**
 * How long `over` takes, `under` being 1: the median of the rounds' quotients, since a machine that slows down for a while slows
 * both of a round.
 */
export function ratio(over: readonly number[], under: readonly number[]): number {
  return quantile(over.map((ms, i) => ms / under[i]), 0.5);
}

/** Each round's sum. */
export function sums(...parts: readonly (readonly number[])[]): number[] {
  return parts[0].map((_, i) => sum(parts.map((part) => part[i])));
}

/** Linear between the two samples nearest to the share `q`. */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q, below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
