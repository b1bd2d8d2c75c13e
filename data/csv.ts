// Rows of a CSV file, read as a stream: a header, then cells by column name. Knows nothing of battles.
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { CsvError, parse } from "csv-parse";
import { InputError } from "../errors.ts";

/** One record of a file. */
export interface CsvRow {
  /** Number of the record, the header being 1. A record may span several lines. */
  row: number;
  /** Bytes of the file read so far, this record's among them. */
  bytes: number;
  /** The cell below a column's name; undefined where the file has no such column. */
  cell(column: string): string | undefined;
}

/** Longest record read, in bytes: a quote left open would otherwise swallow the rest of the file. */
const longestRecord = 64 * 1024 * 1024;

/** Reads `path` record by record. UTF-8 (a byte order mark is dropped), comma, double quotes, any line ends.
 *  @param required columns that must be there; further columns are kept
 *  @throws {InputError} with file and row */
export async function* readCsv(path: string, required: readonly string[]): AsyncGenerator<CsvRow> {
  await checkFile(path);
  let header: string[] | undefined;
  let columns = new Map<string, number>();
  const parser = parse({
    bom: true,
    // Looked at before the parser refuses a row below it: what separates the cells may be no comma.
    on_record: (cells: string[]) => {
      if (!header) columns = readHeader(path, header = cells, required);
      return cells;
    },
    record_delimiter: ["\r\n", "\n", "\r"],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: longestRecord,
  });
  // The parser carries the file's errors on; the callback only keeps pipeline from throwing them a second time.
  const stream = createReadStream(path);
  pipeline(stream, parser, () => {});
  const check = utf8Check(path, (error) => stream.destroy(error));
  stream.on("data", (chunk) => check(chunk as Uint8Array));
  let row = 0;
  try {
    for await (const cells of parser as AsyncIterable<string[]>) {
      row++;
      if (cells === header) continue;
      if (cells.length !== header!.length) {
        throw new InputError(
          `Cannot read ${path} row ${row}: it has ${cells.length} cells, the header has ${header!.length}: ` +
            "quote cells that hold commas or line ends",
        );
      }
      yield { row, bytes: stream.bytesRead, cell: (column) => cells[columns.get(column) ?? -1] };
    }
  } catch (error) {
    throw error instanceof CsvError ? explain(path, error) : error;
  }
  if (header === undefined) {
    throw new InputError(`Cannot read ${path}: the file is empty: give a CSV file with a header`);
  }
}

/** Looks at the bytes of a file: what is no UTF-8 would be read as U+FFFD. UTF-16 has a mark that the parser knows. */
function utf8Check(path: string, refuse: (error: InputError) => void): (chunk: Uint8Array) => void {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let isUtf16: boolean | undefined;
  return (chunk) => {
    isUtf16 ??= chunk[0] === 0xff && chunk[1] === 0xfe;
    if (isUtf16) return;
    try {
      decoder.decode(chunk, { stream: true });
    } catch {
      const near = new TextDecoder().decode(chunk).match(/.{0,20}\ufffd.{0,20}/)?.[0] ?? "";
      refuse(new InputError(`Cannot read ${path}: it is no UTF-8 near ${JSON.stringify(near)}: save it as UTF-8`));
    }
  };
}

async function checkFile(path: string): Promise<void> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      throw new InputError(`Cannot open ${path}: there is no such file: check the path`);
    }
    throw error;
  }
  if (info.isDirectory) throw new InputError(`Cannot open ${path}: it is a folder: name a CSV file`);
  // A pipe can be opened once only.
  if (!info.isFile) return;
  try {
    (await Deno.open(path)).close();
  } catch (error) {
    throw new InputError(`Cannot open ${path}: ${(error as Error).message}: change its permissions`);
  }
}

function readHeader(path: string, names: string[], required: readonly string[]): Map<string, number> {
  const columns = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    if (columns.has(name)) {
      throw new InputError(`Cannot read ${path}: column ${quoted(name)} is there twice: rename one of them`);
    }
    columns.set(name, index);
  }
  refuseMissingColumns(path, required.filter((name) => !columns.has(name)), names);
  return columns;
}

function refuseMissingColumns(path: string, missing: string[], found: string[]): void {
  if (missing.length === 0) return;
  const words = missing.length === 1 ? `column ${missing[0]} is missing` : `columns ${missing.join(", ")} are missing`;
  const shown = found.slice(0, 20).map((name) => quoted(name.slice(0, 40))).join(", ");
  const advice = found.length === 1 && /[;\t]/.test(found[0])
    ? "separate cells by commas"
    : "name the columns as Kaggle does";
  throw new InputError(`Cannot read ${path}: ${words}, found ${shown}: ${advice}`);
}

/** A name as it stands in a message: on one line, in quotes only where it is no plain word. */
export function quoted(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function explain(path: string, error: CsvError): InputError {
  const context = error as CsvError & { records?: number; lines?: number };
  const where = `Cannot read ${path} row ${(context.records ?? 0) + 1} (from line ${context.lines ?? "?"})`;
  switch (error.code) {
    case "CSV_QUOTE_NOT_CLOSED":
      return new InputError(`Cannot read ${path} row ${(context.records ?? 0) + 1}: a quote is never closed: close it`);
    case "CSV_MAX_RECORD_SIZE":
      return new InputError(`${where}: the row is longer than 64 MiB: close the quote that was left open`);
    case "CSV_INVALID_CLOSING_QUOTE":
    case "INVALID_OPENING_QUOTE":
      return new InputError(`${where}: a quote stands inside a cell: double it and quote the cell`);
    default:
      return new InputError(`${where}: ${error.message.split("\n")[0]}: write the file as plain CSV`);
  }
}
