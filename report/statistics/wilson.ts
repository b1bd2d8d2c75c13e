// Wilson's score interval: what a share seen in n trials says about the true one.

export interface Interval {
  low: number;
  high: number;
}

/** Two-sided 95 % quantile of the normal distribution. */
const z95 = 1.959963984540054;

/** The 95 % interval of a share, Wilson 1927 without continuity correction; 0 to 1 where nothing was seen. */
export function wilsonInterval(successes: number, trials: number, z = z95): Interval {
  if (trials === 0) return { low: 0, high: 1 };
  const share = successes / trials, spread = z * z / trials;
  const middle = (share + spread / 2) / (1 + spread);
  const half = z * Math.sqrt(share * (1 - share) / trials + spread / (4 * trials)) / (1 + spread);
  // Exact at the ends, where the difference would leave rounding errors.
  return {
    low: successes === 0 ? 0 : Math.max(0, middle - half),
    high: successes === trials ? 1 : Math.min(1, middle + half),
  };
}
