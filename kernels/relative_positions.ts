// Scores that depend on how far a query lies from a key, as attention's kernels read them: the hook of DeBERTa's
// disentangled attention. Each query has a row of `c2p`, each key a row of `p2c`, and a pair reads both at the column of
// its distance. Nothing of [T, T] exists: rows have as many columns as there are relative embeddings.
import { ShapeError } from "../errors.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { columnRun, gradientBinding, relativeAt, type RelativeHalf } from "./column_runs.ts";
import { type Tape } from "./tape.ts";

/** Which column a distance belongs to, on the GPU. */
export interface RelativeColumns {
  /** Number of columns: rows of the relative embeddings. */
  count: number;
  /** Index of distance 0 in `table`; distances further out share the column of the last one. */
  reach: number;
  /** [1, 4 entries]: entry i is the columns of distances i - reach to i - reach + 3, so that one texel serves four keys. */
  table: Tensor;
}

/** The relative embeddings of one layer, projected. */
export interface RelativePositions {
  /** [columns, n heads D] */
  embeddings: Tensor;
  /** First column of what queries are multiplied by, "content to position"; absent: that half of the scores is not there. */
  keys?: number;
  /** First column of what keys are multiplied by, "position to content". */
  queries?: number;
  columns: RelativeColumns;
}

/**
 * Puts a table of columns on the GPU.
 *
 * @param columns of distances query - key from -n to n, never descending; distances further out are those of the ends
 * @throws {ShapeError} if the columns descend or lie outside of `count`
 */
export function relativeColumns(tape: Tape, columns: readonly number[], count: number): RelativeColumns {
  const n = (columns.length - 1) / 2, reach = n + 4;
  const falls = columns.findIndex((column, i) => !(column >= (i === 0 ? 0 : columns[i - 1]) && column < count));
  if (!Number.isInteger(n) || falls >= 0) {
    throw new ShapeError(
      `Cannot use ${columns.length} columns of distances: they must be odd in number, never descend and lie below ${count}` +
        (falls >= 0 ? `; column ${falls} is ${columns[falls]}` : ""),
    );
  }
  const at = (distance: number) => columns[Math.min(Math.max(distance + n, 0), 2 * n)];
  // 256 bytes a row, as a texture wants it.
  const entries = Math.ceil((2 * reach + 1) / 16) * 16;
  const data = Float32Array.from({ length: 4 * entries }, (_, i) => at((i >> 2) - reach + (i & 3)));
  return { count, reach, table: tape.recorder.constant([1, 4 * entries], data, "relative columns") };
}

/** Which halves of the scores exist, and where their operands lie. */
export interface RelativeForm {
  c2p: boolean;
  p2c: boolean;
}

/** Columns of a band begin and end at multiples of this: the tile of the products with textures. */
export const BAND = 16;

/**
 * WGSL of `column(query, key)` and of the bands, the columns [first, past) that the pairs of a block can have: `query_band`
 * where the block's rows are queries, `key_band` where they are keys. `size` holds `columns` and `reach`.
 */
export function columnSource(textured: boolean): string {
  const load = textured ? "textureLoad(relative, vec2u(at, 0u))" : "relative[at]";
  return `
@group(0) @binding(9) var${
    textured ? " relative: texture_storage_2d<rgba32float, read>" : "<storage, read> relative: array<vec4f>"
  };

// Columns of query - key and of the next three distances.
fn columns_from(query: u32, key: u32, reach: i32) -> vec4u {
  let at = u32(clamp(i32(query) + reach - i32(key), 0, 2 * reach));
  return vec4u(${load});
}
fn column(query: u32, key: u32) -> u32 { return columns_from(query, key, i32(size.reach)).x; }
fn band(first: u32, last: u32) -> vec2u {
  return vec2u(first / ${BAND}u * ${BAND}u, min((last / ${BAND}u + 1u) * ${BAND}u, size.columns));
}
fn query_band(block: vec4u) -> vec2u { return band(column(block.x, block.w - 1u), column(block.y - 1u, block.z)); }
fn key_band(block: vec4u) -> vec2u { return band(column(block.z, block.y - 1u), column(block.w - 1u, block.x)); }
`;
}

/** WGSL of `band_of(block)`, by `size.queries`. */
export const bandSource = `
fn band_of(block: vec4u) -> vec2u {
  if (size.queries != 0u) { return query_band(block); }
  return key_band(block);
}
`;

const none = `
fn biased(score: f32, query: u32, key: u32, head: u32) -> f32 { return score; }
fn open_query(own: bool, query: u32, head: u32, block: vec4u) {}
fn add_query(query: u32, key: u32, head: u32, ds: f32) {}
fn close_query(query: u32, head: u32, block: vec4u) {}
fn open_key(own: bool, key: u32, head: u32, block: vec4u) {}
fn add_key(query: u32, key: u32, head: u32, ds: f32) {}
fn close_key(key: u32, head: u32, block: vec4u) {}
`;

/**
 * WGSL for the tiles of attention.wgsl: `biased` adds both halves to a score; the others write the gradient of the row of
 * c2p that a query owns, and of p2c that a key owns.
 */
export function relativeTileSource({ c2p, p2c }: RelativeForm): string {
  if (!c2p && !p2c) return none;
  const half = (name: RelativeHalf, at: number) => `
@group(0) @binding(${at}) var<storage, read> ${name}: array<f32>;
${gradientBinding(name, at + 1)}`;
  return `${columnSource(false)}${relativeAt}${c2p ? half("c2p", 10) : ""}${p2c ? half("p2c", 12) : ""}
fn biased(score: f32, query: u32, key: u32, head: u32) -> f32 {
  let at = column(query, key);
  return score${c2p ? " + c2p[relative_at(query, head) + at]" : ""}${p2c ? " + p2c[relative_at(key, head) + at]" : ""};
}

// The row of an invocation: see column_runs.ts.
var<private> run_own: bool;
var<private> run_place: u32;
var<private> run_whole: vec2u;
var<private> run_column: u32;
var<private> run_sum: f32;
${c2p ? ownedRow("query") : stubs("query")}${p2c ? ownedRow("key") : stubs("key")}`;
}

function stubs(side: "query" | "key"): string {
  return none.split("\n").filter((line) => line.includes(`_${side}(`)).join("\n") + "\n";
}

/** The three functions of the side that owns a row. */
function ownedRow(side: "query" | "key"): string {
  const run = columnRun(side === "query" ? "c2p" : "p2c", {
    own: "run_own",
    place: "run_place",
    whole: "run_whole",
    column: "run_column",
    sum: "run_sum",
  });
  return `
fn open_${side}(own: bool, ${side}: u32, head: u32, block: vec4u) {
  run_own = own;
  run_place = relative_at(${side}, head);
  run_whole = ${side}_band(block);
  run_column = ${side === "query" ? "column(query, block.z)" : "column(block.z, key)"};
  run_sum = 0.0;
  ${run.open}
}
fn add_${side}(query: u32, key: u32, head: u32, ds: f32) {
  let now = column(query, key);
  ${run.add("now", "ds")}
}
fn close_${side}(${side}: u32, head: u32, block: vec4u) {
  ${run.close}
}
`;
}
