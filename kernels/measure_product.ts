// Times variants of one product in turns, for those who choose among schedules.
import { type Gpu } from "../gpu/device.ts";
import { type PipelineCache } from "../gpu/pipelines.ts";
import { ownedTensor, Recorder } from "../gpu/recorder.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { down, outer } from "./low_rank.ts";
import { matmul } from "./matmul.ts";
import { type MatmulForm } from "./matmul_texture.ts";
import { type Schedules } from "./schedules.ts";
import { type ClassProduct } from "./shape_classes.ts";
import { stepFields } from "./step.ts";
import { Tape } from "./tape.ts";

export interface Variant {
  /** As `tune` prints it. */
  name: string;
  schedules: Schedules;
}

/** One candidate as it was timed. */
export interface Candidate {
  form: MatmulForm;
  /** Of the products that it was timed for; absent where it is for all of the form. */
  shapeClass?: string;
  /** As `tune` prints it. */
  name: string;
  /** GFLOP/s. */
  rate: number;
}

/** Timed runs of each variant, after one that compiles. */
const ROUNDS = 11;

/** A variant whose first timed run took so many times as long as the fastest is not run again. */
const HOPELESS = 3;

/** Of each variant. */
export interface Measured {
  /** GFLOP/s, the best of its runs. */
  rate: number;
  /**
   * How often it is done while the first variant is done once: the median of runs in turns, or best by best if that says less. Other
   * work on the machine comes and goes, and must fool both for a variant that wins nothing (bench/tried.md).
   */
  speed: number;
}

/** Times variants of one product in turns. */
export async function measureVariants(
  gpu: Gpu,
  pipelines: PipelineCache,
  product: ClassProduct,
  variants: readonly Variant[],
): Promise<Measured[]> {
  const runs = variants.map(({ schedules }) => record(gpu, pipelines, product, schedules));
  try {
    const times = variants.map(() => [] as number[]);
    for (const { time } of runs) await time();
    for (let round = 0; round < ROUNDS; round++) {
      const best = Math.min(...times.flat());
      for (const [i, { time }] of runs.entries()) {
        if (i === 0 || round === 0 || times[i][0] < best * HOPELESS) times[i].push(await time());
      }
    }
    const [M, N, K] = product.size;
    return times.map((own) => ({
      rate: 2 * M * N * K / Math.min(...own),
      speed: Math.min(median(own.map((ns, round) => times[0][round] / ns)), Math.min(...times[0]) / Math.min(...own)),
    }));
  } finally {
    for (const { dispose } of runs) dispose();
  }
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** One product, added to what is there where it is a weight's gradient. */
function record(
  gpu: Gpu,
  pipelines: PipelineCache,
  { form, size: [M, N, K], lowRank }: ClassProduct,
  schedules: Schedules,
): { time(): Promise<number>; dispose(): void } {
  const recorder = new Recorder(gpu);
  const tape = new Tape(recorder, { schedules });
  const tensors: Tensor[] = [];
  const owned = (rows: number, columns: number) => {
    const tensor = ownedTensor(gpu, [rows, columns]);
    tensors.push(tensor);
    return tensor;
  };
  if (lowRank && form === "NT") {
    const a = { tensor: owned(M, K), first: 0 };
    down(tape, a, { b: owned(N, K), ranks: { tensor: owned(M, Math.ceil(N / 64) * 64), first: 0 }, scale: 1 });
  } else if (lowRank) {
    const ranks = { tensor: owned(K, Math.ceil(M / 64) * 64), first: 0 };
    outer(tape, owned(M, N), { ranks, b: { tensor: owned(K, N), first: 0 } });
  } else {
    const a = form === "TN" ? owned(K, M) : owned(M, K), b = form === "NT" ? owned(N, K) : owned(K, N);
    matmul(tape, form, a, b, { tensor: owned(M, N), accumulate: form === "TN" ? 1 : 0 });
  }
  const program = recorder.build(pipelines, stepFields);
  const step = Object.fromEntries(stepFields.map(({ name }) => [name, 0]));
  return {
    async time() {
      if (!gpu.report.features.includes("timestamp-query")) return await wallClock(gpu, () => program.run(step));
      return (await program.profile(step)).reduce((sum, { ns }) => sum + ns, 0);
    },
    dispose() {
      program.dispose();
      for (const tensor of tensors) tensor.region!.buffer.destroy();
    },
  };
}

/** Nanoseconds of one run, from enough runs that the 10 ms of waiting in Deno do not count. */
async function wallClock(gpu: Gpu, run: () => void): Promise<number> {
  const repeats = 20;
  const start = performance.now();
  for (let i = 0; i < repeats; i++) run();
  await gpu.device.queue.onSubmittedWorkDone();
  return (performance.now() - start) * 1e6 / repeats;
}
