// Reads the goldens that tests/oracle/*.py make from PyTorch, packs their battles, and measures a gradient against them
// in shares of the tolerance. Formats: tests/oracle/README.md; signs and positions: tests/oracle/projections.py.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { PackedBatch } from "../data/batch.ts";
import { openSafetensors } from "../model/safetensors.ts";

export interface GoldenSequence {
  side: "ab" | "a" | "b";
  inputIds: number[];
  tokenTypeIds: number[];
}

export interface GoldenBattle {
  /** [ab] when the pairing is joint, else [a, b]. */
  sequences: GoldenSequence[];
  /** Probabilities of A wins, B wins, tie, before label smoothing; not always one-hot. */
  target: [number, number, number];
  weight: number;
}

/** What PyTorch computed in one precision: logits [battles][3] before the first and after the last step. */
export interface GoldenResults {
  logits: number[][];
  finalLogits: number[][];
  losses: number[];
  /** Of all gradients together, before clipping. */
  gradNorms: number[];
}

/** The first step's gradient of one tensor: all of it, or a summary where it is too large to store. */
export interface StoredGradient {
  name: string;
  shape: number[];
  norm: number;
  /** All elements, or those at `positions`. */
  values: Float32Array<ArrayBuffer>;
  summary?: {
    positions: Uint32Array;
    /** How many elements the positions were drawn from. */
    choices: number;
    projections: number[];
  };
}

export interface Golden extends GoldenResults {
  name: string;
  /** `model_type` of its config.json. */
  modelType: string;
  /** Holds config.json and model.safetensors (tiny cases), head.safetensors (siamese, and MiniLM's joint classifier). */
  folder: string;
  why: string;
  pairing: "joint" | "siamese";
  head: "swap" | "concat" | null;
  /** The form of the base's dense weights; absent: floats. */
  quant?: "nf4" | "int8";
  hyper: {
    clip: number;
    weightDecay: number;
    beta1: number;
    beta2: number;
    eps: number;
    labelSmoothing: number;
  };
  battles: GoldenBattle[];
  /** Micro-batches hold indices of `battles`; PyTorch took each step's battles at once. */
  steps: { lr: number; microBatches: number[][] }[];
  float64: GoldenResults;
  /** How far PyTorch's float32 is from its float64; the gradient as share of its tolerance. */
  float32Error: { logits: number; losses: number; finalLogits: number; gradientShare: number; gradientWorst: string };
  /** By checkpoint name; parameters without part in the loss (an unused pooler) have none. */
  gradients: Map<string, StoredGradient>;
  /** Norm of all gradients of the first step. */
  totalNorm: number;
}

/** The promised tolerances let a wrong GELU form pass: it uses 0.8 of the gradient tolerance in some tiny goldens (table
 *  in docs/numerics.md). These notice it, and lie 10 times or more above PyTorch's own float32 error: logits 1.2e-6,
 *  gradient share 0.015, losses 4e-6, final logits 1e-5. */
export const tightLimits = { logits: 2e-5, gradientShare: 0.2, losses: 5e-5, finalLogits: 1e-4 };

export const tinyGoldens = [
  ...["odd", "one_layer", "long", "tiles", "wide_heads"].map((name) => `bert_${name}`),
  ...[
    "llama",
    "llama3",
    "mistral",
    "mistral_wide",
    "qwen2",
    "qwen2_window",
    "qwen3",
    "qwen3_swap",
    "gemma2",
    "gemma2_plain",
    "gemma3",
    "gemma3_swap",
  ]
    .map((name) => `decoder_${name}`),
  ...[
    "roberta",
    "roberta_swap",
    "xlm_roberta",
    "xlm_roberta_concat",
    "modernbert",
    "modernbert_mean",
    "modernbert_swap",
  ]
    .map((name) => `encoder_${name}`),
  ...["v3", "v3_concat", "v2_xlarge", "v2_plain", "v2_p2c", "v2_absolute"].map((name) => `deberta_${name}`),
];

/** Reads `tests/goldens/<name>/`. */
export async function loadGolden(name: string): Promise<Golden> {
  const folder = fileURLToPath(new URL(`./goldens/${name}/`, import.meta.url));
  const { gradients: figures, ...golden } = JSON.parse(await Deno.readTextFile(`${folder}golden.json`));
  const file = await openSafetensors(`${folder}${figures ? "slices" : "gradients"}.safetensors`);
  const gradients = new Map<string, StoredGradient>();
  for (const [tensor, info] of file.tensors) {
    const values = await file.readF32(tensor);
    if (figures) {
      const { shape, norm, projections, rows } = figures[tensor];
      const choices = rows ? rows.length * shape.at(-1) : elements(shape);
      const summary = { positions: positions(tensor, shape, rows), choices, projections };
      gradients.set(tensor, { name: tensor, shape, norm, values, summary });
    } else {
      gradients.set(tensor, { name: tensor, shape: info.shape, norm: norm(values), values });
    }
  }
  file.close();
  return {
    modelType: "bert",
    ...golden,
    folder,
    gradients,
    totalNorm: Math.hypot(...[...gradients.values()].map((g) => g.norm)),
  };
}

