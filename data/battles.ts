// Battles from a CSV file in Kaggle's layout. docs/formats.md says what each column may hold.
import { InputError } from "../errors.ts";
import type { Battle, Outcome } from "./battle.ts";
import { type CsvRow, quoted, readCsv } from "./csv.ts";

const textColumns = ["prompt", "response_a", "response_b"];
const labelColumns = ["winner_model_a", "winner_model_b", "winner_tie"];
const truthColumns = ["true_a", "true_b", "true_tie"];
/** What `submit --with-inputs` writes and `train` learns. */
export const targetColumns = ["target_a", "target_b", "target_tie"] as const;

export interface ReadOptions {
  /** Refuse a file or row without an outcome. @default {false} */
  requireLabels?: boolean;
  /** Refuse a row with neither an outcome nor target probabilities. @default {false} */
  requireTargets?: boolean;
  /** Called with each row before its battle comes, for those who look at the cells themselves. */
  onRow?: (row: CsvRow) => void;
}

/** Reads battles one by one; the file never stands in memory as a whole.
 *  @throws {InputError} with file, row and column */
export async function* readBattles(path: string, options: ReadOptions = {}): AsyncGenerator<Battle> {
  const { requireLabels = false, requireTargets = false, onRow } = options;
  const rowOfId = new Map<string, number>();
  for await (const row of readCsv(path, ["id", ...textColumns, ...(requireLabels ? labelColumns : [])])) {
    const id = row.cell("id")!;
    if (id === "") throw new InputError(`Cannot read ${path} row ${row.row}: id is empty: give each battle an id`);
    checkIdIsNew(path, id, row.row, rowOfId);
    const [prompt, responseA, responseB] = textColumns.map((column) => parseTurns(row.cell(column)!));
    const battle: Battle = { id, row: row.row, prompt, responseA, responseB };
    const label = readLabel(path, row, requireLabels);
    if (label !== undefined) battle.label = label;
    const truth = readProbabilities(path, row, truthColumns);
    if (truth !== undefined) battle.truth = truth;
    const target = readTarget(path, row);
    if (target !== undefined) battle.target = target;
    const weight = readWeight(path, row);
    if (weight !== undefined) battle.weight = weight;
    if (requireTargets && label === undefined && target === undefined) {
      throw new InputError(
        `Cannot read ${path} row ${row.row}: it has no outcome and no ${targetColumns.join(", ")}: give one of them`,
      );
    }
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

/** Judges round: their probabilities may be off 1 by a hundredth and are divided by their sum. All cells may be empty. */
function readTarget(path: string, row: CsvRow): [number, number, number] | undefined {
  if (targetColumns.every((column) => (row.cell(column) ?? "") === "")) return undefined;
  const target = readProbabilities(path, row, targetColumns, 0.01);
  if (!target) return undefined;
  const sum = target[0] + target[1] + target[2];
  return [target[0] / sum, target[1] / sum, target[2] / sum];
}

/** Three probabilities that add up to 1; undefined where a column is missing. */
function readProbabilities(
  path: string,
  row: CsvRow,
  columns: readonly string[],
  tolerance = 1e-6,
): [number, number, number] | undefined {
  const cells = columns.map((column) => row.cell(column));
  if (cells.some((cell) => cell === undefined)) return undefined;
  const truth = cells.map((cell) => cell === "" ? NaN : Number(cell)) as [number, number, number];
  const sum = truth[0] + truth[1] + truth[2];
  if (!truth.every((p) => p >= 0 && p <= 1) || !(Math.abs(sum - 1) <= tolerance)) {
    throw new InputError(
      `Cannot read ${path} row ${row.row}: ${columns.join(", ")} are ${
        cells.map((cell) => quoted(cell!)).join(", ")
      }, ` +
        "must be probabilities that add up to 1",
    );
  }
  return truth;
}

/** The column `weight`; an empty cell is as good as none. */
function readWeight(path: string, row: CsvRow): number | undefined {
  const cell = row.cell("weight");
  if (cell === undefined || cell === "") return undefined;
  const weight = Number(cell);
  if (weight > 0 && weight < Infinity) return weight;
  throw new InputError(`Cannot read ${path} row ${row.row}: weight is ${quoted(cell)}, must be a number above 0`);
}
