// The last lines of `train`: the model beside the baselines and, where they are known, the true probabilities.
import { type Baseline, fitBaselines } from "../train/baselines.ts";
import type { Engine } from "../train/engine.ts";
import { scored } from "../train/feed.ts";
import type { RunData } from "../train/load_data.ts";
import type { LoopResult, ValidationResult } from "../train/loop.ts";
import { predictAll } from "../train/predict.ts";

interface Row extends ValidationResult {
  name: string;
}

export interface Results {
  out: string;
  data: RunData;
  result: LoopResult;
  engine: Engine;
}

export async function printResults({ out, data, result, engine }: Results): Promise<void> {
  const { outcome, progress, totalSteps } = result;
  const end = outcome === "finished"
    ? `${totalSteps} steps`
    : `${progress.step} steps of ${totalSteps}, as nothing got better`;
  if (data.valid.length === 0) {
    console.log(`Trained for ${end}, without a validation: ${out}`);
    return;
  }
  const model = result.best ?? scored(data.valid, await predictAll(engine, data.valid));
  const rows: Row[] = [...await baselineRows(data), { name: "this model", ...model }];
  const truth = data.valid.flatMap(({ truth }) => truth ?? []);
  const known = truth.length === data.valid.length * 3;
  if (known) rows.push({ name: "true probabilities", ...scored(data.valid, truth) });
  console.log(tableOf(rows, data.valid.length));
  const kept = progress.bestStep > 0 ? `, the model of step ${progress.bestStep} kept` : "";
  console.log(`Trained for ${end}${kept}: ${out}`);
  if (known) console.log(gapLine(rows));
}

async function baselineRows(data: RunData): Promise<Row[]> {
  const texts = await data.texts();
  return fitBaselines(texts.train, texts.valid).map(({ name, probabilities }: Baseline) => ({
    name,
    ...scored(data.valid, probabilities),
  }));
}

/** Share of the way from the constant prior to the truth, in expected log loss. */
function gapClosed(rows: readonly Row[], row: Row): number {
  const expected = ({ expectedLogLoss }: Row) => expectedLogLoss!;
  return (expected(rows[0]) - expected(row)) / (expected(rows[0]) - expected(rows.at(-1)!));
}

export function tableOf(rows: readonly Row[], battles: number): string {
  const known = rows.at(-1)!.expectedLogLoss !== undefined;
  const header = ["log loss", "accuracy", ...(known ? ["expected log loss", "gap closed"] : [])];
  const lines = rows.map((row) => [
    row.logLoss.toFixed(4),
    `${(row.accuracy * 100).toFixed(1)} %`,
    ...(known ? [row.expectedLogLoss!.toFixed(4), `${Math.round(gapClosed(rows, row) * 100)} %`] : []),
  ]);
  const title = `validation, ${battles} battles`;
  const first = Math.max(title.length, ...rows.map(({ name }) => name.length));
  const format = (name: string, cells: string[]) =>
    [name.padEnd(first), ...cells.map((cell, i) => cell.padStart(header[i].length))].join("  ");
  return [format(title, header), ...rows.map(({ name }, i) => format(name, lines[i]))].join("\n");
}

export function gapLine(rows: readonly Row[]): string {
  const percent = (row: Row) => `${Math.round(gapClosed(rows, row) * 100)} %`;
  const others = rows.slice(1, -2).map((row) => `${row.name} ${percent(row)}`).join(", ");
  return `The model closes ${percent(rows.at(-2)!)} of the gap from the constant prior to the truth (${others})`;
}
