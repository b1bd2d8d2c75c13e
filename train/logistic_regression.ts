// Multinomial logistic regression on sparse rows, for the baselines: L2 penalty, fitted by L-BFGS.
import { minimize, type Objective } from "./minimize.ts";

/** One row's features that are not zero. */
export interface SparseRow {
  columns: ArrayLike<number>;
  values: ArrayLike<number>;
}

export interface FitOptions {
  /** Features F, so that columns are 0 to F - 1. */
  features: number;
  /** The penalty is |w|² / 2c beside the summed loss, intercepts free, as scikit-learn's `C`. @default {1} */
  c?: number;
  /** Stop when no component of the mean loss's gradient is above this. @default {1e-5} */
  tolerance?: number;
  /** @default {300} */
  maxSteps?: number;
  /** Weights to begin with, e.g. those of another `c`. @default {zeros} */
  start?: LogisticWeights;
}

/** Weights [F + 1, 3]: of each feature for the three outcomes; the intercepts come last. */
export type LogisticWeights = Float64Array;

/** Minimises the mean of -log p(label) + |w|² / (2 c rows).
 *  @param labels [rows], 0 to 2 */
export function fitLogistic(
  rows: readonly SparseRow[],
  labels: ArrayLike<number>,
  options: FitOptions,
): LogisticWeights {
  const { features, c = 1, tolerance = 1e-5, maxSteps = 300, start } = options;
  const { starts, columns, values } = layEndToEnd(rows);
  const count = rows.length, penalty = 1 / (c * count), p = new Float64Array(3);
  const objective: Objective = (weights, gradient) => {
    let loss = 0;
    gradient.fill(0);
    for (let row = 0; row < count; row++) {
      probabilities(columns, values, starts[row], starts[row + 1], weights, p);
      loss -= Math.log(p[labels[row]]);
      p[labels[row]] -= 1;
      for (let at = starts[row]; at < starts[row + 1]; at++) {
        const base = columns[at] * 3, value = values[at];
        gradient[base] += p[0] * value;
        gradient[base + 1] += p[1] * value;
        gradient[base + 2] += p[2] * value;
      }
      for (let outcome = 0; outcome < 3; outcome++) gradient[features * 3 + outcome] += p[outcome];
    }
    loss /= count;
    for (let at = 0; at < weights.length; at++) {
      gradient[at] /= count;
      if (at >= features * 3) continue;
      loss += penalty * weights[at] * weights[at] / 2;
      gradient[at] += penalty * weights[at];
    }
    return loss;
  };
  return minimize(objective, start ?? new Float64Array((features + 1) * 3), { tolerance, maxSteps });
}

/** Probabilities [rows, 3]. */
export function predictLogistic(rows: readonly SparseRow[], weights: LogisticWeights): Float64Array {
  const { starts, columns, values } = layEndToEnd(rows);
  const found = new Float64Array(rows.length * 3);
  for (let row = 0; row < rows.length; row++) {
    probabilities(columns, values, starts[row], starts[row + 1], weights, found.subarray(row * 3, row * 3 + 3));
  }
  return found;
}

/** Softmax of one row's scores, into `p`. */
function probabilities(
  columns: Uint32Array,
  values: Float64Array,
  from: number,
  to: number,
  weights: Float64Array,
  p: Float64Array,
): void {
  const intercept = weights.length - 3;
  let a = weights[intercept], b = weights[intercept + 1], tie = weights[intercept + 2];
  for (let at = from; at < to; at++) {
    const base = columns[at] * 3, value = values[at];
    a += weights[base] * value;
    b += weights[base + 1] * value;
    tie += weights[base + 2] * value;
  }
  const highest = Math.max(a, b, tie);
  a = Math.exp(a - highest);
  b = Math.exp(b - highest);
  tie = Math.exp(tie - highest);
  const sum = a + b + tie;
  p[0] = a / sum;
  p[1] = b / sum;
  p[2] = tie / sum;
}

/** All rows in three arrays: row r has the entries from starts[r] up to starts[r + 1]. */
function layEndToEnd(rows: readonly SparseRow[]) {
  const starts = new Uint32Array(rows.length + 1);
  for (const [row, { columns }] of rows.entries()) starts[row + 1] = starts[row] + columns.length;
  const columns = new Uint32Array(starts[rows.length]), values = new Float64Array(starts[rows.length]);
  for (const [row, entry] of rows.entries()) {
    columns.set(entry.columns, starts[row]);
    values.set(entry.values, starts[row]);
  }
  return { starts, columns, values };
}
