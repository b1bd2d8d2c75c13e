// The adapter's own ceilings, measured in the run they are used in: multiply-adds, storage-to-storage copy, copy to a texture.
import copySource from "./copy.wgsl" with { type: "text" };
import { kernel } from "../gpu/kernel.ts";
import { ownedTensor, Recorder } from "../gpu/recorder.ts";
import { upload } from "../gpu/transfer.ts";
import { stepFields } from "../kernels/step.ts";
import { fmaVariants, recordFma } from "./fma.ts";
import { interleave, timing } from "./interleave.ts";
import { type Ceilings, rates, type Row } from "./row.ts";
import { type Bench, noStep, type Recorded, withRecorded } from "./runs.ts";

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

/** Measures all ceilings. @throws {GpuError} if a kernel skipped its work */
export async function measureCeilings(bench: Bench): Promise<{ ceilings: Ceilings; rows: Row[] }> {
  const fma = await measureFma(bench);
  const copies: Row[] = [];
  for (const shape of COPIES) copies.push(await measureCopy(bench, shape));
  const texture = await measureCopyToTexture(bench, COPIES[0]);
  const ceilings = {
    fma: fma.GFLOPs!,
    copies: copies.map(({ GBps }, i) => ({ bytes: copiedBytes(COPIES[i]), GBps: GBps! })),
  };
  return { ceilings, rows: [fma, ...copies, texture] };
}

/** The best variant's row. */
async function measureFma(bench: Bench): Promise<Row> {
  return await withRecorded(fmaVariants.map((variant) => recordFma(bench, variant)), async (runs) => {
    for (const run of runs) await run.check();
    return await bestOf(bench, runs, (i) => {
      const { accumulators, unrolled, form } = fmaVariants[i];
      return {
        kernel: "fma",
        size: {},
        work: { flops: runs[i].flops },
        note: `best of ${fmaVariants.length} kernels: ${accumulators} vec4f sums, ${unrolled} unrolled, ${form}`,
      };
    });
  });
}

async function measureCopy(bench: Bench, [T, W]: readonly [number, number]): Promise<Row> {
  return await withRecorded(
    copyVariants.map((variant) => recordCopy(bench, variant, [T, W])),
    (runs) =>
      bestOf(bench, runs, (i) => ({
        kernel: "copy",
        size: { T, W },
        work: { bytes: copiedBytes([T, W]) },
        note: `storage to storage, ${copyVariants[i].entry} vec4f a lane, ${copyVariants[i].LANES} lanes`,
      })),
  );
}

async function measureCopyToTexture(bench: Bench, [T, W]: readonly [number, number]): Promise<Row> {
  return await withRecorded([recordCopyToTexture(bench, [T, W])], (runs) =>
    bestOf(bench, runs, () => ({
      kernel: "copy_to_texture",
      size: { T, W },
      work: { bytes: copiedBytes([T, W]) },
      note: "copyBufferToTexture, rgba32float",
    })));
}

/** Bytes read plus bytes written. */
function copiedBytes([T, W]: readonly [number, number]): number {
  return 2 * 4 * T * W;
}

interface Described {
  kernel: string;
  size: Row["size"];
  work: { flops?: number; bytes?: number };
  note: string;
}

/** Interleaves variants of one work and makes a row of the one with the best median. */
async function bestOf(bench: Bench, runs: readonly Recorded[], describe: (i: number) => Described): Promise<Row> {
  const samples = await interleave(bench.stopwatch, runs.map(({ run }) => ({ laps: { run } })), bench);
  const timings = samples.map((laps) => timing(laps.run));
  const best = timings.reduce((least, { ms }, i) => ms < timings[least].ms ? i : least, 0);
  const { work, ...rest } = describe(best);
  return { section, ...rest, ...timings[best], ...rates(timings[best], work) };
}

function recordCopy(
  { gpu, pipelines }: Bench,
  { entry, LANES }: typeof copyVariants[number],
  shape: readonly [number, number],
): Recorded {
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
    run: () => program.run(noStep),
    dispose() {
      program.dispose();
      for (const tensor of [from_, to]) tensor.region!.buffer.destroy();
    },
  };
}

function recordCopyToTexture({ gpu, pipelines }: Bench, shape: readonly [number, number]): Recorded {
  const from = ownedTensor(gpu, shape);
  const recorder = new Recorder(gpu);
  recorder.texture(from);
  const program = recorder.build(pipelines, stepFields);
  return {
    run: () => program.run(noStep),
    dispose() {
      program.dispose();
      from.region!.buffer.destroy();
    },
  };
}
