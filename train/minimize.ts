// L-BFGS (Liu and Nocedal 1989) with a backtracking line search: finds where a smooth convex function is least.

/** Value of a function; writes its gradient. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

/** Steps whose curvature is remembered. */
const memory = 10;

export interface MinimizeOptions {
  /** Stop when no component of the gradient is above this. */
  tolerance: number;
  maxSteps: number;
}

/** The lowest place found from `start` on. The function is smooth and convex, or has one valley. */
export function minimize(
  objective: Objective,
  start: Float64Array,
  { tolerance, maxSteps }: MinimizeOptions,
): Float64Array {
  let x = start, gradient = new Float64Array(x.length);
  let value = objective(x, gradient);
  const history: { s: Float64Array; y: Float64Array; sy: number }[] = [];
  for (let step = 0; step < maxSteps && gradient.some((slope) => Math.abs(slope) > tolerance); step++) {
    const direction = descentDirection(gradient, history);
    const slope = dot(direction, gradient);
    // The first direction is the bare gradient, whose length says nothing about the distance.
    let length = history.length === 0 ? 1 / Math.sqrt(dot(gradient, gradient)) : 1;
    const nextGradient = new Float64Array(x.length);
    let next: Float64Array, nextValue: number;
    for (;;) {
      next = x.map((component, at) => component + length * direction[at]);
      nextValue = objective(next, nextGradient);
      if (nextValue <= value + 1e-4 * length * slope) break;
      length /= 2;
      if (length < 1e-12) return x;
    }
    const s = next.map((component, at) => component - x[at]), y = nextGradient.map((part, at) => part - gradient[at]);
    const sy = dot(s, y);
    if (sy > 0) history.push({ s, y, sy });
    if (history.length > memory) history.shift();
    [x, gradient, value] = [next, nextGradient, nextValue];
  }
  return x;
}

/** Minus the gradient times the remembered inverse curvature (Nocedal and Wright, algorithm 7.4). */
function descentDirection(gradient: Float64Array, history: { s: Float64Array; y: Float64Array; sy: number }[]) {
  const q = gradient.map((slope) => -slope), alphas: number[] = [];
  for (const { s, y, sy } of history.toReversed()) {
    const alpha = dot(s, q) / sy;
    alphas.unshift(alpha);
    addScaled(q, y, -alpha);
  }
  const last = history.at(-1);
  if (last) {
    const scale = last.sy / dot(last.y, last.y);
    for (let at = 0; at < q.length; at++) q[at] *= scale;
  }
  for (const [at, { s, y, sy }] of history.entries()) addScaled(q, s, alphas[at] - dot(y, q) / sy);
  return q;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at] * b[at];
  return sum;
}

function addScaled(target: Float64Array, added: Float64Array, scale: number): void {
  for (let at = 0; at < target.length; at++) target[at] += scale * added[at];
}
