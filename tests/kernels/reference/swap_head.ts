// The swap head in f64, as its formulas read.
import { type Values } from "../harness.ts";

/** z_A = a.u + b.v + c; z_B = a.v + b.u + c; z_tie = t.(u + v) + d.|u - v| + e; u, v are rows `sides` of pooled [S, W] */
export function swapHeadForward({ pooled, sides, a, b, t, d, bias }: Values): Float64Array {
  const W = a.length, B = sides.length / 2, z = new Float64Array(B * 3);
  for (let i = 0; i < B; i++) {
    const u = sides[2 * i] * W, v = sides[2 * i + 1] * W;
    z.set([bias[0], bias[0], bias[1]], i * 3);
    for (let w = 0; w < W; w++) {
      z[i * 3] += a[w] * pooled[u + w] + b[w] * pooled[v + w];
      z[i * 3 + 1] += a[w] * pooled[v + w] + b[w] * pooled[u + w];
      z[i * 3 + 2] += t[w] * (pooled[u + w] + pooled[v + w]) + d[w] * Math.abs(pooled[u + w] - pooled[v + w]);
    }
  }
  return z;
}

export function swapHeadBackward({ pooled, sides, a, b, t, d }: Values, dz: Float64Array): Values {
  const W = a.length;
  const zeros = () => new Float64Array(W);
  const da = zeros(), db = zeros(), dt = zeros(), dd = zeros();
  const dpooled = new Float64Array(pooled.length), dbias = new Float64Array(2);
  for (let i = 0; i < sides.length / 2; i++) {
    const u = sides[2 * i] * W, v = sides[2 * i + 1] * W;
    const [gA, gB, gTie] = dz.subarray(i * 3);
    dbias[0] += gA + gB;
    dbias[1] += gTie;
    for (let w = 0; w < W; w++) {
      const difference = pooled[u + w] - pooled[v + w];
      dpooled[u + w] += gA * a[w] + gB * b[w] + gTie * (t[w] + d[w] * Math.sign(difference));
      dpooled[v + w] += gA * b[w] + gB * a[w] + gTie * (t[w] - d[w] * Math.sign(difference));
      da[w] += gA * pooled[u + w] + gB * pooled[v + w];
      db[w] += gA * pooled[v + w] + gB * pooled[u + w];
      dt[w] += gTie * (pooled[u + w] + pooled[v + w]);
      dd[w] += gTie * Math.abs(difference);
    }
  }
  return { pooled: dpooled, a: da, b: db, t: dt, d: dd, bias: dbias };
}
