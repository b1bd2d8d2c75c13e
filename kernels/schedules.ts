// Which variant of a kernel runs where it has several: data, chosen by measurement on the adapter and written to run.json.
import { type MatmulForm, type TextureTile } from "./matmul_texture.ts";

/** How matmuls run: operands as textures where their widths allow it, or tiles in workgroup memory. */
export interface Schedules {
  /** Tile of each form; null where the workgroup-memory kernel is the faster one. */
  texture: Readonly<Record<MatmulForm, TextureTile>> | null;
  /** Whether attention reads q, k and v as textures. */
  attentionTexture: boolean;
  /** Whether row-wise kernels give a row to a whole group (GPUs) or to one invocation (CPU adapters). */
  rowPerGroup: boolean;
}

/** Schedules for an adapter nobody measured: textures win by 6 to 10 times on CPU adapters, workgroup memory on GPUs. */
export function defaultSchedules(isCpu: boolean): Schedules {
  if (!isCpu) return { texture: null, attentionTexture: false, rowPerGroup: true };
  // 16 rows x 2 vec4f, 8 x 1 invocations: 62 to 67 GFLOP/s in each form, as 16 x 4, whose cold compile takes twice as long;
  // 8 x 4 reaches 57 to 61 (2048 x 384 x 1536, llvmpipe LLVM 15.0.6 256 bits, Mesa 22.3.6, 2 cores, 2026-11-24).
  const tile: TextureTile = { rows: 16, columns: 2, group: [8, 1] };
  return { texture: { NT: tile, NN: tile, TN: tile }, attentionTexture: true, rowPerGroup: false };
}

/** Whether `value`, read from a file, is a `Schedules` that the kernels can take. */
export function isSchedules(value: unknown): value is Schedules {
  const { texture, attentionTexture, rowPerGroup } = (value ?? {}) as Partial<Record<keyof Schedules, unknown>>;
  if (typeof attentionTexture !== "boolean" || typeof rowPerGroup !== "boolean" || texture === undefined) return false;
  if (texture === null) return true;
  const tiles = texture as Partial<Record<MatmulForm, unknown>>;
  return [tiles.NT, tiles.NN, tiles.TN].every((tile) => isTile(tile));
}

function isTile(value: unknown): value is TextureTile {
  const { rows, columns, group } = (value ?? {}) as Partial<Record<keyof TextureTile, unknown>>;
  const isCount = (n: unknown, most: number) => Number.isInteger(n) && (n as number) >= 1 && (n as number) <= most;
  return isCount(rows, 32) && (rows as number) % 4 === 0 && isCount(columns, 16) &&
    Array.isArray(group) && group.length === 2 && group.every((n) => isCount(n, 64));
}
