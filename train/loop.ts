// The training loop: optimizer steps, validation with the best model kept, early stop, checkpoints, metrics. It drives an
// Engine and knows neither WebGPU nor the terminal; what happens is told to a Watcher.
import type { PackedBatch } from "../data/batch.ts";
import { type Checkpoint, type Progress, startOfRun, writeCheckpoint } from "./checkpoint.ts";
import { atHand, type Engine, readStored, type StepRecord } from "./engine.ts";
import type { MetricsRow, RunFolder } from "./run_folder.ts";
import { learningRate, type Schedule } from "./schedule.ts";
import { TimeSpent } from "./time_spent.ts";

/** The battles to train on, already planned: the same epoch always gives the same steps. */
export interface TrainingData {
  stepsPerEpoch: number;
  /** The optimizer steps of an epoch, counted from 0; each is packed into its micro-batches when called. */
  planEpoch(epoch: number): (() => PackedBatch[])[];
}

/** Scores of one validation. */
export interface ValidationResult {
  logLoss: number;
  accuracy: number;
  /** Under the true probabilities, where they are known. */
  expectedLogLoss?: number;
}

/** Runs the validation battles through `predict`. */
export type Validate = (predict: (batch: PackedBatch) => Promise<Float32Array>) => Promise<ValidationResult>;

export interface LoopSettings extends Omit<Schedule, "totalSteps"> {
  /** @default {epochs times the steps of an epoch, rounded up} */
  steps?: number;
  epochs: number;
  validateEvery?: number;
  patience?: number;
  checkpointEvery?: number;
  logEvery: number;
  /** What the engine stores activations in, for the advice where a number is not finite. @default {"f32"} */
  precision?: "f32" | "f16";
}

/** Steps read back together: their records, and how fast they went. */
export interface StepReport {
  records: StepRecord[];
  totalSteps: number;
  stepsPerEpoch: number;
  lr: number;
  tokensPerSecond: number;
  msLeft: number;
}

/** Who wants to know what happens. */
export interface Watcher {
  onSteps?(report: StepReport): void;
  onValidationStart?(step: number): void;
  onValidation?(result: ValidationResult & { step: number; best: boolean }): void;
  onCheckpoint?(step: number): void;
}

export interface LoopOptions {
  engine: Engine;
  data: TrainingData;
  validate?: Validate;
  settings: LoopSettings;
  /** Begun already. */
  folder: RunFolder;
  /** To go on from. */
  checkpoint?: Checkpoint;
  watcher?: Watcher;
  /** Aborted by Ctrl-C: the run ends with a checkpoint. */
  stop?: AbortSignal;
  /** Notes where the time goes; written to the folder with each checkpoint. @default {one of its own} */
  spent?: TimeSpent;
}

export interface LoopResult {
  outcome: "finished" | "out of patience" | "stopped";
  progress: Progress;
  totalSteps: number;
  /** Scores of the best validation, where it ran in this process. */
  best?: ValidationResult;
}

/** Unfinished optimizer steps while another is enqueued: with it, two. */
const inFlightSteps = 1;
const checkpointMs = 5 * 60 * 1000;

/** Trains until the steps or the patience are at an end, then puts the best parameters into the engine. */
export async function runLoop(options: LoopOptions): Promise<LoopResult> {
  return await new Loop(options).run();
}

export function totalSteps(settings: Pick<LoopSettings, "steps" | "epochs">, stepsPerEpoch: number): number {
  return settings.steps ?? Math.ceil(settings.epochs * stepsPerEpoch);
}

