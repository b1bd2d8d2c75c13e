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
  const rates = { NT: 0, NN: 0, TN: 0 };
  const texture: Partial<Record<MatmulForm, TextureTile>> = {};
  const tile: Partial<Record<MatmulForm, WorkgroupTile>> = {};
  const rate = async (form: MatmulForm, name: string, schedules: Schedules) => {
    const rate = await measure(gpu, pipelines, { form, size: sizes[form], schedules });
    onCandidate({ form, name, rate });
    return rate;
  };
  const textureRate = (form: MatmulForm) =>
    best(textureTiles, async (tile) =>
      await rate(form, `textures ${tile.rows} x ${tile.columns * 4}`, {
        ...defaults,
        texture: { NT: tile, NN: tile, TN: tile },
      }));
  const tileRate = (form: MatmulForm, candidates: readonly WorkgroupTile[]) =>
    best(
      candidates,
      async (tile) =>
        await rate(form, `tiles ${tileText(tile)}`, {
          ...defaults,
          texture: null,
          tile: { NT: tile, NN: tile, TN: tile },
        }),
    );

  // One choice for all forms, by the time of one product of each: a step does as many of each. Where textures win by far,
  // as on CPU adapters, the other tiles serve operands that fit no texture, and are not worth seconds of compiling.
  let textured = 0, tiled = 0;
  for (const form of forms) {
    const textures = await textureRate(form), small = await tileRate(form, [smallTile]);
    texture[form] = textures.candidate;
    tile[form] = small.candidate;
    textured += 1 / textures.rate;
    tiled += 1 / small.rate;
    rates[form] = textures.rate;
  }
  let splitGroups = defaults.splitGroups;
  if (textured * 2 > tiled) {
    tiled = 0;
    const tileRates = { ...rates };
    for (const form of forms) {
      const chosen = await tileRate(form, workgroupTiles);
      tile[form] = chosen.candidate;
      tiled += 1 / chosen.rate;
      tileRates[form] = chosen.rate;
    }
    if (tiled <= textured) Object.assign(rates, tileRates);
    const tiles = tile as Schedules["tile"];
    splitGroups = (await best(splits, async (splitGroups) => {
      const schedules = { ...defaults, texture: null, tile: tiles, splitGroups };
      const rate = await measure(gpu, pipelines, { form: "TN", size: SPLIT_SIZE, schedules });
      onCandidate({ form: "TN", name: splitGroups ? `sums split for ${splitGroups} groups` : "sums whole", rate });
      return rate;
    })).candidate;
  }
  const useTextures = textured < tiled;
  const schedules: Schedules = {
    ...defaults,
    texture: useTextures ? texture as Schedules["texture"] : null,
    tile: tile as Schedules["tile"],
    splitGroups,
    attentionTexture: useTextures,
  };
  return { schedules, rates };
}

/** `64 x 32, 8 x 8 invocations`. */
export function tileText({ rows, columns, group: [across, down] }: WorkgroupTile): string {
  return `${rows * 4 * down} x ${columns * 4 * across}, ${across} x ${down} invocations`;
}

/** The first candidate that no later one clearly beats. */
async function best<T>(
  candidates: readonly T[],
  rateOf: (candidate: T) => Promise<number>,
): Promise<{ candidate: T; rate: number }> {
  let chosen = { candidate: candidates[0], rate: 0 };
  for (const candidate of candidates) {
    const rate = await rateOf(candidate);
    if (rate > chosen.rate * (chosen.rate > 0 ? CLEARLY : 1)) chosen = { candidate, rate };
  }
  return chosen;
}

interface Measurement {
  form: MatmulForm;
  size: Size;
  schedules: Schedules;
}

/** GFLOP/s of one product, added to what is there as a gradient is; the better of two runs after one that compiles. */
async function measure(gpu: Gpu, pipelines: PipelineCache, { form, size, schedules }: Measurement): Promise<number> {
  const [M, N, K] = size;
  const recorder = new Recorder(gpu);
  const tape = new Tape(recorder, { schedules });
  const a = ownedTensor(gpu, form === "TN" ? [K, M] : [M, K]);
  const b = ownedTensor(gpu, form === "NT" ? [N, K] : [K, N]);
  const out = ownedTensor(gpu, [M, N]);
  matmul(tape, form, a, b, { tensor: out, accumulate: form === "TN" ? 1 : 0 });
  const program = recorder.build(pipelines, stepFields);
  const step = Object.fromEntries(stepFields.map(({ name }) => [name, 0]));
  try {
    let fastest = Infinity;
    for (let run = 0; run < 3; run++) {
      const parts = gpu.report.features.includes("timestamp-query")
        ? await program.profile(step)
        : [{ ns: await wallClock(gpu, () => program.run(step)) }];
      const ns = parts.reduce((sum, part) => sum + part.ns, 0);
      if (run > 0) fastest = Math.min(fastest, ns);
    }
    return 2 * M * N * K / fastest;
  } finally {
    program.dispose();
    for (const tensor of [a, b, out]) tensor.region!.buffer.destroy();
  }
}

/** Nanoseconds of one run, from enough runs that the 10 ms of waiting in Deno do not count. */
async function wallClock(gpu: Gpu, run: () => void): Promise<number> {
  const repeats = 20;
  const start = performance.now();
  for (let i = 0; i < repeats; i++) run();
  await gpu.device.queue.onSubmittedWorkDone();
  return (performance.now() - start) * 1e6 / repeats;
}
