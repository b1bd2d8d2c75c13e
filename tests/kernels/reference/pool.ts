// Pooling of segments in f64, as the formula reads.
import { type Values } from "../harness.ts";

export type Mode = "mean" | "first" | "last";

/** y[s] = mean, first or last of x[t], t = starts[s] .. starts[s + 1] - 1 */
export function poolForward({ x }: Values, starts: number[], W: number, mode: Mode): Float64Array {
  const S = starts.length - 1, y = new Float64Array(S * W);
  forEachShare(starts, mode, (s, t, share) => {
    for (let w = 0; w < W; w++) y[s * W + w] += share * x[t * W + w];
  });
  return y;
}

/** dx[t] = dy[s] times the share of t in its segment */
export function poolBackward({ x }: Values, starts: number[], W: number, mode: Mode, dy: Float64Array): Values {
  const dx = new Float64Array(x.length);
  forEachShare(starts, mode, (s, t, share) => {
    for (let w = 0; w < W; w++) dx[t * W + w] = share * dy[s * W + w];
  });
  return { x: dx };
}

function forEachShare(starts: number[], mode: Mode, visit: (s: number, t: number, share: number) => void): void {
  for (let s = 0; s + 1 < starts.length; s++) {
    const first = starts[s], end = starts[s + 1];
    const share = mode === "mean" ? 1 / (end - first) : 1;
    for (let t = first; t < end; t++) {
      if (mode === "mean" || t === (mode === "first" ? first : end - 1)) visit(s, t, share);
    }
  }
}
