// The table at the end of a run.
import assert from "node:assert/strict";
import { gapLine, tableOf } from "../../cli/train_results.ts";

const row = (name: string, logLoss: number, expectedLogLoss?: number) => ({
  name,
  logLoss,
  accuracy: 0.5,
  ...(expectedLogLoss !== undefined && { expectedLogLoss }),
});

Deno.test("tableOf() shows the share of the gap where the truth is known", () => {
  const rows = [
    row("constant prior", 1.09, 1.1),
    row("length only", 1.08, 1.09),
    row("bag of words", 1.05, 1.06),
    row("this model", 1.01, 0.98),
    row("true probabilities", 0.91, 0.9),
  ];
  assert.equal(
    tableOf(rows, 160),
    [
      "validation, 160 battles  log loss  accuracy  expected log loss  gap closed",
      "constant prior             1.0900    50.0 %             1.1000         0 %",
      "length only                1.0800    50.0 %             1.0900         5 %",
      "bag of words               1.0500    50.0 %             1.0600        20 %",
      "this model                 1.0100    50.0 %             0.9800        60 %",
      "true probabilities         0.9100    50.0 %             0.9000       100 %",
    ].join("\n"),
  );
  assert.equal(
    gapLine(rows),
    "The model closes 60 % of the gap from the constant prior to the truth (length only 5 %, bag of words 20 %)",
  );
});

Deno.test("tableOf() without the truth has log loss and accuracy", () => {
  assert.equal(
    tableOf([row("constant prior", 1.09), row("this model", 1.01)], 7),
    [
      "validation, 7 battles  log loss  accuracy",
      "constant prior           1.0900    50.0 %",
      "this model               1.0100    50.0 %",
    ].join("\n"),
  );
});
