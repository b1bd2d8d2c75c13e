// DeBERTa's disentangled attention in f64, as the formula reads: softmax(scale (q k + q keys[c] + k queries[c])), c the column
// of the distance query - key, dropout on it, times v; He et al. 2021, equation 4.
import { type AttentionLayout, mask } from "./attention.ts";

export interface RelativeLayout extends Pick<AttentionLayout, "heads" | "scale" | "starts" | "dropout"> {
  /** Column of a distance query - key. */
  column(distance: number): number;
  columns: number;
}

/** qkv [T, 3 W]; keys and queries [columns, W], either of which may be absent. */
export interface RelativeOperands {
  qkv: Float64Array;
  keys?: Float64Array;
  queries?: Float64Array;
}

/** One pair: its column, probability and mask. */
interface Pair {
  key: number;
  c: number;
  p: number;
  kept: number;
}

function eachQuery(
  { qkv, keys, queries }: RelativeOperands,
  layout: RelativeLayout,
  visit: (at: { query: number; head: number; pairs: Pair[] }) => void,
): void {
  const { heads, starts, column } = layout, W = qkv.length / starts[starts.length - 1] / 3, D = W / heads;
  const scale = layout.scale ?? 1 / Math.sqrt(D);
  for (let segment = 0; segment + 1 < starts.length; segment++) {
    const start = starts[segment], end = starts[segment + 1];
    for (let query = start; query < end; query++) {
      for (let head = 0; head < heads; head++) {
        const scores: number[] = [], pairs: Pair[] = [];
        for (let key = start; key < end; key++) {
          const c = column(query - key);
          let score = 0;
          for (let w = head * D; w < (head + 1) * D; w++) {
            const q = qkv[query * 3 * W + w], k = qkv[key * 3 * W + W + w];
            score += q * k + (keys ? q * keys[c * W + w] : 0) + (queries ? k * queries[c * W + w] : 0);
          }
          scores.push(scale * score);
          pairs.push({ key, c, p: 0, kept: mask(layout, query, head, key - start) });
        }
        const top = Math.max(...scores), powers = scores.map((s) => Math.exp(s - top));
        const sum = powers.reduce((a, b) => a + b, 0);
        pairs.forEach((pair, j) => pair.p = powers[j] / sum);
        visit({ query, head, pairs });
      }
    }
  }
}

/** [T, W] */
export function relativeAttentionForward(x: RelativeOperands, layout: RelativeLayout): Float64Array {
  const { qkv } = x, W = qkv.length / layout.starts[layout.starts.length - 1] / 3, D = W / layout.heads;
  const y = new Float64Array(qkv.length / 3);
  eachQuery(x, layout, ({ query, head, pairs }) => {
    for (const { key, p, kept } of pairs) {
      for (let w = head * D; w < (head + 1) * D; w++) y[query * W + w] += kept * p * qkv[key * 3 * W + 2 * W + w];
    }
  });
  return y;
}

/** Gradients of qkv and of the tables that there are. */
export function relativeAttentionBackward(
  x: RelativeOperands,
  layout: RelativeLayout,
  dy: Float64Array,
): Record<string, Float64Array> {
  const { qkv, keys, queries } = x, W = qkv.length / layout.starts[layout.starts.length - 1] / 3, D = W / layout.heads;
  const scale = layout.scale ?? 1 / Math.sqrt(D);
  const dqkv = new Float64Array(qkv.length);
  const dKeys = new Float64Array(layout.columns * W), dQueries = new Float64Array(layout.columns * W);
  eachQuery(x, layout, ({ query, head, pairs }) => {
    const channels = Array.from({ length: D }, (_, d) => head * D + d);
    const dp = pairs.map(({ key, kept }) =>
      kept * channels.reduce((sum, w) => sum + dy[query * W + w] * qkv[key * 3 * W + 2 * W + w], 0)
    );
    const mean = pairs.reduce((sum, { p }, j) => sum + p * dp[j], 0);
    pairs.forEach(({ key, c, p, kept }, j) => {
      const ds = scale * p * (dp[j] - mean);
      for (const w of channels) {
        const q = query * 3 * W + w, k = key * 3 * W + W + w, at = c * W + w;
        dqkv[q] += ds * (qkv[k] + (keys ? keys[at] : 0));
        dqkv[k] += ds * (qkv[q] + (queries ? queries[at] : 0));
        dqkv[k + W] += kept * p * dy[query * W + w];
        dKeys[at] += ds * qkv[q];
        dQueries[at] += ds * qkv[k];
      }
    });
  });
  return { qkv: dqkv, ...(keys && { keys: dKeys }), ...(queries && { queries: dQueries }) };
}
