// `evaluate --predictions`: any submission file against labelled battles, from the command line.
import assert from "node:assert/strict";
import { inFolder, task } from "./command_line.ts";
import { oddCsv } from "./tiny_model.ts";

const header = "id,winner_model_a,winner_model_b,winner_tie";
/** Rows of oddCsv: 30 A, 7 A, 9 tie, 12 B, 11 tie, 8 B. */
const rows = ["8,0.2,0.6,0.2", "30,0.5,0.25,0.25", "7,1,0,0", "11,0.1,0.1,0.8", "12,0.3,0.4,0.3", "9,0,0,1"];

async function evaluate(lines: string[], test: (ended: { code: number; out: string; err: string }) => void) {
  await inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/odd.csv`, oddCsv);
    Deno.writeTextFileSync(`${folder}/sub.csv`, lines.join("\n") + "\n");
    test(await task(["evaluate", "--predictions", "sub.csv", "--data", "odd.csv"], folder));
  });
}

Deno.test("evaluate scores a submission whose rows stand in another order", () =>
  evaluate([header, ...rows], ({ code, out, err }) => {
    assert.deepEqual([code, err], [0, ""]);
    const expected = -(Math.log(0.6) + Math.log(0.5) + Math.log(0.8) + Math.log(0.4)) / 6;
    assert.match(out, new RegExp(`^battles +6\\nlog loss +${expected.toFixed(6)} .*\\naccuracy +100\\.00 %\\n`));
  }));

Deno.test("evaluate divides rows by their sum and says so", () =>
  evaluate([header, ...rows.slice(0, 5), "9,0,0,0.5"], ({ code, err }) => {
    assert.equal(code, 0);
    assert.equal(err, "1 row does not add up to 1 and was divided by its sum\n");
  }));

const refusals: [string, string[], RegExp][] = [
  ["a missing id", [header, ...rows.slice(1)], /id 8 of odd\.csv row 7 is missing/],
  ["an id that is there twice", [header, ...rows, rows[0]], /sub\.csv row 8: id 8 is in row 2 already/],
  ["an unknown id", [header, ...rows, "99,1,0,0"], /sub\.csv row 8: id 99 is not in odd\.csv/],
  ["text for a number", [header, ...rows.slice(1), "8,x,0,0"], /sub\.csv row 7: winner_model_a is "x"/],
  ["a negative probability", [header, ...rows.slice(1), "8,1,-0.1,0.1"], /sub\.csv row 7: winner_model_b is "-0\.1"/],
  ["an infinite one", [header, ...rows.slice(1), "8,1,Infinity,0"], /sub\.csv row 7: winner_model_b/],
  ["a missing column", ["id,winner_model_a,winner_model_b", "8,1,0"], /winner_tie/],
];

for (const [what, lines, message] of refusals) {
  Deno.test(`evaluate refuses ${what} in a submission, with the row`, () =>
    evaluate(lines, ({ code, out, err }) => {
      assert.deepEqual([code, out], [2, ""]);
      assert.match(err, /^Cannot [^\n]+\n$/);
      assert.match(err, message);
    }));
}

Deno.test("evaluate and submit want battles, and a model or predictions", () =>
  inFolder(async (folder) => {
    const wrong: [string[], RegExp][] = [
      [["evaluate"], /without battles/],
      [["evaluate", "--data", "x.csv"], /name a model with --model, or a file/],
      [["evaluate", "--model", "m", "--predictions", "p"], /--predictions without --data/],
      [["evaluate", "--predictions", "p"], /without battles/],
      [["evaluate", "--data", "x.csv", "--predictions", "p", "--max-tokens", "16"], /--max-tokens without --model/],
      [["submit", "--data", "x.csv"], /without a model/],
      [["submit", "--model", "m"], /without battles/],
    ];
    for (const [args, message] of wrong) {
      const { code, err } = await task(args, folder);
      assert.equal(code, 2, err);
      assert.match(err, message);
    }
  }));
