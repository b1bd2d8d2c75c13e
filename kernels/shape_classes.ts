// Classes of products whose best tiles are likely the same: by form, rows, columns and length of the sum. Few enough that the
// classes a program uses are timed in seconds, and the choices serve other programs too.
import { type MatmulForm } from "./matmul_texture.ts";

/** Rows and columns of the result, steps of the sum. */
export type ProductSize = readonly [M: number, N: number, K: number];

/** Up to 64: ranks of adapters, rows of small batches. 512 lies between the two widths of most small models' layers. */
const bounds = { M: [64, 512], N: [64, 512], K: [512] } as const;

/** What stands for each range when a class is timed: at most 0.45 GFLOP on a CPU adapter, a layer of MiniLM on a GPU. */
const sizes = {
  cpu: { M: [32, 128, 384], N: [16, 256, 768], K: [256, 768] },
  gpu: { M: [32, 256, 2048], N: [16, 384, 1536], K: [384, 1536] },
} as const;

/** Ranks and tokens of the adapters that stand for products of few ranks. */
const RANKS = 16, TOKENS = 2048;

/** The class of a product, as files name it: `NT M>512 N<=512 K<=512`; a range ends where the bound below it ends. */
export function shapeClass(form: MatmulForm, [M, N, K]: ProductSize): string {
  return className(form, [rangeOf(M, bounds.M), rangeOf(N, bounds.N), rangeOf(K, bounds.K)]);
}

/** The first range whose bound is not below the length. */
function rangeOf(length: number, bounds: readonly number[]): number {
  const range = bounds.findIndex((bound) => length <= bound);
  return range < 0 ? bounds.length : range;
}

function className(form: MatmulForm, [m, n, k]: readonly number[]): string {
  const text = (name: keyof typeof bounds, range: number) => {
    const limits = bounds[name];
    return range < limits.length ? `${name}<=${limits[range]}` : `${name}>${limits.at(-1)}`;
  };
  return `${form} ${text("M", m)} ${text("N", n)} ${text("K", k)}`;
}

/** What is timed for a class. */
export interface ClassProduct {
  form: MatmulForm;
  size: ProductSize;
  /** An adapter's: x A^T (few columns of NT), the gradient of A or B (few rows of TN). @default {false} */
  lowRank?: boolean;
}

/** The product that stands for each class, by its name. */
export const classProducts: Readonly<Record<"cpu" | "gpu", ReadonlyMap<string, ClassProduct>>> = {
  cpu: allProducts("cpu"),
  gpu: allProducts("gpu"),
};

function allProducts(kind: "cpu" | "gpu"): Map<string, ClassProduct> {
  const all = new Map<string, ClassProduct>();
  for (const form of ["NT", "NN", "TN"] as const) {
    for (const [m, M] of sizes[kind].M.entries()) {
      for (const [n, N] of sizes[kind].N.entries()) {
        for (const [k, K] of sizes[kind].K.entries()) {
          all.set(className(form, [m, n, k]), productOf(form, [m, n], [M, N, K]));
        }
      }
    }
  }
  return all;
}

function productOf(form: MatmulForm, [m, n]: readonly number[], [M, N, K]: ProductSize): ClassProduct {
  if (form === "NT" && n === 0) return { form, size: [TOKENS, RANKS, K], lowRank: true };
  if (form === "TN" && m === 0) return { form, size: [RANKS, Math.max(N, 64), TOKENS], lowRank: true };
  return { form, size: [form === "TN" ? Math.ceil(M / 64) * 64 : M, form === "NT" ? N : Math.max(N, 64), K] };
}
