// Chooses schedules by a short measurement on the adapter at hand: absolute speeds differ tenfold between adapters, and on
// Mesa's CPU adapter even between driver versions.
import { type Gpu } from "../gpu/device.ts";
import { type PipelineCache } from "../gpu/pipelines.ts";
import { ownedTensor, Recorder } from "../gpu/recorder.ts";
import { matmul } from "./matmul.ts";
import { type MatmulForm, textureMatmulKernel, type TextureTile } from "./matmul_texture.ts";
import { tileMatmulKernel, type WorkgroupTile } from "./matmul_tile.ts";
import { defaultSchedules, type Schedules, smallTile } from "./schedules.ts";
import { stepFields } from "./step.ts";
import { Tape } from "./tape.ts";

/** What was measured: the schedules, and the best rate of each form in GFLOP/s. */
export interface MeasuredSchedules {
  schedules: Schedules;
  rates: Record<MatmulForm, number>;
}

const forms: MatmulForm[] = ["NT", "NN", "TN"];

// The tiles worth having: 63.4 / 67.0 / 64.8 GFLOP/s (NT / NN / TN), 64.3 / 64.4 / 65.6 and 59.3 / 62.8 / 59.5
// (2048 x 384 x 1536, best of 7, llvmpipe LLVM 15.0.6 256 bits, 2 cores, 2026-11-24); 24 x 4 and 32 x 4 gain nothing.
const textureTiles: TextureTile[] = [
  { rows: 16, columns: 2, group: [8, 1] },
  { rows: 16, columns: 4, group: [8, 1] },
  { rows: 8, columns: 4, group: [8, 1] },
];

/** What GPUs want differs by their registers and workgroup memory: 4 x 4 to 8 x 8 sums an invocation, 64 or 256 invocations. */
export const workgroupTiles: WorkgroupTile[] = [
  smallTile, // 32 x 32
  { rows: 2, columns: 1, sums: 16, group: [8, 8] }, // 64 x 32
  { rows: 2, columns: 2, sums: 8, group: [8, 8] }, // 64 x 64, few invocations
  { rows: 1, columns: 1, sums: 16, group: [16, 16] }, // 64 x 64, many
  { rows: 2, columns: 2, sums: 8, group: [16, 16] }, // 128 x 128
];

/** Groups that a weight's gradient should fill: never split, and what some dozens or hundreds of compute units hold. */
const splits = [0, 256, 1024];

/** A later candidate must win by this factor: the machine's noise is no reason to change a run's arithmetic. */
const CLEARLY = 1.15;

type Size = readonly [M: number, N: number, K: number];

/** 0.15 GFLOP each on a CPU adapter; MiniLM's layer of 2,048 tokens on a GPU, which the first would leave half empty. */
const SIZES: Record<"cpu" | "gpu", Record<MatmulForm, Size>> = {
  cpu: { NT: [256, 768, 384], NN: [256, 384, 768], TN: [768, 384, 256] },
  gpu: { NT: [2048, 1536, 384], NN: [2048, 384, 1536], TN: [1536, 384, 2048] },
};

/** A gradient of few outputs over many tokens. */
const SPLIT_SIZE: Size = [384, 384, 4096];

/** Hexadecimal digits that change whenever a candidate's WGSL does: what was measured of another kernel says nothing. */
export async function kernelDigest(): Promise<string> {
  const epilogue = { bias: false, gelu: false };
  const codes = [
    ...forms.flatMap((form) => textureTiles.map((tile) => textureMatmulKernel(form, tile, epilogue).code)),
    ...workgroupTiles.flatMap((tile) =>
      [false, true].map((split) => tileMatmulKernel(tile, { ...epilogue, split }).code)
    ),
  ];
  const bytes = new TextEncoder().encode([JSON.stringify([SIZES, SPLIT_SIZE, splits]), ...codes].join());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return digest.slice(0, 8).toHex();
}

/** One candidate as it was timed. */
export interface Candidate {
  form: MatmulForm;
  /** As `tune` prints it. */
  name: string;
  /** GFLOP/s. */
  rate: number;
}

