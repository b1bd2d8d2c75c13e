// What predictions are worth: the competition's log loss, its expectation under known probabilities, accuracy, calibration.
// Rows are battles, columns A wins, B wins, tie.
import { InputError } from "../errors.ts";
import type { Outcome } from "../data/battle.ts";

/** numpy.finfo(dtype).eps, which scikit-learn 1.3 clips by. */
const epsOf = { float64: 2 ** -52, float32: 2 ** -23 };

export interface LogLossOptions {
  /** Type that scikit-learn would be given; a submission file is read as float64. @default {"float64"} */
  dtype?: keyof typeof epsOf;
}

/** Mean of -log p(true), nats per battle, as scikit-learn 1.3 `log_loss(eps="auto")`: clip to [eps, 1 - eps], then divide
 *  by the row's sum. @param p [B, 3]; rows need not sum to 1  @param labels [B], true column
 *  @throws {InputError} with the row, if a probability is not a number */
export function logLoss(p: ArrayLike<number>, labels: ArrayLike<Outcome>, options: LogLossOptions = {}): number {
  return rowLosses(p, labels, options).reduce((sum, loss) => sum + loss, 0) / labels.length;
}

/** -log p(true) of each battle, as `logLoss` takes them. */
export function rowLosses(
  p: ArrayLike<number>,
  labels: ArrayLike<Outcome>,
  options: LogLossOptions = {},
): Float64Array {
  const rows = rowsOf(p, labels.length);
  return Float64Array.from({ length: rows }, (_, row) => -Math.log(clippedRow(p, row, options)[labels[row]]));
}

/** What `logLoss` comes to on average when outcomes are drawn from `truth` [B, 3]; least where p = truth. */
export function expectedLogLoss(p: ArrayLike<number>, truth: ArrayLike<number>, options: LogLossOptions = {}): number {
  const rows = rowsOf(p, truth.length / 3);
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const clipped = clippedRow(p, row, options);
    for (let column = 0; column < 3; column++) {
      const share = truth[row * 3 + column];
      if (share > 0) sum -= share * Math.log(clipped[column]);
    }
  }
  return sum / rows;
}

/** Share of battles whose likeliest outcome came true; of equally likely ones the first counts. */
export function accuracy(p: ArrayLike<number>, labels: ArrayLike<Outcome>): number {
  const rows = rowsOf(p, labels.length);
  let correct = 0;
  for (let row = 0; row < rows; row++) if (likeliest(p, row) === labels[row]) correct++;
  return correct / rows;
}

/** Battles of one true outcome. */
export interface OutcomeScore {
  battles: number;
  /** NaN of none. */
  logLoss: number;
  /** How often each outcome was the likeliest: a row of the confusion matrix. */
  likeliest: [number, number, number];
}

/** Log loss and confusion by the true outcome. */
export function byOutcome(p: ArrayLike<number>, labels: ArrayLike<Outcome>): OutcomeScore[] {
  const losses = rowLosses(p, labels);
  return [0, 1, 2].map((outcome) => {
    const score: OutcomeScore = { battles: 0, logLoss: 0, likeliest: [0, 0, 0] };
    for (let row = 0; row < losses.length; row++) {
      if (labels[row] !== outcome) continue;
      score.battles++;
      score.logLoss += losses[row];
      score.likeliest[likeliest(p, row)]++;
    }
    return { ...score, logLoss: score.logLoss / score.battles };
  });
}

/** Battles whose probability of something lies in (low, high]. */
export interface ReliabilityBin {
  low: number;
  high: number;
  battles: number;
  /** Mean probability, and how many of the battles it came true in; NaN and 0 of none. */
  probability: number;
  hits: number;
}

/** Equal bins of the probability of `outcome`, or of each battle's likeliest one, beside what came true. */
export function reliability(
  p: ArrayLike<number>,
  labels: ArrayLike<Outcome>,
  { outcome, bins = 15 }: { outcome?: Outcome; bins?: number } = {},
): ReliabilityBin[] {
  const rows = rowsOf(p, labels.length);
  const found = Array.from({ length: bins }, (_, bin) => (
    { low: bin / bins, high: (bin + 1) / bins, battles: 0, probability: 0, hits: 0 }
  ));
  for (let row = 0; row < rows; row++) {
    const column = outcome ?? likeliest(p, row), probability = clippedRow(p, row, {})[column];
    const bin = found[Math.min(Math.max(Math.ceil(probability * bins) - 1, 0), bins - 1)];
    bin.battles++;
    bin.probability += probability;
    if (labels[row] === column) bin.hits++;
  }
  return found.map((bin) => ({ ...bin, probability: bin.probability / bin.battles }));
}

/** Expected calibration error (Guo 2017, equation 5): battles sorted into equal bins by the probability of their likeliest
 *  outcome; the gap between that probability and the share that came true, averaged over battles. */
export function calibrationError(p: ArrayLike<number>, labels: ArrayLike<Outcome>, bins = 15): number {
  const met = reliability(p, labels, { bins }).filter(({ battles }) => battles > 0);
  return met.reduce((sum, { battles, probability, hits }) => sum + Math.abs(hits - battles * probability), 0) /
    labels.length;
}

function rowsOf(p: ArrayLike<number>, rows: number): number {
  if (p.length !== rows * 3) throw new RangeError(`Cannot score ${p.length / 3} predictions against ${rows} battles`);
  if (rows === 0) throw new InputError("Cannot score predictions: there is no battle: give at least one");
  return rows;
}

function clippedRow(p: ArrayLike<number>, row: number, { dtype = "float64" }: LogLossOptions): number[] {
  const eps = epsOf[dtype];
  const clipped = [0, 1, 2].map((column) => Math.min(Math.max(p[row * 3 + column], eps), 1 - eps));
  const sum = clipped[0] + clipped[1] + clipped[2];
  if (Number.isNaN(sum)) {
    throw new InputError(`Cannot score prediction ${row + 1}: a probability is not a number: predict again`);
  }
  return clipped.map((value) => value / sum);
}

/** Column of the likeliest outcome; of equally likely ones the first. */
export function likeliest(p: ArrayLike<number>, row: number): number {
  let best = 0;
  for (const column of [1, 2]) if (p[row * 3 + column] > p[row * 3 + best]) best = column;
  return best;
}
