// Which variant of a kernel runs where it has several: data, chosen by measurement on the adapter and written to run.json.
import { type MatmulForm, type TextureTile } from "./matmul_texture.ts";
import { type WorkgroupTile } from "./matmul_tile.ts";
import { classProducts, type ProductSize, shapeClass } from "./shape_classes.ts";

/** How one product runs. */
export interface ProductTiles {
  /** Null where the workgroup-memory kernel is the faster one. */
  texture: TextureTile | null;
  /** In workgroup memory, also where an operand does not fit a texture. */
  tile: WorkgroupTile;
}

/** How matmuls run: operands as textures where their widths allow it, or tiles in workgroup memory. */
export interface Schedules {
  /** Tile of each form; null where the workgroup-memory kernel is the faster one. */
  texture: Readonly<Record<MatmulForm, TextureTile>> | null;
  /** Tile of each form in workgroup memory, also where textures are the rule and an operand does not fit one. */
  tile: Readonly<Record<MatmulForm, WorkgroupTile>>;
  /** What runs differently, by the names of shape_classes.ts: classes of products that were timed. */
  classes?: Readonly<Record<string, ProductTiles>>;
  /** A weight's gradient with fewer groups divides its sum over tokens among as many; 0: never. */
  splitGroups: number;
  /** Whether attention reads q, k and v as textures. */
  attentionTexture: boolean;
  /** Whether row-wise kernels give a row to a whole group (GPUs) or to one invocation (CPU adapters). */
  rowPerGroup: boolean;
}

/** 32 x 32 outputs, 4 x 4 an invocation: little workgroup memory and few registers, for an adapter nobody measured. */
export const smallTile: WorkgroupTile = { rows: 1, columns: 1, sums: 16, group: [8, 8] };

/** Schedules for an adapter nobody measured: textures win by 6 to 10 times on CPU adapters, workgroup memory on GPUs. */
export function defaultSchedules(isCpu: boolean): Schedules {
  const tiles = { NT: smallTile, NN: smallTile, TN: smallTile };
  if (!isCpu) return { texture: null, tile: tiles, splitGroups: 512, attentionTexture: false, rowPerGroup: true };
  // 16 rows x 2 vec4f, 8 x 1 invocations: 62 to 67 GFLOP/s in each form, as 16 x 4, whose cold compile takes twice as long;
  // 8 x 4 reaches 57 to 61 (2048 x 384 x 1536, llvmpipe LLVM 15.0.6 256 bits, Mesa 22.3.6, 2 cores, 2026-11-24).
  const tile: TextureTile = { rows: 16, columns: 2, group: [8, 1] };
  const texture = { NT: tile, NN: tile, TN: tile };
  // x A^T of adapters: 8 x 16 is 15 to 30 % faster than 16 x 8 at ranks of 16 (as above): bench/tried.md.
  const thin: ProductTiles = { texture: { rows: 8, columns: 4, group: [8, 1] }, tile: smallTile };
  const classes = { [shapeClass("NT", [2048, 16, 384])]: thin, [shapeClass("NT", [2048, 16, 1536])]: thin };
  return { texture, classes, tile: tiles, splitGroups: 0, attentionTexture: true, rowPerGroup: false };
}

/** The tiles of a product: those of its class where it was timed, else those of its form. */
export function tilesOf({ classes, texture, tile }: Schedules, form: MatmulForm, size: ProductSize): ProductTiles {
  return classes?.[shapeClass(form, size)] ?? { texture: texture && texture[form], tile: tile[form] };
}

/** Whether `value`, read from a file, is a `Schedules` that the kernels can take. */
export function isSchedules(value: unknown): value is Schedules {
  const { texture, tile, classes = {}, splitGroups, attentionTexture, rowPerGroup } = (value ?? {}) as Partial<
    Record<keyof Schedules, unknown>
  >;
  if (typeof attentionTexture !== "boolean" || typeof rowPerGroup !== "boolean" || texture === undefined) return false;
  return ofEachForm(tile, isWorkgroupTile) && isClasses(classes) &&
    (splitGroups === 0 || isCount(splitGroups, 1 << 16)) &&
    (texture === null || ofEachForm(texture, isTextureTile));
}

function ofEachForm(value: unknown, is: (tile: unknown) => boolean): boolean {
  const tiles = (value ?? {}) as Partial<Record<MatmulForm, unknown>>;
  return [tiles.NT, tiles.NN, tiles.TN].every(is);
}

function isClasses(value: unknown): boolean {
  return typeof value === "object" && value !== null &&
    Object.entries(value).every(([name, tiles]) => classProducts.cpu.has(name) && isProductTiles(tiles));
}

function isProductTiles(value: unknown): boolean {
  const { texture, tile } = (value ?? {}) as Partial<Record<keyof ProductTiles, unknown>>;
  return (texture === null || isTextureTile(texture)) && isWorkgroupTile(tile);
}

function isTextureTile(value: unknown): value is TextureTile {
  const { rows, columns, group } = (value ?? {}) as Partial<Record<keyof TextureTile, unknown>>;
  return isCount(rows, 32) && rows % 4 === 0 && isCount(columns, 16) && isGroup(group);
}

function isWorkgroupTile(value: unknown): value is WorkgroupTile {
  const { rows, columns, sums, group } = (value ?? {}) as Partial<Record<keyof WorkgroupTile, unknown>>;
  return isCount(rows, 4) && isCount(columns, 4) && isCount(sums, 64) && sums % 4 === 0 && isGroup(group);
}

function isGroup(group: unknown): boolean {
  return Array.isArray(group) && group.length === 2 && group.every((n) => isCount(n, 64));
}

function isCount(n: unknown, most: number): n is number {
  return Number.isInteger(n) && (n as number) >= 1 && (n as number) <= most;
}
