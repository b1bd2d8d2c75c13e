// Segment self-attention in f64, as the formula reads: softmax(q k^T / sqrt(D)), dropout on it, times v; Vaswani et al. 2017.
import { dropoutFields, hash32 } from "../../../kernels/dropout.ts";

/** Everything but the numbers. */
export interface AttentionLayout {
  heads: number;
  /** [S + 1] */
  starts: ArrayLike<number>;
  dropout?: { rate: number; tokenKeys: Uint32Array; site: number };
}

/** Probability of keeping a weight is 1 - rate; what is kept grows by 1 / (1 - rate). */
function mask({ dropout }: AttentionLayout, query: number, head: number, position: number): number {
  if (!dropout) return 1;
  const { dropThreshold, dropScale } = dropoutFields({ ...dropout, tokenKeys: undefined as never });
  const base = hash32(dropout.tokenKeys[query] + Math.imul(dropout.site, 0x9e3779b9));
  return hash32(base + Math.imul(head * 65536 + position, 0x9e3779b9)) >= dropThreshold ? dropScale : 0;
}

/** Calls `visit` for each query of each head with its segment's probabilities p and masks. */
function eachQuery(
  qkv: Float64Array,
  layout: AttentionLayout,
  visit: (at: { query: number; head: number; start: number; p: number[]; masks: number[] }) => void,
): void {
  const { heads, starts } = layout, W = widthOf(qkv, layout), D = W / heads;
  for (let segment = 0; segment + 1 < starts.length; segment++) {
    const start = starts[segment], end = starts[segment + 1];
    for (let query = start; query < end; query++) {
      for (let head = 0; head < heads; head++) {
        const scores: number[] = [], masks: number[] = [];
        for (let key = start; key < end; key++) {
          let s = 0;
          for (let d = head * D; d < (head + 1) * D; d++) s += qkv[query * 3 * W + d] * qkv[key * 3 * W + W + d];
          scores.push(s / Math.sqrt(D));
          masks.push(mask(layout, query, head, key - start));
        }
        const top = Math.max(...scores);
        const powers = scores.map((s) => Math.exp(s - top));
        const sum = powers.reduce((a, b) => a + b, 0);
        visit({ query, head, start, p: powers.map((power) => power / sum), masks });
      }
    }
  }
}

function widthOf(qkv: Float64Array, { starts }: AttentionLayout): number {
  return qkv.length / starts[starts.length - 1] / 3;
}

/** y = (mask * p) v, [T, W] */
export function attentionForward(qkv: Float64Array, layout: AttentionLayout): Float64Array {
  const W = widthOf(qkv, layout), D = W / layout.heads, y = new Float64Array(qkv.length / 3);
  eachQuery(qkv, layout, ({ query, head, start, p, masks }) => {
    p.forEach((_, j) => {
      for (let d = head * D; d < (head + 1) * D; d++) {
        y[query * W + d] += masks[j] * p[j] * qkv[(start + j) * 3 * W + 2 * W + d];
      }
    });
  });
  return y;
}

/** dv = (mask p)^T dy; dp = mask (dy v^T); ds = p (dp - sum p dp); dq = ds k / sqrt(D); dk = ds^T q / sqrt(D) */
export function attentionBackward(qkv: Float64Array, layout: AttentionLayout, dy: Float64Array): Float64Array {
  const W = widthOf(qkv, layout), D = W / layout.heads, dqkv = new Float64Array(qkv.length);
  eachQuery(qkv, layout, ({ query, head, start, p, masks }) => {
    const dp = p.map((_, j) => {
      let sum = 0;
      for (let d = head * D; d < (head + 1) * D; d++) sum += dy[query * W + d] * qkv[(start + j) * 3 * W + 2 * W + d];
      return masks[j] * sum;
    });
    const mean = p.reduce((sum, probability, j) => sum + probability * dp[j], 0);
    p.forEach((_, j) => {
      const ds = p[j] * (dp[j] - mean) / Math.sqrt(D), key = (start + j) * 3 * W;
      for (let d = head * D; d < (head + 1) * D; d++) {
        dqkv[query * 3 * W + d] += ds * qkv[key + W + d];
        dqkv[key + W + d] += ds * qkv[query * 3 * W + d];
        dqkv[key + 2 * W + d] += masks[j] * p[j] * dy[query * W + d];
      }
    });
  });
  return dqkv;
}
