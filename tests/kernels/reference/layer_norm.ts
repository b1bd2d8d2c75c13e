// Layer normalisation in f64, as the formula reads; Ba, Kiros, Hinton 2016, equations 3 and 4.
import { type Values } from "../harness.ts";

/** y = (x - mean) / sqrt(var + eps) * gain + bias; x [T, W], gain and bias [W] */
export function layerNormForward({ x, gain, bias }: Values, eps: number): Float64Array {
  const W = gain.length, y = new Float64Array(x.length);
  for (let t = 0; t < x.length / W; t++) {
    const { mean, rstd } = moments(x, t, W, eps);
    for (let w = 0; w < W; w++) y[t * W + w] = (x[t * W + w] - mean) * rstd * gain[w] + bias[w];
  }
  return y;
}

/** dx = rstd (g - avg(g) - n avg(g n)), g = dy gain, n = (x - mean) rstd; dgain = sum_t dy n; dbias = sum_t dy */
export function layerNormBackward({ x, gain }: Values, dy: Float64Array, eps: number): Values {
  const W = gain.length;
  const dx = new Float64Array(x.length), dGain = new Float64Array(W), dBias = new Float64Array(W);
  for (let t = 0; t < x.length / W; t++) {
    const { mean, rstd } = moments(x, t, W, eps);
    let sum = 0, dots = 0;
    for (let w = 0; w < W; w++) {
      const n = (x[t * W + w] - mean) * rstd, g = dy[t * W + w] * gain[w];
      sum += g;
      dots += g * n;
      dGain[w] += dy[t * W + w] * n;
      dBias[w] += dy[t * W + w];
    }
    for (let w = 0; w < W; w++) {
      const n = (x[t * W + w] - mean) * rstd;
      dx[t * W + w] = rstd * (dy[t * W + w] * gain[w] - sum / W - n * dots / W);
    }
  }
  return { x: dx, gain: dGain, bias: dBias };
}

function moments(x: Float64Array, row: number, W: number, eps: number): { mean: number; rstd: number } {
  let mean = 0, variance = 0;
  for (let w = 0; w < W; w++) mean += x[row * W + w] / W;
  for (let w = 0; w < W; w++) variance += (x[row * W + w] - mean) ** 2 / W;
  return { mean, rstd: 1 / Math.sqrt(variance + eps) };
}