class Loop {
  readonly #options: LoopOptions;
  readonly #progress: Progress;
  readonly #totalSteps: number;
  readonly #spent: TimeSpent;
  #best?: Float32Array<ArrayBuffer>;
  #bestResult?: ValidationResult;
  #epoch = -1;
  #plan: (() => PackedBatch[])[] = [];
  #savedAt = performance.now();
  /** Time and count of the steps enqueued since the last reading. */
  #windowStart = performance.now();
  #lastSaved = "";

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#progress = options.checkpoint ? { ...options.checkpoint.progress } : startOfRun();
    this.#totalSteps = totalSteps(options.settings, options.data.stepsPerEpoch);
    this.#spent = options.spent ?? new TimeSpent();
  }

  async run(): Promise<LoopResult> {
    const { engine, checkpoint, settings, stop } = this.#options;
    const progress = this.#progress;
    if (checkpoint) {
      await engine.writeState(checkpoint.state);
      this.#best = checkpoint.best && await readStored(checkpoint.best);
      this.#lastSaved = JSON.stringify(progress);
    }
    this.#windowStart = performance.now();
    while (true) {
      if (this.#validationIsDue() && !stop?.aborted) await this.#spent.within("validate", () => this.#validate());
      const outOfPatience = settings.patience !== undefined && progress.worseValidations >= settings.patience;
      // A last validation that Ctrl-C cut short is left to the resumed run.
      const finished = outOfPatience || (progress.step >= this.#totalSteps && !this.#validationIsDue());
      if (finished || stop?.aborted || this.#checkpointIsDue()) {
        await this.#spent.within("checkpoint", () => this.#save());
      }
      if (stop?.aborted && !finished) return this.#result("stopped");
      if (finished) {
        await this.#restoreBest();
        return this.#result(progress.step >= this.#totalSteps ? "finished" : "out of patience");
      }
      await this.#step();
      if (progress.step % settings.logEvery === 0 || progress.step === 1) await this.#readSteps();
    }
  }

  /** Enqueues the next optimizer step. */
  async #step(): Promise<void> {
    const { engine, data } = this.#options;
    const at = this.#progress.step;
    const epoch = Math.floor(at / data.stepsPerEpoch);
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#plan = await this.#spent.within("pack", () => data.planEpoch(epoch));
    }
    const step = at + 1;
    const batches = await this.#spent.within("pack", () => this.#plan[at % data.stepsPerEpoch]());
    const stepWeight = batches.reduce((sum, { weights }) => sum + weights.reduce((a, b) => a + b, 0), 0);
    await this.#spent.within("wait", () => engine.waitUntilInFlight?.(inFlightSteps));
    const uploaded = engine.uploadMs ?? 0;
    await this.#spent.within("encode", () => {
      for (const batch of batches) engine.accumulate(batch, { step, stepWeight });
      engine.update({ step, lr: this.#rate(step) });
    });
    this.#spent.move((engine.uploadMs ?? 0) - uploaded, "encode", "upload");
    this.#progress.step = step;
  }

  /** Where the numbers of a step went wrong, in words. */
  async #whereNonFinite(step: number): Promise<string> {
    const { engine, data } = this.#options;
    const plan = data.planEpoch(Math.floor((step - 1) / data.stepsPerEpoch));
    for (const batch of plan[(step - 1) % data.stepsPerEpoch]()) {
      const layer = await engine.firstNonFinite?.(batch, { step });
      if (layer) return `the first output that is not finite is that of ${layer}`;
    }
    return "every layer's output is finite";
  }

  #rate(step: number): number {
    return learningRate({ ...this.#options.settings, totalSteps: this.#totalSteps }, step);
  }

  /** Reads the losses of the steps since the last reading, writes and tells them. */
  async #readSteps(): Promise<void> {
    const { engine, folder, watcher, data } = this.#options;
    const records = await this.#spent.within("wait", () => engine.readSteps());
    if (records.length === 0) return;
    const ms = (performance.now() - this.#windowStart) / records.length;
    this.#windowStart = performance.now();
    const sound = records.filter(({ finite, loss, gradNorm, skipped }) =>
      finite && Number.isFinite(loss) && (skipped || Number.isFinite(gradNorm))
    );
    const rows: MetricsRow[] = sound.map(({ step, loss, gradNorm, skipped, correct, battles, tokens }) => ({
      step,
      loss,
      lr: this.#rate(step),
      ...(skipped ? { skipped: 1 } : { gradNorm }),
      accuracy: correct / battles,
      tokens,
      ms: Number(ms.toFixed(2)),
    }));
    await folder.appendMetrics(rows);
    if (sound.length < records.length) {
      const bad = records.find((record) => !sound.includes(record))!;
      const kept = this.#lastSaved ? `: the checkpoint of step ${JSON.parse(this.#lastSaved).step} is kept` : "";
      throw new Error(
        `Cannot go on after step ${bad.step - 1}: the loss of step ${bad.step} is ${bad.loss}, its gradient norm ` +
          `${bad.gradNorm}, ${await this.#whereNonFinite(bad.step)}${kept}: ` +
          (this.#options.settings.precision === "f16" ? "leave --precision f16 out, or lower --lr" : "lower --lr"),
      );
    }
    const tokens = records.reduce((sum, record) => sum + record.tokens, 0);
    watcher?.onSteps?.({
      records,
      totalSteps: this.#totalSteps,
      stepsPerEpoch: data.stepsPerEpoch,
      lr: this.#rate(this.#progress.step),
      tokensPerSecond: tokens / (ms * records.length / 1000),
      msLeft: ms * (this.#totalSteps - this.#progress.step),
    });
  }

  #validationIsDue(): boolean {
    const { validate, settings, data } = this.#options;
    const { step, validatedStep } = this.#progress;
    if (!validate || step === 0 || validatedStep >= step) return false;
    return step === this.#totalSteps || step % (settings.validateEvery ?? data.stepsPerEpoch) === 0;
  }

  async #validate(): Promise<void> {
    const { engine, validate, folder, watcher, stop } = this.#options;
    const progress = this.#progress;
    await this.#readSteps();
    watcher?.onValidationStart?.(progress.step);
    let result: ValidationResult;
    try {
      result = await validate!((batch) => {
        stop?.throwIfAborted();
        return engine.predict(batch);
      });
    } catch (error) {
      // Ctrl-C: the checkpoint says that this validation is still to be done.
      if (stop?.aborted && error === stop.reason) return;
      throw error;
    }
    const best = progress.bestLogLoss === null || result.logLoss < progress.bestLogLoss;
    progress.validatedStep = progress.step;
    if (best) {
      this.#best = await readStored(engine.state.parameters);
      this.#bestResult = result;
      Object.assign(progress, { bestStep: progress.step, bestLogLoss: result.logLoss, worseValidations: 0 });
    } else progress.worseValidations++;
    await folder.appendMetrics([{
      step: progress.step,
      validLogLoss: result.logLoss,
      validAccuracy: result.accuracy,
      ...(result.expectedLogLoss !== undefined && { validExpectedLogLoss: result.expectedLogLoss }),
    }]);
    watcher?.onValidation?.({ ...result, step: progress.step, best });
    this.#windowStart = performance.now();
  }

  #checkpointIsDue(): boolean {
    const { checkpointEvery } = this.#options.settings;
    const { step, validatedStep } = this.#progress;
    if (step === 0) return false;
    if (checkpointEvery !== undefined) return step % checkpointEvery === 0;
    return validatedStep === step || performance.now() - this.#savedAt > checkpointMs;
  }

  async #save(): Promise<void> {
    const { engine, folder, watcher } = this.#options;
    const progress = JSON.stringify(this.#progress);
    if (progress === this.#lastSaved || this.#progress.step === 0) return;
    await this.#readSteps();
    await folder.syncMetrics();
    await writeCheckpoint(folder.path, {
      progress: this.#progress,
      state: engine.state,
      ...(this.#best && { best: atHand(this.#best) }),
    });
    this.#lastSaved = progress;
    this.#savedAt = performance.now();
    await folder.appendTimes(this.#spent.take());
    watcher?.onCheckpoint?.(this.#progress.step);
    this.#windowStart = performance.now();
  }

  /** The model of the run is that of its best validation. */
  async #restoreBest(): Promise<void> {
    const { engine } = this.#options;
    if (!this.#best || this.#progress.bestStep === this.#progress.step) return;
    await engine.writeState({ parameters: atHand(this.#best) });
  }

  #result(outcome: LoopResult["outcome"]): LoopResult {
    return { outcome, progress: this.#progress, totalSteps: this.#totalSteps, best: this.#bestResult };
  }
}
