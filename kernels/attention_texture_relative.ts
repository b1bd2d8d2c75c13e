// Relative positions in attention with textures: what is added to a score, and the gradient of the rows that an invocation
// owns. As in relative_positions.ts, with c2p and p2c as textures, and each row's running column in named variables.
import { columnRun, gradientBinding, relativeAt, type RelativeHalf } from "./column_runs.ts";
import { columnSource, type RelativeForm } from "./relative_positions.ts";
import { times } from "./texture_code.ts";

/** Bindings and functions; nothing where there are no relative positions. */
export function relativeSource({ c2p, p2c }: RelativeForm): string {
  if (!c2p && !p2c) return "";
  const half = (name: RelativeHalf, at: number) => `
@group(0) @binding(${at}) var ${name}: texture_storage_2d<rgba32float, read>;
${gradientBinding(name, at + 1)}
fn ${name}_at(row: u32, first: u32, at: u32) -> f32 {
  let four = textureLoad(${name}, vec2u(first + at / 4u, row));
  let odd = (at & 1u) != 0u;
  return select(select(four.x, four.y, odd), select(four.z, four.w, odd), (at & 2u) != 0u);
}
`;
  return `${columnSource(true)}${relativeAt}${c2p ? half("c2p", 10) : ""}${p2c ? half("p2c", 12) : ""}`;
}

/** What a pair's score gets: ` + c2p + p2c` at the column in the variable `at`. */
export function bias(
  { c2p, p2c }: RelativeForm,
  { query, key, at }: { query: string; key: string; at: string },
): string {
  return (c2p ? ` + c2p_at(${query}, scores, ${at})` : "") + (p2c ? ` + p2c_at(${key}, scores, ${at})` : "");
}

/**
 * Texels with the columns of consecutive distances, four each, named near0, near1, ...: of `query` - `key` and those after it.
 *
 * @returns their declarations and the name of the column at so many distances further on
 */
export function nearColumns(
  { c2p, p2c }: RelativeForm,
  { distances, query, key }: { distances: number; query: string; key: string },
): { declare: string; at: (further: number) => string } {
  const texels = c2p || p2c ? Math.ceil(distances / 4) : 0;
  return {
    declare: times(texels, (i) => `let near${i} = columns_from(${query} + ${4 * i}u, ${key}, reach);`),
    at: (further) => `near${further >> 2}.${"xyzw"[further & 3]}`,
  };
}

/** Code for the gradient of row r of an invocation's `rows`: before, in and after its loop. */
export interface OwnedRows {
  open(r: number): string;
  add(r: number, at: string): string;
  close(r: number): string;
}

/** The gradient of c2p where the rows are queries, of p2c where they are keys. */
export function ownedRows(form: RelativeForm, side: "query" | "key"): OwnedRows {
  const half = side === "query" ? "c2p" : "p2c", head = side === "query" ? "head" : "key_head";
  if (!form[half]) return { open: () => "", add: () => "", close: () => "" };
  const run = (r: number) =>
    columnRun(half, {
      own: `own${r}`,
      place: `place_${half}${r}`,
      whole: `whole${r}`,
      column: `column${r}`,
      sum: `run${r}`,
    });
  return {
    open: (r) => `
  let own${r} = first + ${r}u < block.y;
  let place_${half}${r} = relative_at(row${r}, ${head});
  let whole${r} = ${side}_band(block);
  var column${r} = ${side === "query" ? `column(row${r}, start)` : `column(start, row${r})`};
  var run${r} = 0.0;
  ${run(r).open}`,
    add: (r, at) => run(r).add(at, "ds"),
    close: (r) => run(r).close,
  };
}
