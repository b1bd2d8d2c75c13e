// The adapter's own ceilings, measured in the run they are used in: multiply-adds, storage-to-storage copy, copy to a texture.
import copySource from "./copy.wgsl" with { type: "text" };
import { kernel } from "../gpu/kernel.ts";
import { ownedTensor, Recorder } from "../gpu/recorder.ts";
import { upload } from "../gpu/transfer.ts";
import { stepFields } from "../kernels/step.ts";
import { fmaVariants, recordFma } from "./fma.ts";
import { interleave, type InterleaveOptions, type Timed, timing } from "./interleave.ts";
import { type Ceilings, rates, type Row, type Work } from "./row.ts";
import { type Bench, noStep, type Recorded } from "./runs.ts";

const copyKernel = kernel("copy", copySource);

/** An activation of MiniLM at 2,048 tokens, and one that no CPU's second-level cache holds. */
const COPIES = [[2048, 384], [16384, 384]] as const;

// 6 GB/s all three on Mesa's CPU adapter, where 8 lanes, 16 vec4f a lane and single floats stay below
// (llvmpipe LLVM 15.0.6 256 bits, Mesa 22.3.6, 2 shared cores, 2026-11-24).
const copyVariants = [
  { entry: "one", LANES: 64 },
  { entry: "four", LANES: 64 },
  { entry: "four", LANES: 256 },
] as const;

const section = "Ceilings";

export const ceilingKernels = ["fma", "copy", "copy_to_texture"];

/** The best kernel of each ceiling, ready to run in turns with what is held against it. */
export interface References {
  runs: readonly (Recorded & Work)[];
  dispose(): void;
}

/** Measures all ceilings. @throws {GpuError} if a kernel skipped its work */
export async function measureCeilings(bench: Bench): Promise<{ references: References; rows: Row[] }> {
  const fma = await bestOf(bench, fmaVariants.map((variant) => recordFma(bench, variant)), (i) => {
    const { accumulators, unrolled, form } = fmaVariants[i];
    const note = `best of ${fmaVariants.length} kernels: ${accumulators} vec4f sums, ${unrolled} unrolled, ${form}`;
    return { kernel: "fma", size: {}, note };
  });
  const copies: Best[] = [];
  for (const [T, W] of COPIES) {
    const runs = copyVariants.map((variant) => recordCopy(bench, variant, [T, W]));
    copies.push(
      await bestOf(bench, runs, (i) => {
        const { entry, LANES } = copyVariants[i];
        return { kernel: "copy", size: { T, W }, note: `storage to storage, ${entry} vec4f a lane, ${LANES} lanes` };
      }),
    );
  }
  const [T, W] = COPIES[0];
  const texture = await bestOf(bench, [recordCopyToTexture(bench, [T, W])], () => {
    return { kernel: "copy_to_texture", size: { T, W }, note: "copyBufferToTexture, rgba32float" };
  });
  texture.run.dispose();
  const references = [fma, ...copies].map(({ run }) => run);
  return {
    references: { runs: references, dispose: () => references.forEach((run) => run.dispose()) },
    rows: [fma, ...copies, texture].map(({ row }) => row),
  };
}

/** Interleaves work with the ceilings' kernels. @returns samples of the work, and the ceilings of these very rounds */
export async function interleaveWithCeilings(
  bench: Bench,
  { runs }: References,
  work: readonly Timed[],
  options: Partial<InterleaveOptions> = {},
): Promise<{ samples: Record<string, number[]>[]; ceilings: Ceilings }> {
  const all = [...work, ...runs.map(({ run }) => ({ laps: { run } }))];
  const samples = await interleave(bench.stopwatch, all, { rounds: bench.rounds, ...options });
  const measured = runs.map(({ flops, bytes }, i) => ({ flops, bytes, ms: samples[work.length + i].run }));
  const copies = measured.flatMap(({ bytes, ms }) => bytes === undefined ? [] : [{ bytes, ms }]);
  const [fma] = measured.flatMap(({ flops, ms }) => flops === undefined ? [] : [{ flops, ms }]);
  return { samples: samples.slice(0, work.length), ceilings: { fma, copies } };
}

/** Bytes read plus bytes written. */
function copiedBytes([T, W]: readonly [number, number]): number {
  return 2 * 4 * T * W;
}

interface Best {
  row: Row;
  run: Recorded & Work;
}

/** Interleaves variants of one work, keeps the one with the best median and disposes of the others. */
async function bestOf(
  bench: Bench,
  runs: readonly (Recorded & Work & { check?(): Promise<void> })[],
  describe: (i: number) => Pick<Row, "kernel" | "size" | "note">,
): Promise<Best> {
  for (const run of runs) await run.check?.();
  const samples = await interleave(bench.stopwatch, runs.map(({ run }) => ({ laps: { run } })), bench);
  const timings = samples.map((laps) => timing(laps.run));
  const best = timings.reduce((least, { ms }, i) => ms < timings[least].ms ? i : least, 0);
  for (const [i, run] of runs.entries()) if (i !== best) run.dispose();
  const row: Row = { section, ...describe(best), ...timings[best], ...rates(timings[best], runs[best]) };
  return { row, run: runs[best] };
}

function recordCopy(
  { gpu, pipelines }: Bench,
  { entry, LANES }: typeof copyVariants[number],
  shape: readonly [number, number],
): Recorded & Work {
  const from_ = ownedTensor(gpu, shape), to = ownedTensor(gpu, shape);
  upload(gpu, from_, new Float32Array(from_.size).fill(1));
  const recorder = new Recorder(gpu), count = from_.size / 4;
  recorder.run(copyKernel, entry, {
    read: { from_ },
    write: { to },
    size: { count },
    constants: { LANES },
    groups: Math.ceil(count / LANES / (entry === "one" ? 1 : 4)),
  });
  const program = recorder.build(pipelines, stepFields);
  return {
    bytes: copiedBytes(shape),
    run: () => program.run(noStep),
    dispose() {
      program.dispose();
      for (const tensor of [from_, to]) tensor.region!.buffer.destroy();
    },
  };
}

function recordCopyToTexture({ gpu, pipelines }: Bench, shape: readonly [number, number]): Recorded & Work {
  const from = ownedTensor(gpu, shape);
  const recorder = new Recorder(gpu);
  recorder.texture(from);
  const program = recorder.build(pipelines, stepFields);
  return {
    bytes: copiedBytes(shape),
    run: () => program.run(noStep),
    dispose() {
      program.dispose();
      from.region!.buffer.destroy();
    },
  };
}
