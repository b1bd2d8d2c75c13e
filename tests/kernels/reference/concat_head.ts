// The concat head in f64: a dense layer on both sides laid end to end.
import { type Values } from "../harness.ts";

/** z[b, c] = weight[c] . [u; v] + bias[c]; u, v are rows `sides` of pooled [S, W] */
export function concatHeadForward({ pooled, sides, weight, bias }: Values): Float64Array {
  const C = bias.length, W = weight.length / C / 2, z = new Float64Array(sides.length / 2 * C);
  forEachProduct(sides, W, C, (b, c, at, k) => z[b * C + c] += weight[c * 2 * W + k] * pooled[at]);
  return z.map((value, i) => value + bias[i % C]);
}

export function concatHeadBackward({ pooled, sides, weight, bias }: Values, dz: Float64Array): Values {
  const C = bias.length, W = weight.length / C / 2;
  const dpooled = new Float64Array(pooled.length), dweight = new Float64Array(weight.length);
  forEachProduct(sides, W, C, (b, c, at, k) => {
    dpooled[at] += dz[b * C + c] * weight[c * 2 * W + k];
    dweight[c * 2 * W + k] += dz[b * C + c] * pooled[at];
  });
  const dbias = bias.map((_, c) => dz.reduce((sum, d, i) => i % C === c ? sum + d : sum, 0));
  return { pooled: dpooled, weight: dweight, bias: dbias };
}

type Visit = (b: number, c: number, at: number, k: number) => void;

function forEachProduct(sides: Float64Array, W: number, C: number, visit: Visit): void {
  sides.forEach((segment, side) => {
    for (let w = 0; w < W; w++) {
      for (let c = 0; c < C; c++) visit(side >> 1, c, segment * W + w, (side & 1) * W + w);
    }
  });
}
