// The Engine on the GPU: one recorded Program for a training micro-step, one for prediction, one for AdamW.
import { type PackedBatch } from "../data/batch.ts";
import { GpuError, ShapeError, UsageError } from "../errors.ts";
import { PipelineCache } from "../gpu/pipelines.ts";
import { type Program } from "../gpu/program.ts";
import { ownedTensor, Recorder } from "../gpu/recorder.ts";
import { SharedMemory } from "../gpu/shared_memory.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { readTensor, readTensors, upload } from "../gpu/transfer.ts";
import { type RowGroups } from "../kernels/embedding.ts";
import { Probe } from "../kernels/probe.ts";
import { initialLossScale } from "../kernels/loss_scale.ts";
import { stepFields } from "../kernels/step.ts";
import { Tape } from "../kernels/tape.ts";
import { type AdapterConfig } from "../model/adapter_config.ts";
import { type Capacity, type ReadInputs, uploadBatch } from "../model/inputs.ts";
import { adaptersOf, judge, judgeParameters, type Method } from "../model/judge.ts";
import { type LoadedJudge, loadJudge } from "../model/load_judge.ts";
import { Parameters, type ParameterSpec } from "../model/parameters.ts";
import { type ModelConfig } from "../model/config.ts";
import { type MemoryUse, memoryUse, ownedTensors, RING, totalBytes } from "./memory.ts";
import {
  type ProgramOptions,
  type ProgramTensors,
  recordOptimizer,
  recordPooling,
  recordPrediction,
  recordTraining,
} from "./programs.ts";
import { type Engine, type EngineState, type NamedTensor, type StepRecord } from "./engine.ts";
import { GpuState } from "./gpu_state.ts";

export interface GpuEngineOptions extends ProgramOptions {
  /** Hugging Face folder the weights come from. */
  folder: string;
  /** Where the judge's adapters come from, if they are not new; added to the weights where `lora` is absent. */
  adapter?: AdapterConfig;
  config: ModelConfig;
  method: Method;
  capacity: Capacity;
  seed: number;
  /** For tests: memory nobody wrote is NaN. @default {false} */
  poison?: boolean;
}

/** Room for the marks of a probe: two a layer, and a few. */
const MARKS = 1024;

const noStep = Object.fromEntries(stepFields.map(({ name }) => [name, 0]));

/** Opens a judge for training and prediction. Whoever opens it calls `dispose()`; the Gpu stays open. */
export async function openGpuEngine(options: GpuEngineOptions): Promise<GpuEngine> {
  const parameters = new Parameters(options.gpu, judgeParameters(options, options.method));
  try {
    const loaded = await loadJudge(options.folder, options, parameters, options.seed);
    return new GpuEngine(options, parameters, loaded);
  } catch (error) {
    parameters.dispose();
    throw error;
  }
}

export class GpuEngine implements Engine {
  readonly capacity: Capacity;
  readonly parameters: Parameters;
  /** Names of the parameters that did not come from the checkpoint. */
  readonly initialised: readonly string[];
  readonly #options: GpuEngineOptions;
  readonly #unused: readonly NamedTensor[];
  readonly #pipelines: PipelineCache;
  readonly #tensors: ProgramTensors;
  readonly #state: GpuState;
  /** Of all programs: none runs while another does. */
  readonly #shared = new SharedMemory();
  #training: { program: Program; inputs: ReadInputs } | undefined;
  #optimizer: Program | undefined;
  #pooling: { program: Program; pooled: Tensor } | undefined;
  #prediction: { program: Program; logits: Tensor; probabilities: Tensor } | undefined;
  /** Steps updated and not yet read, with what the CPU knows of them. */
  #unread: { step: number; tokens: number; battles: number }[] = [];
  #current: { step: number; tokens: number; battles: number } | undefined;
  #inFlight: Promise<void>[] = [];
  #uploadMs = 0;

  constructor(options: GpuEngineOptions, parameters: Parameters, loaded: LoadedJudge) {
    this.#options = options;
    this.capacity = options.capacity;
    this.parameters = parameters;
    this.initialised = loaded.initialised;
    this.#unused = loaded.unused;
    this.#pipelines = new PipelineCache(options.gpu);
    this.#tensors = { parameters, ...ownedTensors(options.gpu, options) };
    const { lossScale } = this.#tensors;
    this.#state = new GpuState(options.gpu, parameters, lossScale);
    if (lossScale) upload(options.gpu, lossScale, Float32Array.from(initialLossScale));
  }

