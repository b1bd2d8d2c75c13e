// Relative positions in attention with textures: what is added to a score, and the gradient of the rows that an invocation
// owns. As in relative_positions.ts, with c2p and p2c as textures, and each row's running column in named variables.
import { times } from "./attention_texture_code.ts";
import { columnSource, type RelativeForm } from "./relative_positions.ts";

/** Bindings and functions; nothing where there are no relative positions. */
export function relativeSource({ c2p, p2c }: RelativeForm): string {
  if (!c2p && !p2c) return "";
  const half = (name: string, at: number) => `
@group(0) @binding(${at}) var ${name}: texture_storage_2d<rgba32float, read>;
@group(0) @binding(${at + 1}) var<storage, read_write> d${name}: array<f32>;
fn ${name}_at(row: u32, head: u32, at: u32) -> f32 {
  let four = textureLoad(${name}, vec2u((head - size.firstHead) * (size.columns / 4u) + at / 4u, row));
  let odd = (at & 1u) != 0u;
  return select(select(four.x, four.y, odd), select(four.z, four.w, odd), (at & 2u) != 0u);
}
fn clear_${name}(place: u32, first: u32, past: u32) {
  for (var c = first; c < past; c++) { d${name}[place + c] = 0.0; }
}
`;
  return `${columnSource(true)}
fn relative_at(row: u32, head: u32) -> u32 { return (row * size.headCount + head - size.firstHead) * size.columns; }
${c2p ? half("c2p", 10) : ""}${p2c ? half("p2c", 12) : ""}`;
}

/** What a pair's score gets: ` + c2p + p2c` at the column in the variable `at`. */
export function bias(
  { c2p, p2c }: RelativeForm,
  { query, key, head, at }: { query: string; key: string; head: string; at: string },
): string {
  return (c2p ? ` + c2p_at(${query}, ${head}, ${at})` : "") + (p2c ? ` + p2c_at(${key}, ${head}, ${at})` : "");
}

/**
 * Texels with the columns of consecutive distances, four each, named near0, near1, ...: of \`query\` - \`key\` and those after it.
 *
 * @returns their declarations and the name of the column at so many distances further on
 */
export function nearColumns(
  { c2p, p2c }: RelativeForm,
  { distances, query, key }: { distances: number; query: string; key: string },
): { declare: string; at: (further: number) => string } {
  const texels = c2p || p2c ? Math.ceil(distances / 4) : 0;
  return {
    declare: times(texels, (i) => `let near${i} = columns_from(${query} + ${4 * i}u, ${key});`),
    at: (further) => `near${further >> 2}.${"xyzw"[further & 3]}`,
  };
}

/** Code for the gradient of row r of an invocation's \`rows\`: before, in and after its loop. */
export interface OwnedRows {
  open: (r: number) => string;
  add: (r: number, at: string) => string;
  close: (r: number) => string;
}

/** The gradient of c2p where the rows are queries (columns fall along the keys), of p2c where they are keys (they rise). */
export function ownedRows(form: RelativeForm, side: "query" | "key"): OwnedRows {
  const name = side === "query" ? "c2p" : "p2c", falls = side === "query", head = falls ? "head" : "key_head";
  if (!form[name]) return { open: () => "", add: () => "", close: () => "" };
  const between = (first: string, past: string) => `clear_${name}(place_${name}${r_}, ${first}, ${past});`;
  // Replaced by the row's number.
  const r_ = "#";
  const of = (code: string) => (r: number) => code.replaceAll(r_, String(r));
  return {
    open: of(`
  let own# = first + #u < block.y;
  let place_${name}# = relative_at(row#, ${head});
  let whole# = ${side}_band(block);
  var column# = ${falls ? "column(row#, start)" : "column(start, row#)"};
  var run# = 0.0;
  if (own#) { ${falls ? between("column# + 1u", "whole#.y") : between("whole#.x", "column#")} }`),
    add: (r, at) =>
      of(`
      if (${at} != column#) {
        if (own#) {
          d${name}[place_${name}# + column#] = run#;
          ${falls ? between(`${at} + 1u`, "column#") : between("column# + 1u", at)}
        }
        column# = ${at};
        run# = 0.0;
      }
      run# += ds;`)(r),
    close: of(`
    d${name}[place_${name}# + column#] = run#;
    ${falls ? between("whole#.x", "column#") : between("column# + 1u", "whole#.y")}`),
  };
}
