// A frozen dense layer with adapters in f64.
import { type Values } from "../harness.ts";
import { linearBackward, linearForward } from "./linear.ts";

/** Where each part's B, transposed [r, n], stands among the values, and its first column of y. */
export interface ReferencePart {
  name: string;
  r: number;
  n: number;
  column: number;
}

export interface ReferenceAdapters {
  parts: readonly ReferencePart[];
  scale: number;
  /** Of x; all ones without dropout. */
  mask: Float64Array;
}

/** W' = W + scale * sum over parts of B A, in each part's rows; y = act(x W^T + (mask x) (W' - W)^T + bias) */
export function adaptedForward(
  values: Values,
  adapters: ReferenceAdapters,
  activation: (v: number) => number = (v) => v,
): Float64Array {
  return preactivation(values, adapters).map(activation);
}

/** dW' = dpre^T (mask x) for the adapters' share; dA = scale * B^T dW', dB = scale * dW' A^T; dx = dpre W + mask (dpre (W' - W)) */
export function adaptedBackward(
  values: Values,
  adapters: ReferenceAdapters,
  dy: Float64Array,
  derivative: (v: number) => number = () => 1,
): Values {
  const { a } = values, { parts, scale, mask } = adapters;
  const outputs = values.bias.length, inputs = values.weight.length / outputs;
  const dpre = preactivation(values, adapters).map((v, i) => dy[i] * derivative(v));
  const through = linearBackward({ ...values, bias: new Float64Array(outputs) }, dpre);
  const delta = linearBackward({ ...dropped(values, mask), weight: product(values, adapters) }, dpre);
  const gradients: Values = { x: through.x.map((v, i) => v + mask[i] * delta.x[i]), a: new Float64Array(a.length) };
  let rank = 0;
  for (const { name, r, n, column } of parts) {
    const db = gradients[name] = new Float64Array(r * n);
    for (let j = 0; j < r; j++) {
      for (let o = 0; o < n; o++) {
        for (let i = 0; i < inputs; i++) {
          const g = scale * delta.weight[(column + o) * inputs + i];
          gradients.a[(rank + j) * inputs + i] += values[name][j * n + o] * g;
          db[j * n + o] += a[(rank + j) * inputs + i] * g;
        }
      }
    }
    rank += r;
  }
  return gradients;
}

function preactivation(values: Values, adapters: ReferenceAdapters): Float64Array {
  const own = linearForward(values);
  const added = linearForward({
    ...dropped(values, adapters.mask),
    weight: product(values, adapters),
    bias: new Float64Array(values.bias.length),
  });
  return own.map((v, i) => v + added[i]);
}

function dropped(values: Values, mask: Float64Array): Values {
  return { ...values, x: values.x.map((v, i) => v * mask[i]) };
}

/** scale * B A in the rows of each part, [out, in] */
function product({ weight, bias, a, ...values }: Values, { parts, scale }: ReferenceAdapters): Float64Array {
  const inputs = weight.length / bias.length, sum = new Float64Array(weight.length);
  let rank = 0;
  for (const { name, r, n, column } of parts) {
    for (let j = 0; j < r; j++) {
      for (let o = 0; o < n; o++) {
        for (let i = 0; i < inputs; i++) {
          sum[(column + o) * inputs + i] += scale * values[name][j * n + o] * a[(rank + j) * inputs + i];
        }
      }
    }
    rank += r;
  }
  return sum;
}
