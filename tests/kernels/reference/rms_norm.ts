// Root mean square normalisation in f64, as the formula reads; Zhang, Sennrich 2019.
import { type Values } from "../harness.ts";

/** Heads of each part of the columns, and the name of the gain they share. */
export interface ReferencePart {
  heads: number;
  gain?: string;
}

export interface ReferenceNorm {
  parts: readonly ReferencePart[];
  /** Columns of one head. */
  W: number;
  eps: number;
  offset: number;
}

/** y = x / sqrt(avg(x^2) + eps) * (offset + gain), head by head; a part without a gain is copied */
export function rmsNormForward(values: Values, norm: ReferenceNorm): Float64Array {
  const y = Float64Array.from(values.x);
  eachHead(values, norm, ({ at, gain, rstd }) => {
    for (let w = 0; w < norm.W; w++) y[at + w] = values.x[at + w] * rstd * (norm.offset + gain[w]);
  });
  return y;
}

/** dx = rstd (g - n avg(g n)), g = dy (offset + gain), n = x rstd; dgain = sum of dy n over rows and heads */
export function rmsNormBackward(values: Values, dy: Float64Array, norm: ReferenceNorm): Values {
  const { W, offset } = norm, { x } = values;
  const gradients: Values = { x: Float64Array.from(dy) };
  for (const { gain } of norm.parts) if (gain) gradients[gain] ??= new Float64Array(W);
  eachHead(values, norm, ({ at, gain, name, rstd }) => {
    let dots = 0;
    for (let w = 0; w < W; w++) dots += dy[at + w] * (offset + gain[w]) * x[at + w] * rstd;
    for (let w = 0; w < W; w++) {
      const n = x[at + w] * rstd;
      gradients.x[at + w] = rstd * (dy[at + w] * (offset + gain[w]) - n * dots / W);
      gradients[name][w] += dy[at + w] * n;
    }
  });
  return gradients;
}

interface Head {
  /** Index of the head's first value. */
  at: number;
  gain: Float64Array;
  name: string;
  rstd: number;
}

function eachHead(values: Values, { parts, W, eps }: ReferenceNorm, visit: (head: Head) => void): void {
  const { x } = values;
  for (let at = 0; at < x.length;) {
    for (const { heads, gain: name } of parts) {
      for (let h = 0; h < heads; h++, at += W) {
        if (!name) continue;
        let squares = 0;
        for (let w = 0; w < W; w++) squares += x[at + w] ** 2 / W;
        visit({ at, gain: values[name], name, rstd: 1 / Math.sqrt(squares + eps) });
      }
    }
  }
}
