// End to end: training steps and predictions of a whole model, held against the best measured matmul.
import { type PackedBatch } from "../data/batch.ts";
import { GpuError } from "../errors.ts";
import { type Schedules } from "../kernels/schedules.ts";
import { type GpuEngine } from "../train/gpu_engine.ts";
import { interleaveWithCeilings, type References } from "./ceilings.ts";
import { interleave, ratio, sums, timing } from "./interleave.ts";
import { type MatmulCase, recordMatmul } from "./matmul.ts";
import { multipliedParameters, openBenchModel, uniformBatch } from "./model.ts";
import { rates, type Row, shares } from "./row.ts";
import { adamwBytes } from "./row_kernels.ts";
import { type Bench } from "./runs.ts";
import { wallClock } from "./stopwatch.ts";

/** Tokens of every sequence of a batch. */
export const LENGTHS = [128, 256];

/** Rows of the breakdown, and its samples at most: a step takes seconds on a CPU adapter. */
const TOP = 12, MOST_PROFILES = 3;

// Medians of 7 rounds were 0.72 and 0.76 within five minutes (llvmpipe LLVM 15.0.6 256 bits, 2 shared cores, 2026-11-24).
const LORA_ROUNDS = 9;

export const trainingKernels = ["train_step", "lora_step", "predict"];

export interface TrainingOptions {
  references: References;
  schedules: Schedules;
  /** The fastest product, run again in turns with the steps. */
  matmul: MatmulCase;
  tokens: number;
  /** Random weights where absent. */
  folder?: string;
  wanted(kernel: string): boolean;
}

interface Length {
  length: number;
  batch: PackedBatch;
}

export async function measureTraining(bench: Bench, options: TrainingOptions): Promise<Row[]> {
  const { engine, config } = await openBenchModel({ ...options, gpu: bench.gpu, shortest: LENGTHS[0] });
  const reference = recordMatmul(bench, options.matmul);
  try {
    const lengths = LENGTHS
      .filter((length) => length <= config.max_position_embeddings)
      .map((length) => ({ length, batch: uniformBatch({ ...options, length, vocabulary: config.vocab_size }) }));
    const rows: Row[] = [];
    if (options.wanted("train_step")) {
      rows.push(...await measureSteps(bench, options, { engine, lengths, reference }));
      for (const at of lengths) rows.push(...await breakdown(bench, engine, at));
    }
    if (options.wanted("lora_step")) rows.push(...await measureLora(bench, options, { engine, lengths }));
    if (options.wanted("predict")) rows.push(...await measurePredictions(bench, { engine, lengths, reference }));
    return rows;
  } finally {
    reference.dispose();
    engine.dispose();
  }
}

interface Subject {
  engine: GpuEngine;
  lengths: readonly Length[];
  reference: ReturnType<typeof recordMatmul>;
}

/** Forward, backward and update of one micro-batch; the update and the CPU's share also apart. */
async function measureSteps(
  bench: Bench,
  { references, matmul }: TrainingOptions,
  { engine, lengths, reference }: Subject,
): Promise<Row[]> {
  let step = 0;
  const cpu = lengths.map(() => [] as number[]);
  const work = lengths.map(({ batch }, i) => ({
    laps: {
      micro() {
        const start = performance.now();
        engine.accumulate(batch, { step: ++step, stepWeight: batch.battles });
        cpu[i].push(performance.now() - start);
      },
      update: () => engine.update({ step, lr: 1e-5 }),
    },
  }));
  const { samples, ceilings } = await interleaveWithCeilings(
    bench,
    references,
    [...work, { laps: { run: () => reference.run() } }],
    { sampleMs: 200, onRound: () => checkFinite(engine) },
  );
  const best = samples[lengths.length].run;
  const section = "Training step", multiplied = multipliedParameters(engine.parameters);
  const MiB = engine.bytes / 2 ** 20;
  const rows = lengths.flatMap(({ length, batch: { tokens } }, i): Row[] => {
    const size = { T: tokens, length };
    const { micro, update } = samples[i];
    const stepRow = (kernel: string, ms: number[], extra: Partial<Row>): Row => {
      const time = timing(ms), GFLOPs = 6 * multiplied * tokens / time.ms / 1e6;
      const tokensPerSecond = tokens / time.ms * 1000;
      const ofMatmul = 6 * multiplied * tokens / reference.flops * ratio(best, ms);
      return { section, kernel, size, ...time, tokensPerSecond, GFLOPs, ofMatmul, ...extra };
    };
    const updated = timing(update);
    const work = { bytes: adamwBytes(engine.parameters.trainableCount) };
    return [
      stepRow("train_step", sums(micro, update), { MiB, note: "forward, backward and AdamW of one micro-batch" }),
      stepRow("train_step.micro", micro, { note: "without the update" }),
      {
        section,
        kernel: "train_step.update",
        size,
        ...updated,
        ...rates(updated, work),
        ...shares(update, work, ceilings),
        ofStep: ratio(update, sums(micro, update)),
        note: "AdamW alone",
      },
      // The first two calls compile and warm up.
      { section, kernel: "train_step.cpu", size, ...timing(cpu[i].slice(2)), note: "uploads and encoding, no waiting" },
    ];
  });
  const { form, T, inputs, outputs } = matmul;
  const time = timing(best);
  const size = { T, in: inputs, out: outputs };
  return [...rows, {
    section,
    kernel: `matmul.${form}`,
    size,
    ...time,
    ...rates(time, reference),
    ...shares(best, reference, ceilings),
    note: "the best matmul, in turns with the steps",
  }];
}

