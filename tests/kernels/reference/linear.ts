// The dense layer with GELU in f64.
import { type Values } from "../harness.ts";

/** y[t, o] = act(sum_i x[t, i] weight[o, i] + bias[o]); weight [out, in] */
export function linearForward({ x, weight, bias }: Values, activation: (v: number) => number = (v) => v): Float64Array {
  return preactivation({ x, weight, bias }).map(activation);
}

/** dpre = dy act'(pre); dx = dpre W; dW = dpre^T x; db = sum_t dpre */
export function linearBackward(
  { x, weight, bias }: Values,
  dy: Float64Array,
  derivative: (v: number) => number = () => 1,
): Values {
  const outputs = bias.length, inputs = weight.length / outputs, T = x.length / inputs;
  const dpre = preactivation({ x, weight, bias }).map((v, i) => dy[i] * derivative(v));
  const dx = new Float64Array(x.length), dWeight = new Float64Array(weight.length), dBias = new Float64Array(outputs);
  for (let t = 0; t < T; t++) {
    for (let o = 0; o < outputs; o++) {
      const g = dpre[t * outputs + o];
      dBias[o] += g;
      for (let i = 0; i < inputs; i++) {
        dx[t * inputs + i] += g * weight[o * inputs + i];
        dWeight[o * inputs + i] += g * x[t * inputs + i];
      }
    }
  }
  return { x: dx, weight: dWeight, bias: dBias };
}

function preactivation({ x, weight, bias }: Values): Float64Array {
  const outputs = bias.length, inputs = weight.length / outputs, T = x.length / inputs;
  const y = new Float64Array(T * outputs);
  for (let t = 0; t < T; t++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias[o];
      for (let i = 0; i < inputs; i++) sum += x[t * inputs + i] * weight[o * inputs + i];
      y[t * outputs + o] = sum;
    }
  }
  return y;
}

/** x Phi(x), Phi by the series of erf where it converges fast and the continued fraction of erfc beyond. */
export function geluExact(x: number): number {
  return x * phi(x);
}

export function geluExactDerivative(x: number): number {
  return phi(x) + x * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
}

const C = Math.sqrt(2 / Math.PI);

export function geluTanh(x: number): number {
  return x / 2 * (1 + Math.tanh(C * (x + 0.044715 * x ** 3)));
}

export function geluTanhDerivative(x: number): number {
  const t = Math.tanh(C * (x + 0.044715 * x ** 3));
  return (1 + t) / 2 + x / 2 * (1 - t * t) * C * (1 + 3 * 0.044715 * x * x);
}

function phi(x: number): number {
  return (1 + erf(x / Math.SQRT2)) / 2;
}

/** erf to 1e-15: Maclaurin series up to 3, Lentz's continued fraction of erfc beyond. */
function erf(x: number): number {
  const z = Math.abs(x);
  if (z > 3) {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / 2 / (z + fraction);
    return Math.sign(x) * (1 - Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction));
  }
  let term = x, sum = x;
  for (let n = 1; n < 100; n++) {
    term *= -x * x / n;
    sum += term / (2 * n + 1);
  }
  return 2 / Math.sqrt(Math.PI) * sum;
}
