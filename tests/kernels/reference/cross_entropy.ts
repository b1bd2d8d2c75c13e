// Softmax cross-entropy in f64, as the formula reads.

/** softmax of each row of z [B, C] */
export function softmaxRows(z: Float64Array, C: number): Float64Array {
  const p = new Float64Array(z.length);
  for (let first = 0; first < z.length; first += C) {
    const row = z.subarray(first, first + C), top = Math.max(...row);
    const sum = row.reduce((total, value) => total + Math.exp(value - top), 0);
    for (let c = 0; c < C; c++) p[first + c] = Math.exp(row[c] - top) / sum;
  }
  return p;
}

/** sum_b w_b sum_c target_bc -log p_bc, times inverseWeight */
export function crossEntropyLoss(
  { z, targets, weights, inverseWeight }: {
    z: Float64Array;
    targets: Float64Array;
    weights: Float64Array;
    inverseWeight: number;
  },
): number {
  const C = z.length / weights.length, p = softmaxRows(z, C);
  return p.reduce((sum, value, i) => sum - weights[Math.floor(i / C)] * targets[i] * Math.log(value), 0) *
    inverseWeight;
}

/** Rows whose largest value stands in the same column of both; the first of equals counts. */
export function agreements(z: Float64Array, targets: Float64Array, C: number): number {
  let count = 0;
  for (let first = 0; first < z.length; first += C) {
    const best = (values: Float64Array) => {
      const row = [...values.subarray(first, first + C)];
      return row.indexOf(Math.max(...row));
    };
    if (best(z) === best(targets)) count++;
  }
  return count;
}
