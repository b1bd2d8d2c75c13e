// Battles from a CSV file in Kaggle's layout. docs/formats.md says what each column may hold.
import { InputError } from "../errors.ts";
import type { Battle, Outcome } from "./battle.ts";
import { type CsvRow, quoted, readCsv } from "./csv.ts";

const textColumns = ["prompt", "response_a", "response_b"];
const labelColumns = ["winner_model_a", "winner_model_b", "winner_tie"];
const truthColumns = ["true_a", "true_b", "true_tie"];

export interface ReadOptions {
  /** Refuse a file or row without an outcome. @default {false} */
  requireLabels?: boolean;
  /** Called with each row before its battle comes, for those who look at the cells themselves. */
  onRow?: (row: CsvRow) => void;
}

/** Reads battles one by one; the file never stands in memory as a whole.
 *  @throws {InputError} with file, row and column */
export async function* readBattles(path: string, options: ReadOptions = {}): AsyncGenerator<Battle> {
  const { requireLabels = false, onRow } = options;
  const rowOfId = new Map<string, number>();
  for await (const row of readCsv(path, ["id", ...textColumns, ...(requireLabels ? labelColumns : [])])) {
    const id = row.cell("id")!;
    if (id === "") throw new InputError(`Cannot read ${path} row ${row.row}: id is empty: give each battle an id`);
    checkIdIsNew(path, id, row.row, rowOfId);
    const [prompt, responseA, responseB] = textColumns.map((column) => parseTurns(row.cell(column)!));
    const battle: Battle = { id, row: row.row, prompt, responseA, responseB };
    const label = readLabel(path, row, requireLabels);
    if (label !== undefined) battle.label = label;
    const truth = readTruth(path, row);
    if (truth !== undefined) battle.truth = truth;
    const modelA = row.cell("model_a"), modelB = row.cell("model_b");
    if (modelA !== undefined) battle.modelA = modelA;
    if (modelB !== undefined) battle.modelB = modelB;
    onRow?.(row);
    yield battle;
  }
  if (rowOfId.size === 0) {
    throw new InputError(`Cannot read ${path}: there is no row below the header: give at least one battle`);
  }
}

/** Notes an id's row. @throws {InputError} if an earlier row has the same id */
export function checkIdIsNew(path: string, id: string, row: number, rowOfId: Map<string, number>): void {
  const earlier = rowOfId.get(id);
  if (earlier !== undefined) {
    throw new InputError(
      `Cannot read ${path} row ${row}: id ${quoted(id)} is in row ${earlier} already: give each row its own id`,
    );
  }
  rowOfId.set(id, row);
}

/** The turns of a cell: a JSON array's elements, or else the whole cell as one turn. A turn that is `null` is empty, any
 *  other turn that is not a string is its JSON text. Lone surrogates written as escapes stay as they are. */
export function parseTurns(cell: string): string[] {
  if (!/^\s*\[/.test(cell)) return [cell];
  try {
    // A number keeps the digits it was written with: 1.0 stays "1.0", and long ones are not rounded.
    const turns: unknown = JSON.parse(cell, (_key, value, context?: { source?: string }) => {
      return typeof value === "number" ? new WrittenNumber(context?.source ?? String(value)) : value;
    });
    return Array.isArray(turns) ? turns.map(turnText) : [cell];
  } catch {
    return [cell];
  }
}

class WrittenNumber {
  constructor(readonly digits: string) {}
  toJSON(): unknown {
    return Number(this.digits);
  }
}

function turnText(turn: unknown): string {
  if (typeof turn === "string") return turn;
  if (turn === null) return "";
  return turn instanceof WrittenNumber ? turn.digits : JSON.stringify(turn);
}

function readLabel(path: string, row: CsvRow, required: boolean): Outcome | undefined {
  const cells = labelColumns.map((column) => row.cell(column));
  if (cells.every((cell) => cell === undefined || cell === "") && !required) return undefined;
  const flags = cells.map((cell, index) => {
    if (cell === "0" || cell === "0.0") return 0;
    if (cell === "1" || cell === "1.0") return 1;
    const found = cell === undefined ? "missing" : JSON.stringify(cell.slice(0, 40));
    throw new InputError(`Cannot read ${path} row ${row.row}: ${labelColumns[index]} is ${found}, must be 0 or 1`);
  });
  if (flags.filter((flag) => flag === 1).length !== 1) {
    throw new InputError(
      `Cannot read ${path} row ${row.row}: ${labelColumns.join(", ")} are ${flags.join(", ")}, ` +
        "exactly one must be 1",
    );
  }
  return flags.indexOf(1) as Outcome;
}

function readTruth(path: string, row: CsvRow): [number, number, number] | undefined {
  const cells = truthColumns.map((column) => row.cell(column));
  if (cells.some((cell) => cell === undefined)) return undefined;
  const truth = cells.map((cell) => cell === "" ? NaN : Number(cell)) as [number, number, number];
  const sum = truth[0] + truth[1] + truth[2];
  if (!truth.every((p) => p >= 0 && p <= 1) || Math.abs(sum - 1) > 1e-6) {
    throw new InputError(
      `Cannot read ${path} row ${row.row}: ${truthColumns.join(", ")} are ${
        cells.map((cell) => quoted(cell!)).join(", ")
      }, ` +
        "must be probabilities that add up to 1",
    );
  }
  return truth;
}