/** Times each candidate of each form and takes the first that no later one clearly beats. */
export async function measureSchedules(
  gpu: Gpu,
  pipelines: PipelineCache,
  onCandidate: (candidate: Candidate) => void = () => {},
): Promise<MeasuredSchedules> {
  const defaults = defaultSchedules(gpu.report.isCpu);
  const sizes = SIZES[gpu.report.isCpu ? "cpu" : "gpu"];
  const measure = (form: MatmulForm, variants: readonly Variant[], size = sizes[form]) =>
    measureVariants(gpu, pipelines, { form, size, variants, onCandidate });
  const tileVariants = (tiles: readonly WorkgroupTile[]) =>
    tiles.map((tile): Variant => ({
      name: `tiles ${tileText(tile)}`,
      schedules: { ...defaults, texture: null, tile: ofEachForm(tile) },
    }));
  const textureVariants = textureTiles.map((tile): Variant => ({
    name: `textures ${tile.rows} x ${tile.columns * 4}`,
    schedules: { ...defaults, texture: ofEachForm(tile) },
  }));

  const texture = ofEachForm(textureTiles[0]), tile = ofEachForm(smallTile);
  const textureRates = ofEachForm(0), tileRates = ofEachForm(0);
  for (const form of forms) {
    const rates = await measure(form, [...textureVariants, ...tileVariants([smallTile])]);
    tileRates[form] = rates.pop()!;
    const chosen = firstUnbeaten(rates);
    [texture[form], textureRates[form]] = [textureTiles[chosen], rates[chosen]];
  }
  // One choice for all forms, by the time of one product of each: a step does as many of each.
  const time = (rates: Record<MatmulForm, number>) => forms.reduce((sum, form) => sum + 1 / rates[form], 0);
  let splitGroups = defaults.splitGroups;
  // Where textures win by far, as on CPU adapters, tiles serve operands that fit no texture: the small one will do.
  if (time(tileRates) < 2 * time(textureRates)) {
    for (const form of forms) {
      const rates = await measure(form, tileVariants(workgroupTiles));
      const chosen = firstUnbeaten(rates);
      [tile[form], tileRates[form]] = [workgroupTiles[chosen], rates[chosen]];
    }
    const variants = splits.map((splitGroups): Variant => ({
      name: splitGroups ? `sums split for ${splitGroups} groups` : "sums whole",
      schedules: { ...defaults, texture: null, tile, splitGroups },
    }));
    splitGroups = splits[firstUnbeaten(await measure("TN", variants, SPLIT_SIZE))];
  }
  const useTextures = time(textureRates) < time(tileRates);
  return {
    schedules: {
      ...defaults,
      texture: useTextures ? texture : null,
      tile,
      splitGroups,
      attentionTexture: useTextures,
    },
    rates: useTextures ? textureRates : tileRates,
  };
}

function ofEachForm<T>(value: T): Record<MatmulForm, T> {
  return { NT: value, NN: value, TN: value };
}

/** `64 x 32, 8 x 8 invocations`. */
export function tileText({ rows, columns, group: [across, down] }: WorkgroupTile): string {
  return `${rows * 4 * down} x ${columns * 4 * across}, ${across} x ${down} invocations`;
}

/** The first that no later one clearly beats. */
function firstUnbeaten(rates: readonly number[]): number {
  return rates.reduce((best, rate, i) => rate > rates[best] * CLEARLY ? i : best, 0);
}

interface Variant {
  name: string;
  schedules: Schedules;
}

interface Measurement {
  form: MatmulForm;
  size: Size;
  variants: readonly Variant[];
  onCandidate(candidate: Candidate): void;
}

/** Timed runs of each variant, after one that compiles. */
const ROUNDS = 8;

/** GFLOP/s of each variant, the best of some runs in turns: other work on the machine comes and goes. */
async function measureVariants(
  gpu: Gpu,
  pipelines: PipelineCache,
  { form, size, variants, onCandidate }: Measurement,
): Promise<number[]> {
  const runs = variants.map(({ schedules }) => record(gpu, pipelines, { form, size, schedules }));
  try {
    const fastest = variants.map(() => Infinity);
    for (const { time } of runs) await time();
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, { time }] of runs.entries()) fastest[i] = Math.min(fastest[i], await time());
    }
    const [M, N, K] = size;
    const rates = fastest.map((ns) => 2 * M * N * K / ns);
    rates.forEach((rate, i) => onCandidate({ form, name: variants[i].name, rate }));
    return rates;
  } finally {
    for (const { dispose } of runs) dispose();
  }
}

/** One product, added to what is there where it is a weight's gradient. */
function record(
  gpu: Gpu,
  pipelines: PipelineCache,
  { form, size: [M, N, K], schedules }: { form: MatmulForm; size: Size; schedules: Schedules },
): { time(): Promise<number>; dispose(): void } {
  const recorder = new Recorder(gpu);
  const tape = new Tape(recorder, { schedules });
  const a = ownedTensor(gpu, form === "TN" ? [K, M] : [M, K]);
  const b = ownedTensor(gpu, form === "NT" ? [N, K] : [K, N]);
  const out = ownedTensor(gpu, [M, N]);
  matmul(tape, form, a, b, { tensor: out, accumulate: form === "TN" ? 1 : 0 });
  const program = recorder.build(pipelines, stepFields);
  const step = Object.fromEntries(stepFields.map(({ name }) => [name, 0]));
  return {
    async time() {
      if (!gpu.report.features.includes("timestamp-query")) return await wallClock(gpu, () => program.run(step));
      return (await program.profile(step)).reduce((sum, { ns }) => sum + ns, 0);
    },
    dispose() {
      program.dispose();
      for (const tensor of [a, b, out]) tensor.region!.buffer.destroy();
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
