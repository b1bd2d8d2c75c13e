// What attention does to its scores, as WGSL for both schedules: which keys a query sees, and the soft cap.

/** The choices that change the code; numbers are uniforms. */
export interface ScoreForm {
  /** Whether a query sees keys from `size.before` rows before itself to `size.after` after it only. */
  bounded: boolean;
  /** Whether scores are capped: cap * tanh(s / cap), Gemma Team 2024, "Gemma 2", section 2. */
  capped: boolean;
}

/** More than any segment's rows, so that a side without a bound has one that nothing reaches. */
const UNBOUNDED = 2 ** 30;

/** Rows that a query sees before and after itself. */
export interface Span {
  before: number;
  after: number;
}

/** The last `window` rows up to the query's own where causal; else `window / 2` rows on each side of it. */
export function spanOf({ causal = false, window }: { causal?: boolean; window?: number }): Span {
  if (causal) return { before: window === undefined ? UNBOUNDED : window - 1, after: 0 };
  const side = window === undefined ? UNBOUNDED : Math.floor(window / 2);
  return { before: side, after: side };
}

export function isBounded({ before, after }: Span): boolean {
  return before < UNBOUNDED || after < UNBOUNDED;
}

// tanh by exp of a negative number, which cannot overflow.
const withCap = `
fn cap_score(s: f32) -> f32 {
  let e = exp(abs(s) * (-2.0 / size.softcap));
  return sign(s) * size.softcap * (1.0 - e) / (1.0 + e);
}
fn cap_slope(capped: f32) -> f32 {
  let t = capped / size.softcap;
  return 1.0 - t * t;
}
`;

const withoutCap = `
fn cap_score(s: f32) -> f32 { return s; }
fn cap_slope(capped: f32) -> f32 { return 1.0; }
`;

/**
 * WGSL of BOUNDED, `cap_score(s)`, `cap_slope(capped)`, its derivative by the capped score, and the ends of what rows see:
 * `first_key(row, start)` and `past_key(row, end)` of a query, `first_query(row, start)` and `past_query(row, end)` of a key.
 */
export function scoreSource({ bounded, capped }: ScoreForm): string {
  return `
const BOUNDED = ${bounded};
${capped ? withCap : withoutCap}
fn first_key(row: u32, start: u32) -> u32 { return start + max(row - start, size.before) - size.before; }
fn past_key(row: u32, end: u32) -> u32 { return min(end, row + size.after + 1u); }
fn first_query(row: u32, start: u32) -> u32 { return start + max(row - start, size.after) - size.after; }
fn past_query(row: u32, end: u32) -> u32 { return min(end, row + size.before + 1u); }
`;
}