/** Steps with adapters of every dense layer, in turns with steps that train everything; each with its update. */
async function measureLora(
  bench: Bench,
  options: TrainingOptions,
  { engine: full, lengths: [{ length, batch }] }: Pick<Subject, "engine" | "lengths">,
): Promise<Row[]> {
  const { engine: adapted } = await openBenchModel({
    ...options,
    gpu: bench.gpu,
    shortest: LENGTHS[0],
    method: "lora",
  });
  try {
    const work = [full, adapted].map((engine) => {
      let step = 0;
      return {
        laps: {
          micro: () => engine.accumulate(batch, { step: ++step, stepWeight: batch.battles }),
          update: () => engine.update({ step, lr: 1e-5 }),
        },
      };
    });
    const onRound = async () => {
      for (const engine of [full, adapted]) await checkFinite(engine);
    };
    const rounds = Math.max(bench.rounds, LORA_ROUNDS);
    const samples = await interleave(wallClock(bench.gpu), work, { rounds, sampleMs: 200, onRound });
    const [fullMs, loraMs] = samples.map(({ micro, update }) => sums(micro, update));
    const time = timing(loraMs);
    return [{
      section: "Training step",
      kernel: "lora_step",
      size: { T: batch.tokens, length },
      ...time,
      tokensPerSecond: batch.tokens / time.ms * 1000,
      ofFull: ratio(loraMs, fullMs),
      MiB: adapted.bytes / 2 ** 20,
      note: "--method lora as it comes: rank 16, every dense layer; in turns with full steps",
    }];
  } finally {
    adapted.dispose();
  }
}

async function checkFinite(engine: GpuEngine): Promise<void> {
  const broken = (await engine.readSteps()).find(({ finite }) => !finite);
  if (broken) throw new GpuError(`Cannot measure training: the loss of step ${broken.step} is not finite`);
}

/** Where a micro-step's time goes, by kernel, as shares of all dispatches: the greatest, then the rest. */
async function breakdown({ stopwatch, rounds }: Bench, engine: GpuEngine, { length, batch }: Length): Promise<Row[]> {
  if (stopwatch.kind !== "timestamps") return [];
  const profiles: Awaited<ReturnType<GpuEngine["profile"]>>[] = [];
  for (let round = 0; round < Math.min(rounds, MOST_PROFILES); round++) profiles.push(await engine.profile(batch));
  const labels = [...new Set(profiles[0].map(({ label }) => label))];
  const of = (profile: typeof profiles[number], label?: string) =>
    profile.reduce((sum, at) => label === undefined || at.label === label ? sum + at.ns / 1e6 : sum, 0);
  const total = timing(profiles.map((profile) => of(profile))).ms;
  const rows = labels.map((label): Row => {
    const time = timing(profiles.map((profile) => of(profile, label)));
    const dispatches = profiles[0].filter((at) => at.label === label);
    const flops = dispatches.reduce((sum, at) => sum + at.flops, 0);
    return {
      section: `Dispatches of a micro-step, sequences of ${length}`,
      kernel: label,
      size: { T: batch.tokens, length, dispatches: dispatches.length },
      ...time,
      // Only a matmul's operations do not depend on the lengths of the sequences.
      ...(label.startsWith("matmul") && rates(time, { flops })),
      ofStep: time.ms / total,
    };
  }).sort((a, b) => b.ms - a.ms);
  const rest = rows.slice(TOP);
  if (rest.length === 0) return rows;
  return [...rows.slice(0, TOP), {
    ...rest[0],
    kernel: `${rest.length} more`,
    size: { T: batch.tokens, length },
    ...timing(profiles.map((profile) => rest.reduce((sum, { kernel }) => sum + of(profile, kernel), 0))),
    ofStep: rest.reduce((sum, row) => sum + row.ofStep!, 0),
  }];
}

/** Probabilities read back after each micro-batch, as `submit` does. */
async function measurePredictions(bench: Bench, { engine, lengths, reference }: Subject): Promise<Row[]> {
  const work = lengths.map(({ batch }) => ({ laps: { predict: async () => void await engine.predict(batch) } }));
  const all = [...work, { laps: { predict: () => reference.run() } }];
  const samples = await interleave(wallClock(bench.gpu), all, { ...bench, sampleMs: 200 });
  const best = samples[lengths.length].predict;
  return lengths.map(({ length, batch: { tokens } }, i) => {
    const time = timing(samples[i].predict);
    const flops = 2 * multipliedParameters(engine.parameters) * tokens;
    return {
      section: "Prediction",
      kernel: "predict",
      size: { T: tokens, length },
      ...time,
      tokensPerSecond: tokens / time.ms * 1000,
      ...rates(time, { flops }),
      ofMatmul: flops / reference.flops * ratio(best, samples[i].predict),
      note: "probabilities read back after each micro-batch",
    };
  });
}
