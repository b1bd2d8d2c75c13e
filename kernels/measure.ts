// Chooses schedules by a short measurement on the adapter at hand: absolute speeds differ tenfold between adapters, and on
// Mesa's CPU adapter even between driver versions.
import { type Gpu } from "../gpu/device.ts";
import { type PipelineCache } from "../gpu/pipelines.ts";
import { type MatmulForm, textureMatmulKernel, type TextureTile } from "./matmul_texture.ts";
import { tileMatmulKernel, type WorkgroupTile } from "./matmul_tile.ts";
import { type Candidate, type Measured, measureVariants, type Variant } from "./measure_product.ts";
import { defaultSchedules, type Schedules, smallTile } from "./schedules.ts";
import { classProducts, type ProductSize } from "./shape_classes.ts";

/** What was measured: the schedules, and the best rate of each form in GFLOP/s. */
export interface MeasuredSchedules {
  schedules: Schedules;
  rates: Record<MatmulForm, number>;
}

const forms: MatmulForm[] = ["NT", "NN", "TN"];

// The tiles worth having: 63.4 / 67.0 / 64.8 GFLOP/s (NT / NN / TN), 64.3 / 64.4 / 65.6 and 59.3 / 62.8 / 59.5
// (2048 x 384 x 1536, best of 7, llvmpipe LLVM 15.0.6 256 bits, 2 cores, 2026-11-24); 24 x 4 and 32 x 4 gain nothing.
export const textureTiles: TextureTile[] = [
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

/** 0.15 GFLOP each on a CPU adapter; MiniLM's layer of 2,048 tokens on a GPU, which the first would leave half empty. */
const SIZES: Record<"cpu" | "gpu", Record<MatmulForm, ProductSize>> = {
  cpu: { NT: [256, 768, 384], NN: [256, 384, 768], TN: [768, 384, 256] },
  gpu: { NT: [2048, 1536, 384], NN: [2048, 384, 1536], TN: [1536, 384, 2048] },
};

/** A gradient of few outputs over many tokens. */
const SPLIT_SIZE: ProductSize = [384, 384, 4096];

/** Hexadecimal digits that change whenever a candidate's WGSL does: what was measured of another kernel says nothing. */
export async function kernelDigest(): Promise<string> {
  const codes = [
    ...forms.flatMap((form) =>
      textureTiles.map((tile) => textureMatmulKernel(form, tile, { accumulate: form === "TN" }).code)
    ),
    ...workgroupTiles.flatMap((tile) => [false, true].map((split) => tileMatmulKernel(tile, { split }).code)),
  ];
  const classes = (["cpu", "gpu"] as const).flatMap((kind) => [...classProducts[kind]]);
  const bytes = new TextEncoder().encode([JSON.stringify([SIZES, SPLIT_SIZE, splits, ...classes]), ...codes].join());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return digest.slice(0, 8).toHex();
}

/** Times each candidate of each form and takes the first that no later one clearly beats. */
export async function measureSchedules(
  gpu: Gpu,
  pipelines: PipelineCache,
  onCandidate: (candidate: Candidate) => void = () => {},
): Promise<MeasuredSchedules> {
  const defaults = { ...defaultSchedules(gpu.report.isCpu), classes: {} };
  const sizes = SIZES[gpu.report.isCpu ? "cpu" : "gpu"];
  const measure = async (form: MatmulForm, variants: readonly Variant[], size = sizes[form]) => {
    const measured = await measureVariants(gpu, pipelines, { form, size }, variants);
    measured.forEach(({ rate }, i) => onCandidate({ form, name: variants[i].name, rate }));
    return measured;
  };
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
    const measured = await measure(form, [...textureVariants, ...tileVariants([smallTile])]);
    tileRates[form] = measured.pop()!.rate;
    const chosen = firstUnbeaten(measured);
    [texture[form], textureRates[form]] = [textureTiles[chosen], measured[chosen].rate];
  }
  // One choice for all forms, by the time of one product of each: a step does as many of each.
  const time = (rates: Record<MatmulForm, number>) => forms.reduce((sum, form) => sum + 1 / rates[form], 0);
  let splitGroups = defaults.splitGroups;
  // Where textures win by far, as on CPU adapters, tiles serve operands that fit no texture: the small one will do.
  if (time(tileRates) < 2 * time(textureRates)) {
    for (const form of forms) {
      const measured = await measure(form, tileVariants(workgroupTiles));
      const chosen = firstUnbeaten(measured);
      [tile[form], tileRates[form]] = [workgroupTiles[chosen], measured[chosen].rate];
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
function firstUnbeaten(measured: readonly Measured[]): number {
  return measured.reduce((best, { speed }, i) => speed > measured[best].speed * CLEARLY ? i : best, 0);
}
