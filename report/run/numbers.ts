// Figures that a run's report and a comparison of runs share.
import type { Run, StepRow, ValidationRow } from "./read_run.ts";

/** The validation whose model was kept. */
export function bestValidation({ validations }: Run): ValidationRow | undefined {
  return validations.reduce<ValidationRow | undefined>(
    (best, row) => best && best.logLoss <= row.logLoss ? best : row,
    undefined,
  );
}

/** Tokens a second while training, all steps but the first, which compiles. NaN of none. */
export function tokensPerSecond({ steps }: Run): number {
  const counted = steps.length > 1 ? steps.slice(1) : steps;
  const sum = (key: "tokens" | "ms") => counted.reduce((total, row) => total + row[key], 0);
  return 1000 * sum("tokens") / sum("ms");
}

/** Milliseconds of the whole run by its phases, or of its steps alone where nobody noted phases. */
export function totalMs({ times, steps }: Run): number {
  const noted = Object.values(times).reduce((total, ms) => total + ms, 0);
  return noted > 0 ? noted : steps.reduce((total, { ms }) => total + ms, 0);
}

/** Steps that were read together have one mean time: a point each, at their last step. */
export function throughput(steps: readonly StepRow[]): { step: number; tokensPerSecond: number }[] {
  const points: { step: number; tokensPerSecond: number }[] = [];
  for (let from = 0; from < steps.length;) {
    let to = from + 1, tokens = steps[from].tokens;
    while (to < steps.length && steps[to].ms === steps[from].ms) tokens += steps[to++].tokens;
    points.push({ step: steps[to - 1].step, tokensPerSecond: 1000 * tokens / (steps[from].ms * (to - from)) });
    from = to;
  }
  return points.filter(({ tokensPerSecond }) => Number.isFinite(tokensPerSecond));
}

export interface Point {
  step: number;
  value: number;
}

/** Steps that a mean is taken over: a twentieth of all, ten at least. */
export function meanOver(steps: readonly StepRow[]): number {
  return Math.min(steps.length, Math.max(10, Math.round(steps.length / 20)));
}

/** The mean loss of each step and those before it. */
export function smoothed(steps: readonly StepRow[]): Point[] {
  const window = meanOver(steps);
  let sum = 0;
  return steps.map((row, at) => {
    sum += row.loss;
    if (at >= window) sum -= steps[at - window].loss;
    return { step: row.step, value: sum / Math.min(at + 1, window) };
  });
}

/** At most `most` points: means of neighbours. */
export function thinned(points: readonly Point[], most = 600): Point[] {
  const size = Math.ceil(points.length / most);
  if (size <= 1) return [...points];
  return Array.from({ length: Math.ceil(points.length / size) }, (_, at) => {
    const part = points.slice(at * size, (at + 1) * size);
    return { step: part.at(-1)!.step, value: part.reduce((sum, { value }) => sum + value, 0) / part.length };
  });
}

/** Flags as the command line writes them, with their values in words; paths as they stand in run.json. */
export function settingWords(value: unknown): string {
  if (value === undefined || value === null) return "–";
  if (value === true) return "on";
  return value === false ? "off" : String(value);
}

/** The axis of steps, from 0; few steps have a tick each, none between them. */
export function stepAxis(steps: readonly { step: number }[]) {
  const last = steps.reduce((most, { step }) => Math.max(most, step), 1);
  return {
    label: "step",
    domain: [0, last],
    ...(last <= 10 && { ticks: Array.from({ length: last + 1 }, (_, step) => step), tickFormat: String }),
  };
}
