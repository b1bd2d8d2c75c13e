// AdamW with clipping in f64, as Loshchilov and Hutter 2019, algorithm 2, and torch.optim.AdamW read.

export interface AdamwState {
  parameters: Float64Array;
  firstMoments: Float64Array;
  secondMoments: Float64Array;
}

export interface AdamwSettings {
  /** 0 switches clipping off. */
  clip: number;
  weightDecay: number;
  decayedLength: number;
  beta1: number;
  beta2: number;
  eps: number;
}

/** Moves the state by one step, counted from 1; returns the norm of the gradient before clipping. */
export function adamwReference(
  { parameters, firstMoments, secondMoments }: AdamwState,
  gradient: Float64Array,
  at: { step: number; lr: number },
  { clip, weightDecay, decayedLength, beta1, beta2, eps }: AdamwSettings,
): number {
  const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
  const coefficient = clip > 0 ? Math.min(1, clip / (norm + 1e-6)) : 1;
  for (let i = 0; i < parameters.length; i++) {
    const g = gradient[i] * coefficient;
    firstMoments[i] = beta1 * firstMoments[i] + (1 - beta1) * g;
    secondMoments[i] = beta2 * secondMoments[i] + (1 - beta2) * g * g;
    const m = firstMoments[i] / (1 - beta1 ** at.step), v = secondMoments[i] / (1 - beta2 ** at.step);
    const decay = i < decayedLength ? weightDecay : 0;
    parameters[i] -= at.lr * (m / (Math.sqrt(v) + eps) + decay * parameters[i]);
  }
  return norm;
}
