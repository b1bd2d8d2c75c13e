// Embedding in f64: the sum of one row of each table.
import { type Values } from "../harness.ts";

/** y[t] = sum over i of table_i[ids_i[t]]; `pairs` names each table and its ids among `x` */
export function embedForward(x: Values, pairs: [string, string][], W: number): Float64Array {
  const T = x[pairs[0][1]].length, y = new Float64Array(T * W);
  for (const [table, ids] of pairs) {
    for (let t = 0; t < T; t++) {
      for (let w = 0; w < W; w++) y[t * W + w] += x[table][x[ids][t] * W + w];
    }
  }
  return y;
}

/** dtable_i[ids_i[t]] += dy[t] */
export function embedBackward(x: Values, pairs: [string, string][], W: number, dy: Float64Array): Values {
  const gradients: Values = {};
  for (const [table, ids] of pairs) {
    const d = gradients[table] = new Float64Array(x[table].length);
    for (let t = 0; t < x[ids].length; t++) {
      for (let w = 0; w < W; w++) d[x[ids][t] * W + w] += dy[t * W + w];
    }
  }
  return gradients;
}
