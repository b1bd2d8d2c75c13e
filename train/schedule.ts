// The learning rate of each step: warm-up, then a fall, as transformers' get_linear_, get_cosine_ and
// get_constant_schedule_with_warmup.

export interface Schedule {
  schedule: "linear" | "cosine" | "constant";
  /** Peak. */
  lr: number;
  /** Share of all steps spent warming up, rounded up to whole steps as transformers' `warmup_ratio`. */
  warmup: number;
  totalSteps: number;
}

/** Learning rate of `step`, counted from 1: the first step of a warm-up of n steps has 0, step n + 1 the peak. */
export function learningRate({ schedule, lr, warmup, totalSteps }: Schedule, step: number): number {
  const done = step - 1;
  const warmupSteps = Math.ceil(totalSteps * warmup);
  if (done < warmupSteps) return lr * done / Math.max(1, warmupSteps);
  if (schedule === "constant") return lr;
  const share = (done - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  if (schedule === "linear") return lr * Math.max(0, 1 - share);
  return lr * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * share)));
}
