// Rotary positions in f64, pair by pair as complex numbers; Su et al. 2021, equation 34 in the half-split form.
import { type Values } from "../harness.ts";

/** Turns the first `heads` heads of D channels in each row by its position; `direction` -1 turns back. */
export function ropeForward(
  { x, positions }: Values,
  { columns, heads, frequencies }: { columns: number; heads: number; frequencies: ArrayLike<number> },
  direction: 1 | -1 = 1,
): Float64Array {
  const y = Float64Array.from(x), half = frequencies.length;
  positions.forEach((position, t) => {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < half; i++) {
        const at = t * columns + h * 2 * half + i, angle = direction * position * frequencies[i];
        y[at] = x[at] * Math.cos(angle) - x[at + half] * Math.sin(angle);
        y[at + half] = x[at + half] * Math.cos(angle) + x[at] * Math.sin(angle);
      }
    }
  });
  return y;
}
