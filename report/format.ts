// Numbers as people read them, the same in reports and in the terminal.

/** `1234.6` -> `1,235`. */
export function whole(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : "–";
}

/** `0.3456` -> `34.6 %`; what is rounded to nothing but is not nothing says so. */
export function percent(share: number): string {
  if (!Number.isFinite(share)) return "–";
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  if (share < 1 && share > 0.9995) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}

/** `count of total` with its share: `17 (3.4 %)`. */
export function counted(count: number, total: number): string {
  return `${whole(count)} (${percent(total === 0 ? 0 : count / total)})`;
}

/** `1 battle`, `2 battles`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${whole(count)} ${count === 1 ? one : many}`;
}

/** A text from a file, fit for one line of a terminal or a cell of a table: white space and control characters are spaces,
 *  signs that turn the direction of writing are gone, and what is longer than `most` characters ends in an ellipsis. */
export function oneLine(text: string, most: number): string {
  // Cut before all else, so that a long text costs little; a copy, so that it is not kept alive by its beginning.
  const start = text.slice(0, most * 8).replaceAll(/[\u202a-\u202e\u2066-\u2069]/g, "");
  const characters = [...start.replaceAll(/[\s\p{Cc}]+/gu, " ").trim().toWellFormed()];
  const isWhole = characters.length <= most && text.length <= most * 8;
  return isWhole ? characters.join("") : `${characters.slice(0, most - 1).join("")}…`;
}

/** Rows of cells as lines, each column as wide as its widest cell, by characters.
 *  @param words columns that hold words and stand to the left; the others to the right */
export function aligned(rows: readonly (readonly string[])[], words = 1): string[] {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => [...cells[column]].length)));
  return rows.map((cells) =>
    cells.map((cell, column) => {
      const room = " ".repeat(widths[column] - [...cell].length);
      return column < words ? cell + room : room + cell;
    }).join("  ").trimEnd()
  );
}

/** `75000` -> `1 min 15 s`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 && minutes < 10 ? `${minutes} min ${seconds % 60} s` : `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
