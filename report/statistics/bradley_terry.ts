// Strengths of chatbots from their battles: the Bradley-Terry model with Davidson's ties, by penalised maximum likelihood.
//
//   P(i beats j) = e^s / Z,  P(j beats i) = e^-s / Z,  P(tie) = nu / Z,   s = (theta_i - theta_j) / 2,  Z = e^s + e^-s + nu
//
// Davidson 1970. Without ties nu = 0 and the model is Bradley and Terry's, 1952. The penalty ridge/2 * (sum theta^2 +
// (log nu)^2) keeps a chatbot that never lost at a finite strength and centres the strengths; Newton's method finds the top.

/** All battles of two chatbots, i < j. */
export interface PairCounts {
  i: number;
  j: number;
  /** Battles that i won. */
  winsI: number;
  winsJ: number;
  ties: number;
}

export interface Strengths {
  /** Log-odds of winning against an average chatbot; they add up to 0. */
  theta: Float64Array;
  /** At equal strengths a tie is nu times as likely as either win. */
  nu: number;
}

/** A normal prior of deviation 3.2 (550 points on the usual scale): moves a chatbot of 50 battles by less than 1 %. */
const ridge = 0.1;

const mostSteps = 100;

/** Fits `chatbots` strengths. @param start where to begin, e.g. the strengths of all battles when resampling */
export function fitStrengths(chatbots: number, pairs: readonly PairCounts[], start?: Strengths): Strengths {
  const hasTies = pairs.some(({ ties }) => ties > 0);
  const size = chatbots + (hasTies ? 1 : 0);
  let at = new Float64Array(size);
  if (start) at.set(start.theta);
  if (hasTies && start) at[chatbots] = Math.log(Math.max(start.nu, 1e-3));
  let value = objective(at, chatbots, pairs);
  for (let step = 0; step < mostSteps; step++) {
    const { gradient, hessian } = derivatives(at, chatbots, pairs);
    const move = solve(hessian, gradient);
    // The objective is concave, but a full step may overshoot from afar.
    for (let scale = 1;; scale /= 2) {
      const next = at.map((x, i) => x + scale * move[i]);
      const nextValue = objective(next, chatbots, pairs);
      if (nextValue >= value || scale < 1e-6) {
        [at, value] = [next, nextValue];
        break;
      }
    }
    if (move.every((x) => Math.abs(x) < 1e-9)) break;
  }
  return { theta: at.slice(0, chatbots), nu: hasTies ? Math.exp(at[chatbots]) : 0 };
}

function objective(at: Float64Array, chatbots: number, pairs: readonly PairCounts[]): number {
  const eta = at.length > chatbots ? at[chatbots] : -Infinity;
  let value = 0;
  for (const { i, j, winsI, winsJ, ties } of pairs) {
    const s = (at[i] - at[j]) / 2, far = Math.max(Math.abs(s), eta);
    const logZ = far + Math.log(Math.exp(s - far) + Math.exp(-s - far) + Math.exp(eta - far));
    value += (winsI - winsJ) * s + (ties > 0 ? ties * eta : 0) - (winsI + winsJ + ties) * logZ;
  }
  for (const x of at) value -= ridge / 2 * x * x;
  return value;
}

/** Of the objective; the Hessian with its sign changed, so that it is positive definite, row by row. */
function derivatives(at: Float64Array, chatbots: number, pairs: readonly PairCounts[]) {
  const size = at.length, hasTies = size > chatbots;
  const eta = hasTies ? at[chatbots] : -Infinity;
  const gradient = at.map((x) => -ridge * x), hessian = new Float64Array(size * size);
  for (let k = 0; k < size; k++) hessian[k * size + k] = ridge;
  for (const { i, j, winsI, winsJ, ties } of pairs) {
    const n = winsI + winsJ + ties, s = (at[i] - at[j]) / 2, far = Math.max(Math.abs(s), eta);
    const a = Math.exp(s - far), b = Math.exp(-s - far), t = Math.exp(eta - far), z = a + b + t;
    const lead = (a - b) / z, tie = t / z;
    const slope = (winsI - winsJ - n * lead) / 2, bend = n * (1 - tie - lead * lead) / 4;
    gradient[i] += slope;
    gradient[j] -= slope;
    hessian[i * size + i] += bend;
    hessian[j * size + j] += bend;
    hessian[i * size + j] -= bend;
    hessian[j * size + i] -= bend;
    if (!hasTies) continue;
    const cross = -n * lead * tie / 2, e = chatbots;
    gradient[e] += ties - n * tie;
    hessian[e * size + e] += n * tie * (1 - tie);
    hessian[i * size + e] += cross;
    hessian[e * size + i] += cross;
    hessian[j * size + e] -= cross;
    hessian[e * size + j] -= cross;
  }
  return { gradient, hessian };
}

/** Solves A x = b by Cholesky's decomposition; A [n, n] positive definite, overwritten. */
function solve(A: Float64Array, b: Float64Array): Float64Array {
  const n = b.length, x = b.slice();
  for (let row = 0; row < n; row++) {
    for (let col = 0; col <= row; col++) {
      let sum = A[row * n + col];
      for (let k = 0; k < col; k++) sum -= A[row * n + k] * A[col * n + k];
      A[row * n + col] = row === col ? Math.sqrt(sum) : sum / A[col * n + col];
    }
  }
  for (let row = 0; row < n; row++) {
    for (let k = 0; k < row; k++) x[row] -= A[row * n + k] * x[k];
    x[row] /= A[row * n + row];
  }
  for (let row = n - 1; row >= 0; row--) {
    for (let k = row + 1; k < n; k++) x[row] -= A[k * n + row] * x[k];
    x[row] /= A[row * n + row];
  }
  return x;
}
