// The gradient of a row of relative scores that one invocation owns, as WGSL for both schedules of attention. Columns rise or
// fall along the row's loop, so that a column is done when the next one comes: a sum in a fixed order, stored once, with
// zeros between. `size` holds `columns`, `firstHead` and `headCount`.

/** A half of the scores: `c2p`, whose rows are queries and whose columns fall along the keys, or `p2c`, whose rows are keys. */
export type RelativeHalf = "c2p" | "p2c";

/** The first element of a row of either half. */
export const relativeAt = `
fn relative_at(row: u32, head: u32) -> u32 { return (row * size.headCount + head - size.firstHead) * size.columns; }
`;

/** The binding of a half's gradient, and `clear_c2p` or `clear_p2c`. */
export function gradientBinding(half: RelativeHalf, at: number): string {
  return `
@group(0) @binding(${at}) var<storage, read_write> d${half}: array<f32>;
fn clear_${half}(place: u32, first: u32, past: u32) {
  for (var c = first; c < past; c++) { d${half}[place + c] = 0.0; }
}
`;
}

/** Names of a row's variables. */
export interface RunNames {
  /** Whether the invocation may store the row. */
  own: string;
  /** The row's first element. */
  place: string;
  /** The columns that are written, vec2u. */
  whole: string;
  /** The column that is being summed, and its sum: variables. */
  column: string;
  sum: string;
}

/** Statements before, in and after a row's loop; the first column is set before. */
export interface ColumnRun {
  open: string;
  add(at: string, ds: string): string;
  close: string;
}

export function columnRun(half: RelativeHalf, { own, place, whole, column, sum }: RunNames): ColumnRun {
  const falls = half === "c2p";
  const clear = (first: string, past: string) => `clear_${half}(${place}, ${first}, ${past});`;
  const below = (past: string) => clear(`${whole}.x`, past),
    above = (last: string) => clear(`${last} + 1u`, `${whole}.y`);
  const store = `d${half}[${place} + ${column}] = ${sum};`;
  return {
    open: `if (${own}) { ${falls ? above(column) : below(column)} }`,
    add: (at, ds) => `
  if (${at} != ${column}) {
    if (${own}) {
      ${store}
      ${falls ? clear(`${at} + 1u`, column) : clear(`${column} + 1u`, at)}
    }
    ${column} = ${at};
    ${sum} = 0.0;
  }
  ${sum} += ${ds};`,
    close: `if (${own}) { ${store} ${falls ? below(column) : above(column)} }`,
  };
}
