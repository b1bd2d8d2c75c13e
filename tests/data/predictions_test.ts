// Submission files: what is written adds up, what is read is checked, and scoring matches rows by id.
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { matchPredictions, type Prediction, readPredictions, writeSubmission } from "../../data/predictions.ts";
import { InputError } from "../../errors.ts";
import { inFolder, namesIn } from "../model/hand_made.ts";

const header = "id,winner_model_a,winner_model_b,winner_tie\n";
const battles = "prompt,id,response_a,response_b,winner_model_a,winner_model_b,winner_tie\n" +
  'p,10,a,b,1,0,0\nq,9,a,b,0,0,1\n"r\ns",8,a,b,0,1,0\n';

function written(predictions: Prediction[]): Promise<string> {
  return inFolder({}, async (folder) => {
    await writeSubmission(join(folder, "s.csv"), predictions);
    assert.deepEqual(namesIn(folder), ["s.csv"]);
    return await Deno.readTextFile(join(folder, "s.csv"));
  });
}

Deno.test("writeSubmission() writes rows in their order, quotes ids where needed", async () => {
  const text = await written([
    { id: "2", probabilities: [0.25, 0.25, 0.5] },
    { id: 'a,"b"', probabilities: Float32Array.of(1, 1, 2) },
  ]);
  assert.equal(text, `${header}2,0.25,0.25,0.5\n"a,""b""",0.25,0.25,0.5\n`);
});

Deno.test("writeSubmission() prints rows in [0, 1] that add up to 1 within 1e-6 and can be read back", async () => {
  const weight = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 1e-30, 1e-9, 1 / 3, 1));
  const row = fc.tuple(weight, weight, weight).filter(([a, b, tie]) => a + b + tie > 0);
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
      const ids = rows.map((_, at) => ["\n", '"', ",", " ", "é"][at % 5] + at);
      await inFolder({}, async (folder) => {
        const path = join(folder, "s.csv");
        await writeSubmission(path, rows.map((probabilities, at) => ({ id: ids[at], probabilities })));
        const read = await readPredictions(path);
        assert.deepEqual([...read.keys()], ids);
        for (const [at, { probabilities }] of [...read.values()].entries()) {
          const sum = rows[at].reduce((total, p) => total + p, 0);
          assert(probabilities.every((p) => p >= 0 && p <= 1));
          assert(Math.abs(probabilities[0] + probabilities[1] + probabilities[2] - 1) < 1e-8);
          probabilities.forEach((p, c) => assert(Math.abs(p - rows[at][c] / sum) <= 1e-8 * p));
        }
      });
    }),
    { numRuns: 30 },
  );
});

Deno.test("writeSubmission() leaves the earlier file when a prediction is no probability", async () => {
  await inFolder({ "s.csv": "earlier" }, async (folder) => {
    for (const bad of [[NaN, 0.5, 0.5], [-0.1, 0.6, 0.5], [0, 0, 0], [Infinity, 0, 0], [1, 0]]) {
      const rows = [{ id: "1", probabilities: [1, 0, 0] }, { id: "2", probabilities: bad }];
      await assert.rejects(writeSubmission(join(folder, "s.csv"), rows), /Cannot write the prediction of id 2/);
    }
    assert.equal(await Deno.readTextFile(join(folder, "s.csv")), "earlier");
    assert.deepEqual(namesIn(folder), ["s.csv"]);
  });
});

Deno.test("matchPredictions() matches rows by id, whatever their order", async () => {
  const predictions = `${header}8,0.2,0.3,0.5\n10,0.5,0.25,0.25\n9,2,1,1\n`;
  await inFolder({ "s.csv": predictions, "t.csv": battles }, async (folder) => {
    const probabilities = await matchPredictions(join(folder, "s.csv"), join(folder, "t.csv"));
    assert.deepEqual([...probabilities], [0.5, 0.25, 0.25, 2, 1, 1, 0.2, 0.3, 0.5]);
  });
});

Deno.test("matchPredictions() refuses ids that are missing, there twice or unknown, and what is no probability", async () => {
  const rest = "9,0.2,0.3,0.5\n8,0.2,0.3,0.5\n";
  const refusals: [string, string][] = [
    ["", "Cannot read s.csv: there is no row below the header: give at least one prediction"],
    [rest, "Cannot score s.csv: id 10 of t.csv row 2 is missing: give one row for each battle"],
    [
      "8,0.2,0.3,0.5\n",
      "Cannot score s.csv: id 10 of t.csv row 2 is missing (and 1 more): give one row for each battle",
    ],
    [`10,1,0,0\n${rest}9,1,0,0\n`, "Cannot read s.csv row 5: id 9 is in row 3 already: give each row its own id"],
    [`10,1,0,0\n${rest}010,1,0,0\n`, "Cannot score s.csv row 5: id 010 is not in t.csv: remove rows of other battles"],
    [`${rest}10,x,0,0\n`, 'Cannot read s.csv row 4: winner_model_a is "x", must be a number of 0 or more'],
    [`${rest}10,0,,0\n`, 'Cannot read s.csv row 4: winner_model_b is "", must be a number of 0 or more'],
    [`${rest}10,0,1,-0.1\n`, 'Cannot read s.csv row 4: winner_tie is "-0.1", must be a number of 0 or more'],
    [`${rest}10,nan,0,1\n`, 'Cannot read s.csv row 4: winner_model_a is "nan", must be a number of 0 or more'],
    [`${rest}10,inf,0,1\n`, 'Cannot read s.csv row 4: winner_model_a is "inf", must be a number of 0 or more'],
    [`${rest}10,1e999,0,1\n`, 'Cannot read s.csv row 4: winner_model_a is "1e999", must be a number of 0 or more'],
    [`${rest}10,0x1,0,1\n`, 'Cannot read s.csv row 4: winner_model_a is "0x1", must be a number of 0 or more'],
    [
      `${rest}10,1,0\n`,
      "Cannot read s.csv row 4: it has 3 cells, the header has 4: quote cells that hold commas or line ends",
    ],
  ];
  for (const [rows, message] of refusals) {
    await inFolder({ "s.csv": header + rows, "t.csv": battles }, async (folder) => {
      await assert.rejects(matchPredictions(join(folder, "s.csv"), join(folder, "t.csv")), (error) => {
        assert(error instanceof InputError, String(error));
        assert.equal(error.message.replaceAll(`${folder}/`, ""), message);
        return true;
      });
    });
  }
  await inFolder({ "s.csv": "id,a\n1,2\n", "t.csv": battles }, async (folder) => {
    await assert.rejects(
      matchPredictions(join(folder, "s.csv"), join(folder, "t.csv")),
      /columns winner_model_a, winner_model_b, winner_tie are missing, found id, a/,
    );
  });
});