  /** Bytes of GPU memory: parameters, their optimizer state, inputs, and what the programs recorded so far planned. */
  get memory(): MemoryUse {
    const programs = [this.#training?.program, this.#optimizer, this.#prediction?.program, this.#pooling?.program];
    return memoryUse(this.#tensors, programs.flatMap((program) => program ? [program.memory] : []));
  }

  get bytes(): number {
    return totalBytes(this.memory);
  }

  /**
   * Records all programs of a training run now, so that what the adapter cannot hold is known before anything is written.
   *
   * @throws {UsageError} if a micro-batch of this capacity is too large for the adapter
   */
  async record(): Promise<void> {
    try {
      this.#training ??= this.#recordTraining();
      this.#optimizer ??= this.#recordOptimizer();
      this.#prediction ??= this.#recordPrediction();
    } catch (error) {
      if (error instanceof ShapeError) throw new UsageError(error.message);
      throw error;
    }
    const { gpu } = this.#options;
    await gpu.device.queue.onSubmittedWorkDone();
    gpu.check();
  }

  /** Of a pooled row. */
  get width(): number {
    return this.#options.config.hidden_size;
  }

  get uploadMs(): number {
    return this.#uploadMs;
  }

  accumulate(batch: PackedBatch, { step, stepWeight }: { step: number; stepWeight: number }): void {
    const { gpu, seed } = this.#options;
    this.#checkFits(batch);
    if (this.#current?.step !== step) this.#begin(step);
    const { program, inputs } = this.#training ??= this.#recordTraining();
    const began = performance.now();
    const counts = uploadBatch(gpu, inputs, batch, { seed, step });
    this.#uploadMs += performance.now() - began;
    program.run({ ...noStep, ...counts, slot: step % RING, inverseWeight: 1 / stepWeight });
    this.#current!.tokens += batch.tokens;
    this.#current!.battles += batch.battles;
  }

  update({ step, lr }: { step: number; lr: number }): void {
    if (this.#current?.step !== step) {
      throw new GpuError(`Cannot update at step ${step}: nothing was accumulated for it`);
    }
    this.#optimizer ??= this.#recordOptimizer();
    this.#optimizer.run({ ...noStep, slot: step % RING, learningRate: lr, optimizerStep: step });
    this.#unread.push(this.#current);
    this.#current = undefined;
    if (this.#unread.length > RING) throw new GpuError(`Cannot go on: ${RING} steps were not read`);
    this.#inFlight.push(this.#options.gpu.device.queue.onSubmittedWorkDone());
  }

  async waitUntilInFlight(steps: number): Promise<void> {
    while (this.#inFlight.length > steps) await this.#inFlight.shift();
    this.#options.gpu.check();
  }

  async readSteps(): Promise<StepRecord[]> {
    const [ring, flag] = await readTensors(this.#options.gpu, [this.#tensors.metrics, this.#tensors.flag]);
    this.#inFlight = [];
    const isFlagged = new Uint32Array(flag.buffer)[0] !== 0;
    const records = this.#unread.splice(0).map(({ step, tokens, battles }) => {
      const [loss, correct, , gradNorm] = ring.subarray(step % RING * 4, step % RING * 4 + 4);
      // The optimizer writes -1 where it left the step out.
      const outcome = gradNorm < 0 ? { gradNorm: Infinity, skipped: true } : { gradNorm };
      return { step, loss, ...outcome, correct, battles, tokens, finite: true };
    });
    // The flag is sticky, so it tells nothing of when: the first loss or norm that is not finite does.
    const first = records.findIndex(({ loss, gradNorm, skipped }) =>
      !Number.isFinite(loss) || !(skipped || Number.isFinite(gradNorm))
    );
    return records.map((record, i) => ({ ...record, finite: !isFlagged || (first >= 0 && i < first) }));
  }

  async predict(batch: PackedBatch): Promise<Float32Array> {
    return (await this.#predict(batch)).probabilities;
  }

  /** Of all that `pool` computes, but for the weights. */
  poolingDigest(): string {
    return recordPooling(this.#options, this.#tensors).recorder.digest();
  }

  /** What the backbone makes of each sequence, [segments, W], without dropout. */
  async pool(batch: PackedBatch): Promise<Float32Array<ArrayBuffer>> {
    this.#checkFits(batch);
    const { gpu } = this.#options, { inputs } = this.#tensors;
    const counts = uploadBatch(gpu, { ...inputs, pooled: undefined, numbers: undefined }, batch);
    if (!this.#pooling) {
      const { recorder, pooled } = recordPooling(this.#options, this.#tensors);
      this.#pooling = { program: recorder.build(this.#pipelines, stepFields, this.#building), pooled };
    }
    this.#pooling.program.run({ ...noStep, ...counts });
    const [rows] = await readTensors(gpu, [this.#pooling.pooled]);
    return rows.slice(0, batch.segments * this.#pooling.pooled.shape[1]);
  }

  /** Logits [battles, 3], without dropout. */
  async logits(batch: PackedBatch): Promise<Float32Array> {
    return (await this.#predict(batch)).logits;
  }

  async readParameters(): Promise<NamedTensor[]> {
    return [...await this.parameters.read(), ...this.#unused];
  }

  /** What the run trains, by our names. */
  async readTrained(): Promise<NamedTensor[]> {
    return await this.parameters.read(this.parameters.specs.filter(isLearned));
  }

  get state(): EngineState {
    return this.#state.stored;
  }

  /** @throws {InputError} if a checkpoint is that of another model or precision */
  checkState(checkpoint: EngineState): void {
    this.#state.check(checkpoint);
  }

  async writeState(state: Partial<EngineState>): Promise<void> {
    await this.#state.write(state);
  }

  /**
   * Repeats the forward pass of a micro-batch that gave a loss or a gradient that is not finite, with dropout as at `step`.
   *
   * @returns the first layer whose output is not finite; undefined where the forward pass is sound and the backward is not
   */
  async firstNonFinite(batch: PackedBatch, { step }: { step: number }): Promise<string | undefined> {
    const { gpu, schedules, precision, dropout, seed } = this.#options;
    const recorder = new Recorder(gpu);
    const found = ownedTensor(gpu, [MARKS], { label: "marks", dtype: "u32" });
    const probe = new Probe(found);
    const options = { ...this.#options, parameters: this.parameters, inputs: this.#tensors.inputs, dropout };
    const tape = new Tape(recorder, { schedules, precision, probe, adapters: adaptersOf(options) });
    const logits = judge(tape, options);
    tape.mark("logits", logits);
    const program = recorder.build(this.#pipelines, stepFields);
    const counts = uploadBatch(gpu, this.#tensors.inputs, batch, { seed, step });
    program.run({ ...noStep, ...counts });
    const flags = await readTensor(gpu, found);
    program.dispose();
    destroyTensors(found);
    return probe.first(new Uint32Array(flags.buffer));
  }

  /** Time of each dispatch of one training micro-step; the gradients it adds are meaningless afterwards. */
  async profile(batch: PackedBatch): Promise<{ label: string; ns: number; flops: number }[]> {
    const { gpu, seed } = this.#options;
    const { program, inputs } = this.#training ??= this.#recordTraining();
    const counts = uploadBatch(gpu, inputs, batch, { seed, step: 1 });
    return await program.profile({ ...noStep, ...counts, inverseWeight: 1 / batch.battles });
  }

  dispose(): void {
    for (
      const program of [this.#training?.program, this.#optimizer, this.#prediction?.program, this.#pooling?.program]
    ) {
      program?.dispose();
    }
    this.#shared.destroy();
    const { parameters, ...owned } = this.#tensors;
    destroyTensors(owned);
    parameters.dispose();
  }

  #begin(step: number): void {
    upload(this.#options.gpu, this.#tensors.metrics, new Float32Array(4), step % RING * 4);
    this.#current = { step, tokens: 0, battles: 0 };
  }

  async #predict(batch: PackedBatch): Promise<{ logits: Float32Array; probabilities: Float32Array }> {
    this.#checkFits(batch);
    const { gpu } = this.#options;
    const counts = uploadBatch(gpu, this.#tensors.inputs, batch);
    this.#prediction ??= this.#recordPrediction();
    this.#prediction.program.run({ ...noStep, ...counts });
    const tensors = [this.#prediction.logits, this.#prediction.probabilities];
    const [logits, probabilities] = (await readTensors(gpu, tensors)).map((all) => all.subarray(0, batch.battles * 3));
    return { logits, probabilities };
  }

  #checkFits(batch: PackedBatch): void {
    const { tokens, segments, battles } = this.capacity;
    if (batch.tokens <= tokens && batch.segments <= segments && batch.battles <= battles) return;
    throw new UsageError(
      `Cannot run a micro-batch of ${batch.tokens} tokens, ${batch.segments} sequences and ${batch.battles} battles: ` +
        `it may hold ${tokens}, ${segments} and ${battles}: raise --batch-tokens`,
    );
  }

  get #building() {
    return { poison: this.#options.poison, shared: this.#shared };
  }

  #recordTraining(): { program: Program; inputs: ReadInputs } {
    const recorder = recordTraining(this.#options, this.#tensors), { inputs } = this.#tensors;
    const used = (groups: RowGroups) => recorder.uses(groups.rows) ? groups : undefined;
    return {
      program: recorder.build(this.#pipelines, stepFields, this.#building),
      inputs: { ...inputs, words: used(inputs.words), places: used(inputs.places) },
    };
  }

  #recordPrediction(): { program: Program; logits: Tensor; probabilities: Tensor } {
    const { recorder, ...results } = recordPrediction(this.#options, this.#tensors);
    return { program: recorder.build(this.#pipelines, stepFields, this.#building), ...results };
  }

  #recordOptimizer(): Program {
    return recordOptimizer(this.#options, this.#tensors).build(this.#pipelines, stepFields, this.#building);
  }
}

/** What the numbers are standardised by comes from the training battles, though no step changes it. */
function isLearned({ name, trainable }: ParameterSpec): boolean {
  return trainable || name.startsWith("head.numbers.");
}

/** Destroys the buffers of a tensor or of a record of tensors. */
function destroyTensors(value: unknown): void {
  if (value === null || typeof value !== "object") return;
  if ("region" in value) (value as Tensor).region?.buffer.destroy();
  else for (const inner of Object.values(value)) destroyTensors(inner);
}
