// Segment self-attention in f64, as the formula reads: softmax(cap(scale q k^T)) over the keys a query sees, dropout on it,
// times v; Vaswani et al. 2017, with shared key heads (Ainslie et al. 2023), windows and Gemma 2's cap.
import { dropoutFields, hash32 } from "../../../kernels/dropout.ts";

/** Everything but the numbers. */
export interface AttentionLayout {
  heads: number;
  /** @default {heads} */
  kvHeads?: number;
  causal?: boolean;
  window?: number;
  softcap?: number;
  scale?: number;
  /** [S + 1] */
  starts: ArrayLike<number>;
  dropout?: { rate: number; tokenKeys: Uint32Array; site: number };
}

/** Probability of keeping a weight is 1 - rate; what is kept grows by 1 / (1 - rate). */
export function mask(
  { dropout }: Pick<AttentionLayout, "dropout">,
  query: number,
  head: number,
  position: number,
): number {
  if (!dropout) return 1;
  const { dropThreshold, dropScale } = dropoutFields({ ...dropout, tokenKeys: undefined as never });
  const base = hash32(dropout.tokenKeys[query] + Math.imul(dropout.site, 0x9e3779b9));
  return hash32(base + Math.imul(head * 65536 + position, 0x9e3779b9)) >= dropThreshold ? dropScale : 0;
}

/** Whether a causal query sees so many rows back, or another so far to either side. */
function sees({ causal, window = Infinity }: AttentionLayout, query: number, key: number): boolean {
  return causal ? key <= query && query - key < window : Math.abs(query - key) <= window / 2;
}

/** Columns of a row: of q, of k and of v, and all of them; heads of D columns. */
function widths(qkv: Float64Array, { heads, kvHeads = heads, starts }: AttentionLayout) {
  const columns = qkv.length / starts[starts.length - 1], D = columns / (heads + 2 * kvHeads);
  return { D, Q: heads * D, KV: kvHeads * D, columns, sharing: heads / kvHeads };
}

/** One key that a query sees: its probability, its mask and the derivative of the capped score by the product of q and k. */
interface Seen {
  key: number;
  p: number;
  mask: number;
  slope: number;
}

/** Calls `visit` for each query of each head with what it sees. */
function eachQuery(
  qkv: Float64Array,
  layout: AttentionLayout,
  visit: (at: { query: number; head: number; kvHead: number; seen: Seen[] }) => void,
): void {
  const { heads, starts, softcap: cap } = layout, { D, Q, columns, sharing } = widths(qkv, layout);
  const scale = layout.scale ?? 1 / Math.sqrt(D);
  for (let segment = 0; segment + 1 < starts.length; segment++) {
    const start = starts[segment], end = starts[segment + 1];
    for (let query = start; query < end; query++) {
      for (let head = 0; head < heads; head++) {
        const kvHead = Math.floor(head / sharing), scores: number[] = [], seen: Seen[] = [];
        for (let key = start; key < end; key++) {
          if (!sees(layout, query, key)) continue;
          let product = 0;
          for (let d = 0; d < D; d++) {
            product += qkv[query * columns + head * D + d] * qkv[key * columns + Q + kvHead * D + d];
          }
          const t = cap ? Math.tanh(scale * product / cap) : 0;
          scores.push(cap ? cap * t : scale * product);
          seen.push({ key, p: 0, mask: mask(layout, query, head, key - start), slope: scale * (1 - t * t) });
        }
        const top = Math.max(...scores);
        const powers = scores.map((s) => Math.exp(s - top));
        const sum = powers.reduce((a, b) => a + b, 0);
        seen.forEach((at, j) => at.p = powers[j] / sum);
        visit({ query, head, kvHead, seen });
      }
    }
  }
}

/** y = (mask * p) v, [T, heads D] */
export function attentionForward(qkv: Float64Array, layout: AttentionLayout): Float64Array {
  const { D, Q, KV, columns } = widths(qkv, layout), y = new Float64Array(qkv.length / columns * Q);
  eachQuery(qkv, layout, ({ query, head, kvHead, seen }) => {
    for (const { key, p, mask } of seen) {
      for (let d = 0; d < D; d++) {
        y[query * Q + head * D + d] += mask * p * qkv[key * columns + Q + KV + kvHead * D + d];
      }
    }
  });
  return y;
}

/** dv = (mask p)^T dy; dp = mask (dy v^T); ds = p (dp - sum p dp); dq = slope ds k; dk = slope ds^T q */
export function attentionBackward(qkv: Float64Array, layout: AttentionLayout, dy: Float64Array): Float64Array {
  const { D, Q, KV, columns } = widths(qkv, layout), dqkv = new Float64Array(qkv.length);
  eachQuery(qkv, layout, ({ query, head, kvHead, seen }) => {
    const q = query * columns + head * D, own = query * Q + head * D;
    const dp = seen.map(({ key, mask }) => {
      let sum = 0;
      for (let d = 0; d < D; d++) sum += dy[own + d] * qkv[key * columns + Q + KV + kvHead * D + d];
      return mask * sum;
    });
    const mean = seen.reduce((sum, { p }, j) => sum + p * dp[j], 0);
    seen.forEach(({ key, p, mask, slope }, j) => {
      const ds = slope * p * (dp[j] - mean), k = key * columns + Q + kvHead * D, v = k + KV;
      for (let d = 0; d < D; d++) {
        dqkv[q + d] += ds * qkv[k + d];
        dqkv[k + d] += ds * qkv[q + d];
        dqkv[v + d] += mask * p * dy[own + d];
      }
    });
  });
  return dqkv;
}
