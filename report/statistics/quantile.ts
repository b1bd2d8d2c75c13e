// Quantiles of numbers that stand in memory.

/** The `at` quantile (0 to 1) of ascending numbers, linear between neighbours as numpy's default; NaN of none. */
export function quantile(ascending: ArrayLike<number>, at: number): number {
  if (ascending.length === 0) return NaN;
  const place = at * (ascending.length - 1), below = Math.floor(place);
  const low = ascending[below], high = ascending[Math.min(below + 1, ascending.length - 1)];
  return low + (high - low) * (place - below);
}
