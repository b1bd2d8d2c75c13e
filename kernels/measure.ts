// Chooses schedules by a short measurement on the adapter at hand: absolute speeds differ tenfold between adapters, and on
// Mesa's CPU adapter even between driver versions.
import { type Gpu } from "../gpu/device.ts";
import { type PipelineCache } from "../gpu/pipelines.ts";
import { ownedTensor, Recorder } from "../gpu/recorder.ts";
import { matmul, tileKernel } from "./matmul.ts";
import { type MatmulForm, textureMatmulKernel, type TextureTile } from "./matmul_texture.ts";
import { defaultSchedules, type Schedules } from "./schedules.ts";
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
const tiles: TextureTile[] = [
  { rows: 16, columns: 2, group: [8, 1] },
  { rows: 16, columns: 4, group: [8, 1] },
  { rows: 8, columns: 4, group: [8, 1] },
];

/** A later candidate must win by this factor: the machine's noise is no reason to change a run's arithmetic. */
const CLEARLY = 1.15;

const SIZES = { NT: [256, 768, 384], NN: [256, 384, 768], TN: [768, 384, 256] } as const;

/** Hexadecimal digits that change whenever a candidate's WGSL does: what was measured of another kernel says nothing. */
export async function kernelDigest(): Promise<string> {
  const epilogue = { bias: false, gelu: false };
  const textures = forms.flatMap((form) => tiles.map((tile) => textureMatmulKernel(form, tile, epilogue).code));
  const bytes = new TextEncoder().encode([tileKernel.code, JSON.stringify(SIZES), ...textures].join());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return digest.slice(0, 8).toHex();
}

/** Times each candidate of each form (0.15 GFLOP each) and takes the first that no later one clearly beats. */
export async function measureSchedules(gpu: Gpu, pipelines: PipelineCache): Promise<MeasuredSchedules> {
  const defaults = defaultSchedules(gpu.report.isCpu);
  const untextured = { ...defaults, texture: null };
  const rates = { NT: 0, NN: 0, TN: 0 };
  const best: Partial<Record<MatmulForm, TextureTile>> = {};
  let textured = 0, tiled = 0;
  for (const form of forms) {
    for (const tile of tiles) {
      const texture = { NT: tile, NN: tile, TN: tile };
      const rate = await measure(gpu, pipelines, form, { ...defaults, texture });
      if (rate > rates[form] * (best[form] ? CLEARLY : 1)) [rates[form], best[form]] = [rate, tile];
    }
    const rate = await measure(gpu, pipelines, form, untextured);
    textured += 1 / rates[form];
    tiled += 1 / rate;
    rates[form] = Math.max(rate, rates[form]);
  }
  // One choice for all forms, by the time of one product of each: a step does as many of each.
  const useTextures = textured < tiled;
  return {
    schedules: {
      ...defaults,
      texture: useTextures ? best as Record<MatmulForm, TextureTile> : null,
      attentionTexture: useTextures,
    },
    rates,
  };
}

/** GFLOP/s of one product, the better of two runs after one that compiles. */
async function measure(gpu: Gpu, pipelines: PipelineCache, form: MatmulForm, schedules: Schedules): Promise<number> {
  const [M, N, K] = SIZES[form];
  const recorder = new Recorder(gpu);
  const tape = new Tape(recorder, { schedules });
  const a = ownedTensor(gpu, form === "TN" ? [K, M] : [M, K]);
  const b = ownedTensor(gpu, form === "NT" ? [N, K] : [K, N]);
  const out = ownedTensor(gpu, [M, N]);
  matmul(tape, form, a, b, { tensor: out, accumulate: 0 });
  const program = recorder.build(pipelines, stepFields);
  const step = Object.fromEntries(stepFields.map(({ name }) => [name, 0]));
  try {
    let fastest = Infinity;
    for (let run = 0; run < 3; run++) {
      const [{ ns }] = gpu.report.features.includes("timestamp-query")
        ? await program.profile(step)
        : [{ ns: await wallClock(gpu, () => program.run(step)) }];
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
