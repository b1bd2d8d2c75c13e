// The number head in f64, as its formulas read.
import { type Values } from "../harness.ts";

/** y_A = z_A + s, y_B = z_B - s with s = w.(x / sx); y_tie = z_tie + v.((t - mean) / st) */
export function numberHeadForward({ z, x, t, winner, winnerScale, tie, tieMean, tieScale }: Values): Float64Array {
  const N = winner.length, M = tie.length, y = z.slice();
  for (let b = 0; b < z.length / 3; b++) {
    for (let n = 0; n < N; n++) {
      y[b * 3] += winner[n] * x[b * N + n] / winnerScale[n];
      y[b * 3 + 1] -= winner[n] * x[b * N + n] / winnerScale[n];
    }
    for (let m = 0; m < M; m++) y[b * 3 + 2] += tie[m] * (t[b * M + m] - tieMean[m]) / tieScale[m];
  }
  return y;
}

export function numberHeadBackward(values: Values, g: Float64Array): Values {
  const { x, t, winnerScale, tieMean, tieScale } = values;
  const N = winnerScale.length, M = tieScale.length;
  const winner = new Float64Array(N), tie = new Float64Array(M);
  for (let b = 0; b < g.length / 3; b++) {
    for (let n = 0; n < N; n++) winner[n] += (g[b * 3] - g[b * 3 + 1]) * x[b * N + n] / winnerScale[n];
    for (let m = 0; m < M; m++) tie[m] += g[b * 3 + 2] * (t[b * M + m] - tieMean[m]) / tieScale[m];
  }
  return { z: g, winner, tie };
}
