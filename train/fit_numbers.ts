// Where the weights of the numbers beside the text begin: at the regression that does best without the text. So a fine-tuning of
// a hundred small steps need not find them, and the text has only to learn what the numbers do not tell.
import type { EncodedBattle } from "../data/dataset.ts";
import { expandNumbers, numberColumns } from "../data/numbers.ts";
import { minimize } from "./minimize.ts";
import type { GpuEngine } from "./gpu_engine.ts";

const { winner: N, tie: M } = numberColumns;

/** The penalty is |w|² / 2c beside the summed loss. On people's battles 0.01 to 0.1 are within 0.003 nats of each other
 *  (docs/preferences.md says which battles). */
const c = 0.03;

export interface FittedNumbers {
  /** [N] */
  winner: Float32Array<ArrayBuffer>;
  winnerScale: Float32Array<ArrayBuffer>;
  /** [M] */
  tie: Float32Array<ArrayBuffer>;
  tieMean: Float32Array<ArrayBuffer>;
  tieScale: Float32Array<ArrayBuffer>;
  /** Of the winners 0, of the tie this. */
  tieBias: number;
}

/** Standardises the numbers of the training battles and fits the logits [s, -s, t] to their outcomes, or targets, by weight. */
function fitNumbers(battles: readonly EncodedBattle[]): FittedNumbers {
  const B = battles.length;
  const x = new Float32Array(B * N), t = new Float32Array(B * M);
  for (const [row, { numbers }] of battles.entries()) expandNumbers(numbers!, { winner: x, tie: t }, row);
  const winnerScale = Float32Array.from({ length: N }, (_, n) => deviation(x, N, n, 0));
  const tieMean = Float32Array.from({ length: M }, (_, m) => mean(t, M, m));
  const tieScale = Float32Array.from({ length: M }, (_, m) => deviation(t, M, m, tieMean[m]));
  for (let at = 0; at < x.length; at++) x[at] /= winnerScale[at % N];
  for (let at = 0; at < t.length; at++) t[at] = (t[at] - tieMean[at % M]) / tieScale[at % M];
  const targets = battles.map(({ target, label }) => target ?? [0, 1, 2].map((outcome) => Number(outcome === label)));
  const weights = battles.map(({ weight = 1 }) => weight), all = weights.reduce((sum, weight) => sum + weight, 0);
  const found = minimize(
    (w, gradient) => {
      let loss = 0;
      gradient.fill(0);
      for (let row = 0; row < B; row++) {
        let s = 0, tie = w[N + M];
        for (let n = 0; n < N; n++) s += w[n] * x[row * N + n];
        for (let m = 0; m < M; m++) tie += w[N + m] * t[row * M + m];
        const highest = Math.max(Math.abs(s), tie);
        const powers = [s, -s, tie].map((z) => Math.exp(z - highest)), sum = powers[0] + powers[1] + powers[2];
        const share = weights[row] / all, p = powers.map((power) => power / sum);
        targets[row].forEach((target, k) => loss -= target > 0 ? share * target * Math.log(p[k]) : 0);
        const g = p.map((value, k) => share * (value - targets[row][k]));
        for (let n = 0; n < N; n++) gradient[n] += (g[0] - g[1]) * x[row * N + n];
        for (let m = 0; m < M; m++) gradient[N + m] += g[2] * t[row * M + m];
        gradient[N + M] += g[2];
      }
      for (let at = 0; at < N + M; at++) {
        loss += w[at] * w[at] / (2 * c * all);
        gradient[at] += w[at] / (c * all);
      }
      return loss;
    },
    new Float64Array(N + M + 1),
    { tolerance: 1e-5, maxSteps: 300 },
  );
  return {
    winner: Float32Array.from(found.subarray(0, N)),
    winnerScale,
    tie: Float32Array.from(found.subarray(N, N + M)),
    tieMean,
    tieScale,
    tieBias: found[N + M],
  };
}

/** Writes the fit into a model whose head is new; the text's part begins at zero, and so does not disturb it. */
export function beginWithNumbers(engine: GpuEngine, battles: readonly EncodedBattle[]): void {
  const fit = fitNumbers(battles), { parameters, initialised } = engine;
  parameters.write("head.numbers.winner", fit.winner);
  parameters.write("head.numbers.winner_scale", fit.winnerScale);
  parameters.write("head.numbers.tie", fit.tie);
  parameters.write("head.numbers.tie_mean", fit.tieMean);
  parameters.write("head.numbers.tie_scale", fit.tieScale);
  for (const { name, shape } of parameters.specs) {
    if (!/^head\.[a-z]+$/.test(name) || !initialised.includes(name)) continue;
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    // The tie's bias is the last: [winners, tie] of the swap head, [A, B, tie] of the concat head.
    if (name === "head.bias") values[values.length - 1] = fit.tieBias;
    parameters.write(name, values);
  }
}

function mean(values: Float32Array, columns: number, column: number): number {
  let sum = 0;
  for (let at = column; at < values.length; at += columns) sum += values[at];
  return sum * columns / values.length;
}

/** 1 where all values are the same. */
function deviation(values: Float32Array, columns: number, column: number, center: number): number {
  let sum = 0;
  for (let at = column; at < values.length; at += columns) sum += (values[at] - center) ** 2;
  const found = Math.sqrt(sum * columns / values.length);
  return found > 1e-6 ? found : 1;
}
