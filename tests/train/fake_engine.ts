// A small Engine on the CPU: softmax regression on token counts, with dropout keyed by the step and AdamW, all in f64 but
// stored as f32. Enough for the loop to be tested to the last bit.
import type { PackedBatch } from "../../data/batch.ts";
import { type Engine, type EngineState, type NamedTensor, readStored, type StepRecord } from "../../train/engine.ts";

const features = 7, outcomes = 3, size = features * outcomes;

export interface FakeEngineOptions {
  /** Called before each update, e.g. to be killed there. */
  beforeUpdate?: (step: number) => void;
  /** The loss of this step is not a number. */
  breakAtStep?: number;
}

export class FakeEngine implements Engine {
  readonly capacity = { tokens: 64, segments: 64, battles: 32 };
  readonly #state = { parameters: fill(), firstMoments: new Float32Array(size), secondMoments: fill(0) };
  readonly #gradient = new Float64Array(size);
  #pending: StepRecord[] = [];
  #current = { loss: 0, correct: 0, battles: 0, tokens: 0 };
  /** Most optimizer steps that were unfinished at once. */
  mostInFlight = 0;
  #inFlight = 0;
  reads = 0;

  constructor(private readonly options: FakeEngineOptions = {}) {}

  accumulate(batch: PackedBatch, { step, stepWeight }: { step: number; stepWeight: number }): void {
    this.#eachBattle(batch, step, (x, b, p) => {
      const target = batch.targets.subarray(b * 3, b * 3 + 3);
      const share = batch.weights[b] / stepWeight;
      for (let c = 0; c < outcomes; c++) {
        this.#current.loss -= share * target[c] * Math.log(p[c]);
        for (let f = 0; f < features; f++) this.#gradient[c * features + f] += share * (p[c] - target[c]) * x[f];
      }
      if (p.indexOf(Math.max(...p)) === target.indexOf(Math.max(...target))) this.#current.correct++;
      this.#current.battles++;
    });
    this.#current.tokens += batch.tokens;
  }

  update({ step, lr }: { step: number; lr: number }): void {
    this.options.beforeUpdate?.(step);
    this.mostInFlight = Math.max(this.mostInFlight, ++this.#inFlight);
    const { parameters, firstMoments: m, secondMoments: v } = this.#state;
    const gradNorm = Math.hypot(...this.#gradient);
    const broken = this.options.breakAtStep !== undefined && step >= this.options.breakAtStep;
    for (let i = 0; i < size && !broken; i++) {
      m[i] = 0.9 * m[i] + 0.1 * this.#gradient[i];
      v[i] = 0.999 * v[i] + 0.001 * this.#gradient[i] ** 2;
      const step1 = m[i] / (1 - 0.9 ** step), step2 = Math.sqrt(v[i] / (1 - 0.999 ** step));
      parameters[i] -= lr * (step1 / (step2 + 1e-8) + 0.01 * parameters[i]);
    }
    this.#pending.push({ step, gradNorm, ...this.#current, loss: broken ? NaN : this.#current.loss, finite: !broken });
    this.#current = { loss: 0, correct: 0, battles: 0, tokens: 0 };
    this.#gradient.fill(0);
  }

  waitUntilInFlight(steps: number): Promise<void> {
    this.#inFlight = Math.min(this.#inFlight, steps);
    return Promise.resolve();
  }

  readSteps(): Promise<StepRecord[]> {
    this.reads++;
    this.#inFlight = 0;
    const records = this.#pending;
    this.#pending = [];
    return Promise.resolve(records);
  }

  predict(batch: PackedBatch): Promise<Float32Array> {
    const out = new Float32Array(batch.battles * outcomes);
    this.#eachBattle(batch, 0, (_x, b, p) => out.set(p, b * outcomes));
    return Promise.resolve(out);
  }

  readParameters(): Promise<NamedTensor[]> {
    return Promise.resolve([{ name: "w", shape: [outcomes, features], data: this.#state.parameters.slice() }]);
  }

  get state(): EngineState {
    const stored = (data: Float32Array<ArrayBuffer>) => ({
      length: size,
      async *pieces() {
        yield data.slice(0, 8);
        yield data.slice(8);
      },
    });
    const { parameters, firstMoments, secondMoments } = this.#state;
    return {
      parameters: stored(parameters),
      firstMoments: stored(firstMoments),
      secondMoments: stored(secondMoments),
    };
  }

  async writeState(state: Partial<EngineState>): Promise<void> {
    for (const part of ["parameters", "firstMoments", "secondMoments"] as const) {
      const stored = state[part];
      if (stored) this.#state[part].set(await readStored(stored));
    }
  }

  dispose(): void {}

  /** Counts of token ids, with a channel dropped by step and battle; step 0 drops none. */
  #eachBattle(batch: PackedBatch, step: number, visit: (x: Float64Array, b: number, p: number[]) => void): void {
    for (let b = 0; b < batch.battles; b++) {
      const x = new Float64Array(features).fill(0.1);
      const segment = batch.sides[b * 2];
      for (let t = batch.starts[segment]; t < batch.starts[segment + 1]; t++) x[batch.inputIds[t] % features] += 1;
      if (step > 0) x[(step * 31 + batch.battleIndex[b]) % features] = 0;
      const z = [0, 1, 2].map((c) => x.reduce((sum, v, f) => sum + v * this.#state.parameters[c * features + f], 0));
      const e = z.map((value) => Math.exp(value - Math.max(...z)));
      const total = e.reduce((a, v) => a + v, 0);
      visit(x, b, e.map((v) => v / total));
    }
  }
}

function fill(scale = 0.1): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: size }, (_, i) => scale * Math.sin(i + 1));
}