/** The chosen battles as a micro-batch, targets smoothed. */
export function packGolden({ battles, hyper }: Golden, indices: number[]): PackedBatch {
  const chosen = indices.map((index) => battles[index]);
  const sequences = chosen.flatMap((battle) => battle.sequences);
  const lengths = sequences.map(({ inputIds }) => inputIds.length);
  const starts = [0];
  for (const length of lengths) starts.push(starts.at(-1)! + length);
  const perBattle = chosen[0].sequences.length;
  const smoothed = (p: number) => p * (1 - hyper.labelSmoothing) + hyper.labelSmoothing / 3;
  return {
    tokens: starts.at(-1)!,
    segments: sequences.length,
    battles: chosen.length,
    inputIds: Uint32Array.from(sequences.flatMap(({ inputIds }) => inputIds)),
    tokenTypeIds: Uint32Array.from(sequences.flatMap(({ tokenTypeIds }) => tokenTypeIds)),
    positions: Uint32Array.from(lengths.flatMap((length) => Array.from({ length }, (_, position) => position))),
    starts: Uint32Array.from(starts),
    sides: Uint32Array.from(chosen.flatMap((_, i) => [i * perBattle, i * perBattle + perBattle - 1])),
    targets: Float32Array.from(chosen.flatMap(({ target }) => target.map(smoothed))),
    weights: Float32Array.from(chosen, ({ weight }) => weight),
    battleIndex: Uint32Array.from(indices),
    swapped: new Uint8Array(chosen.length),
  };
}

/** Sum of the weights of a step's battles, over all its micro-batches. */
export function stepWeight({ battles, steps }: Golden, step: number): number {
  return steps[step].microBatches.flat().reduce((sum, index) => sum + battles[index].weight, 0);
}

/** Share of the tolerance |d| <= 1e-3 |g| + 1e-6 |g of all| that a gradient uses; above 1 it is wrong. Of a summary the
 *  largest of three shares: the norms' difference, |d| as the projections estimate it, and |d| on the stored slice. */
export function compareGradient(actual: Float32Array, stored: StoredGradient, totalNorm: number): number {
  assert.equal(actual.length, elements(stored.shape), `elements of the gradient of ${stored.name}`);
  const tolerance = 1e-3 * stored.norm + 1e-6 * totalNorm;
  if (!stored.summary) return share(distance(actual, stored.values), tolerance);
  const { positions, choices, projections } = stored.summary;
  const estimate = distance(project(stored.name, actual), projections) / Math.sqrt(projections.length);
  const slice = Float32Array.from(positions, (position) => actual[position]);
  // A slice of n from N elements holds sqrt(n / N) of a norm that is spread evenly; more where it has more of g.
  const spread = Math.sqrt(Math.min(1, positions.length / choices));
  const sliceTolerance = 1e-3 * Math.max(norm(stored.values), spread * stored.norm) + 1e-6 * spread * totalNorm;
  return Math.max(
    share(norm(actual) - stored.norm, tolerance),
    share(estimate, tolerance),
    share(distance(slice, stored.values), sliceTolerance),
  );
}

/** The worst of all gradients; every stored one must be there. */
export function compareGradients(
  actual: Iterable<{ name: string; data: Float32Array }>,
  golden: Golden,
): { share: number; name: string } {
  const byName = new Map([...actual].map(({ name, data }) => [name, data]));
  const worst = { share: 0, name: "" };
  for (const [name, stored] of golden.gradients) {
    const data = byName.get(name);
    assert.ok(data, `no gradient of ${name} to compare with ${golden.name}`);
    const share = compareGradient(data, stored, golden.totalNorm);
    if (share >= worst.share) Object.assign(worst, { share, name });
  }
  return worst;
}

/** 32-bit integer hash, "lowbias32" by Chris Wellons. */
export function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** What a tensor's name adds to the hash: its FNV-1a, mixed. */
export function key(name: string): number {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) state = Math.imul(state ^ byte, 0x01000193);
  return mix(state);
}

/** Eight sums of the elements under signs drawn from the hash; together they estimate a norm. */
export function project(name: string, values: Float32Array): number[] {
  const start = key(name), sums = new Float64Array(8);
  for (let i = 0; i < values.length; i++) {
    const word = mix(i ^ start), value = values[i];
    for (let k = 0; k < 8; k++) sums[k] += (word >>> k) & 1 ? -value : value;
  }
  return [...sums];
}

/** Flat indices of the stored slice: every element up to 64, else 64 drawn from `rows`, or from all of them. */
export function positions(name: string, shape: number[], rows?: number[]): Uint32Array {
  const size = elements(shape), width = shape.at(-1)!;
  if (size <= 64) return Uint32Array.from({ length: size }, (_, i) => i);
  const start = key(name);
  return Uint32Array.from({ length: 64 }, (_, n) => {
    const slot = mix(~n ^ start) % (rows ? rows.length * width : size);
    return rows ? rows[Math.floor(slot / width)] * width + slot % width : slot;
  });
}

function elements(shape: number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return Math.sqrt(sum);
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum);
}

/** NaN must never pass for a small share; two equal zeros use none of their tolerance. */
function share(difference: number, tolerance: number): number {
  const used = difference === 0 ? 0 : Math.abs(difference) / tolerance;
  return Number.isNaN(used) ? Infinity : used;
}
