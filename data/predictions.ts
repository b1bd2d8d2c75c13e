// Submission files: writing, reading, and matching their rows with the battles they speak of.
import { InputError } from "../errors.ts";
import { checkIdIsNew, readBattles, targetColumns } from "./battles.ts";
import { quoted, readCsv } from "./csv.ts";
import { writeLines } from "./text_file.ts";

const submissionColumns = ["id", "winner_model_a", "winner_model_b", "winner_tie"] as const;

/** A row of a submission. */
export interface Prediction {
  id: string;
  /** A wins, B wins, tie. */
  probabilities: ArrayLike<number>;
}

/** Writes a submission in the order given. Each row is divided by its sum, then printed with 9 significant digits, so
 *  printed rows add up to 1 within 2e-9. @throws {RangeError} if a probability is negative or not finite */
export async function writeSubmission(path: string, predictions: Iterable<Prediction>): Promise<void> {
  function* lines(): Generator<string> {
    yield `${submissionColumns.join(",")}\n`;
    for (const { id, probabilities } of predictions) yield `${csvCell(id)},${printRow(id, probabilities).join(",")}\n`;
  }
  await writeLines(path, lines());
}

function printRow(id: string, probabilities: ArrayLike<number>): number[] {
  const row = Array.from(probabilities);
  const sum = row.reduce((total, p) => total + p, 0);
  if (row.length !== 3 || !row.every((p) => p >= 0) || !(sum > 0 && sum < Infinity)) {
    throw new RangeError(`Cannot write the prediction of id ${quoted(id)}: it is ${row.join(", ")}`);
  }
  return row.map((p) => Number((p / sum).toPrecision(9)));
}

/** Writes `columns` of a file of battles as they stand there, and a prediction beside each row as its soft target, so that
 *  `train` learns from what a model predicted. @param p [B, 3], in the file's order */
export async function writeWithInputs(path: string, data: string, p: ArrayLike<number>): Promise<void> {
  async function* lines(): AsyncGenerator<string> {
    let columns: string[] | undefined, at = 0;
    for await (const { cell } of readCsv(data, inputColumns)) {
      if (!columns) {
        columns = [...inputColumns, "model_a", "model_b"].filter((column) => cell(column) !== undefined);
        yield `${[...columns, ...targetColumns].join(",")}\n`;
      }
      const cells = columns.map((column) => csvCell(cell(column)!));
      const row = printRow(cell("id")!, Array.from({ length: 3 }, (_, c) => p[at * 3 + c]));
      at++;
      yield `${[...cells, ...row].join(",")}\n`;
    }
    if (at * 3 !== p.length) throw new InputError(`Cannot read ${data} again: it changed meanwhile: run again`);
  }
  await writeLines(path, lines());
}

const inputColumns = ["id", "prompt", "response_a", "response_b"];

function csvCell(text: string): string {
  return /[",\r\n]|^\s|\s$|^$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Predictions by id, in the file's order. */
export type Predictions = Map<string, { row: number; probabilities: [number, number, number] }>;

/** Reads a submission file; its rows need not add up to 1.
 *  @throws {InputError} with the row, if an id is there twice or a probability is no number, negative or not finite; if there is no row */
export async function readPredictions(path: string): Promise<Predictions> {
  const predictions: Predictions = new Map();
  const rowOfId = new Map<string, number>();
  const [idColumn, ...columns] = submissionColumns;
  for await (const { row, cell } of readCsv(path, submissionColumns)) {
    const id = cell(idColumn)!;
    checkIdIsNew(path, id, row, rowOfId);
    const probabilities = columns.map((column) => readProbability(path, row, column, cell(column)!));
    predictions.set(id, { row, probabilities: probabilities as [number, number, number] });
  }
  if (predictions.size === 0) {
    throw new InputError(`Cannot read ${path}: there is no row below the header: give at least one prediction`);
  }
  return predictions;
}

function readProbability(path: string, row: number, column: string, cell: string): number {
  const value = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(cell) ? Number(cell) : NaN;
  if (value >= 0 && value < Infinity) return value;
  throw new InputError(
    `Cannot read ${path} row ${row}: ${column} is ${JSON.stringify(cell.slice(0, 40))}, must be a number of 0 or more`,
  );
}

/** Matches predictions with labelled battles by id. @returns [B, 3], in the order of the battles' file
 *  @throws {InputError} if an id of one file is not in the other, with its row */
export async function matchPredictions(predictionsPath: string, dataPath: string): Promise<Float64Array> {
  const predictions = await readPredictions(predictionsPath);
  const probabilities: number[] = [];
  const missing: { id: string; row: number }[] = [];
  const unknown = new Map(predictions);
  for await (const battle of readBattles(dataPath, { requireLabels: true })) {
    const prediction = predictions.get(battle.id);
    if (!prediction) missing.push({ id: battle.id, row: battle.row });
    else probabilities.push(...prediction.probabilities);
    unknown.delete(battle.id);
  }
  if (missing.length > 0) {
    const [{ id, row }] = missing;
    throw new InputError(
      `Cannot score ${predictionsPath}: id ${quoted(id)} of ${dataPath} row ${row} is missing${
        more(missing.length)
      }: ` +
        "give one row for each battle",
    );
  }
  for (const [id, { row }] of unknown) {
    throw new InputError(
      `Cannot score ${predictionsPath} row ${row}: id ${quoted(id)} is not in ${dataPath}${more(unknown.size)}: ` +
        "remove rows of other battles",
    );
  }
  return Float64Array.from(probabilities);
}

function more(count: number): string {
  return count > 1 ? ` (and ${count - 1} more)` : "";
}
