// Where the time of a run goes, by the clock: every moment belongs to one phase, so that they add up to the whole.

/** Phases of a run, in the order of its report. */
export const phases = {
  prepare: "preparing data, model, programs",
  pack: "packing batches",
  upload: "uploading batches",
  encode: "encoding and submitting commands",
  wait: "waiting for the adapter to compute",
  validate: "validation",
  checkpoint: "checkpoints",
  export: "writing the model",
  profile: "timing kernels",
  other: "the rest",
} as const;

export type Phase = keyof typeof phases;

export class TimeSpent {
  #phase: Phase = "other";
  #since: number;
  #ms = new Map<Phase, number>();

  /** @param now the clock, in milliseconds; for tests */
  constructor(readonly now: () => number = () => performance.now()) {
    this.#since = now();
  }

  /** Runs `work` in a phase; a phase within it is not counted twice. */
  async within<T>(phase: Phase, work: () => T | Promise<T>): Promise<T> {
    const before = this.#enter(phase);
    try {
      return await work();
    } finally {
      this.#enter(before);
    }
  }

  /** Counts time that passed before this clock began. */
  add(ms: number, phase: Phase): void {
    this.#ms.set(phase, (this.#ms.get(phase) ?? 0) + ms);
  }

  /** Moves time that another clock measured from the phase it was counted in. */
  move(ms: number, from: Phase, to: Phase): void {
    this.add(-ms, from);
    this.add(ms, to);
  }

  /** Milliseconds of each phase since the last call. */
  take(): Partial<Record<Phase, number>> {
    this.#enter(this.#phase);
    const taken = Object.fromEntries([...this.#ms].map(([phase, ms]) => [phase, Math.round(ms)]));
    this.#ms = new Map();
    return taken;
  }

  /** @returns the phase before */
  #enter(phase: Phase): Phase {
    const before = this.#phase, now = this.now();
    this.add(now - this.#since, before);
    this.#since = now;
    this.#phase = phase;
    return before;
  }
}
