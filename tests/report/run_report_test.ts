// The report of a run and the comparison of several: figures by hand, damaged folders, the least of runs.
import assert from "node:assert/strict";
import { InputError } from "../../errors.ts";
import { compareRuns, comparisonLines, comparisonReport } from "../../report/run/comparison.ts";
import { bestValidation, smoothed, thinned, throughput, tokensPerSecond, totalMs } from "../../report/run/numbers.ts";
import { readRunFolder } from "../../report/run/read_run.ts";
import { runReport } from "../../report/run/run_report.ts";
import { inFolder } from "../cli/command_line.ts";
import { type HandMadeRun, writeRun } from "./hand_made_run.ts";

async function withRuns(made: HandMadeRun[], test: (paths: string[]) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    const paths = made.map((_, at) => `${folder}/runs/${"abcdefghijkl"[at]}`);
    made.forEach((run, at) => writeRun(paths[at], run));
    await test(paths);
  });
}

const close = (found: number, wanted: number, why: string) =>
  assert(Math.abs(found - wanted) < 1e-9 * Math.max(1, Math.abs(wanted)), `${why}: ${found}, not ${wanted}`);

Deno.test("readRunFolder() gives steps, validations and the sum of all times", () =>
  withRuns([{ steps: 40, validations: [20, 40] }], async ([path]) => {
    const run = await readRunFolder(path);
    assert.deepEqual([run.name, run.steps.length, run.validations.length], ["a", 40, 2]);
    assert.deepEqual(run.times, { prepare: 3000, pack: 20, wait: 121_000, validate: 9000, encode: 400, export: 90 });
    assert.equal(totalMs(run), 133_510);
    assert.equal(bestValidation(run)!.step, 40);
    // Of the losses 1 + 1/s.
    const mean = smoothed(run.steps);
    close(mean[0].value, 2, "first");
    close(mean[1].value, 1.75, "second");
    const last = [31, 32, 33, 34, 35, 36, 37, 38, 39, 40].reduce((sum, step) => sum + 1 / step, 0);
    close(mean[39].value, 1 + last / 10, "last");
    const points = throughput(run.steps);
    assert.deepEqual(points.map(({ step }) => step), [10, 20, 30, 40]);
    close(points[1].tokensPerSecond, 1000 * 100 * 15.5 / 50.02, "tokens a second of steps 11 to 20");
    const tokens = 100 * (40 * 41 / 2 - 1), ms = 9 * 100.01 + 10 * (50.02 + 50.03 + 50.04);
    close(tokensPerSecond(run), 1000 * tokens / ms, "tokens a second");
  }));

Deno.test("thinned() keeps means of neighbours, and all points of a short run", () => {
  const points = Array.from({ length: 7 }, (_, at) => ({ step: at + 1, value: at }));
  assert.deepEqual(thinned(points, 7), points);
  assert.deepEqual(thinned(points, 3), [{ step: 3, value: 1 }, { step: 6, value: 4 }, { step: 7, value: 6 }]);
});

const damages: [string, (path: string) => void, RegExp][] = [
  ["no folder", (path) => Deno.removeSync(path, { recursive: true }), /^Cannot read .*a: it holds no run\.json: /],
  ["no run.json", (path) => Deno.removeSync(`${path}/run.json`), /a: it holds no run\.json: name a run folder$/],
  ["a torn run.json", (path) => Deno.truncateSync(`${path}/run.json`, 90), /run\.json: it is no JSON .*: train again$/],
  ["a strange run.json", (path) => Deno.writeTextFileSync(`${path}/run.json`, "{}"), /run\.json: it has no data: /],
  ["no metrics", (path) => Deno.removeSync(`${path}/metrics.jsonl`), /a: it holds no metrics\.jsonl: train again$/],
  [
    "a damaged line",
    (path) => Deno.writeTextFileSync(`${path}/metrics.jsonl`, '{"step":1\n{}\n'),
    /metrics\.jsonl line 1: it is no JSON object: /,
  ],
  [
    "a line without a loss",
    (path) => Deno.writeTextFileSync(`${path}/metrics.jsonl`, '{"step":1,"loss":null}\n'),
    /metrics\.jsonl line 1: loss is null, must be a number: /,
  ],
  [
    "a damaged line of times in the middle",
    (path) => Deno.writeTextFileSync(`${path}/times.jsonl`, '{"wait":1}\n{"wai{"wait":2}\n{"wait":3}\n{"w'),
    /times\.jsonl line 2: it is no JSON object: /,
  ],
  [
    "damaged times",
    (path) => Deno.writeTextFileSync(`${path}/times.jsonl`, '{"wait":"long"}\n'),
    /times\.jsonl line 1: wait is "long", must be a number: /,
  ],
  [
    "damaged times of kernels",
    (path) => Deno.writeTextFileSync(`${path}/kernels.json`, '{"tokens":5,"battles":1,"kernels":[{"ms":null}]}'),
    /kernels\.json: it holds no times of kernels: remove it$/,
  ],
];

for (const [what, damage, message] of damages) {
  Deno.test(`readRunFolder() refuses a run with ${what} in one line`, () =>
    withRuns([{ steps: 3 }], async ([path]) => {
      damage(path);
      await assert.rejects(readRunFolder(path), (error: Error) => {
        assert.ok(error instanceof InputError, String(error));
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    }));
}

Deno.test("readRunFolder() leaves out last lines that a kill tore, says so, and does without times", () =>
  withRuns([{ steps: 3, noTimes: true }, { steps: 3 }], async ([path, timed]) => {
    Deno.writeTextFileSync(`${path}/metrics.jsonl`, '{"step":4,"lo', { append: true });
    const run = await readRunFolder(path);
    assert.deepEqual([run.steps.length, run.times, Math.round(totalMs(run))], [3, {}, 300]);
    assert.deepEqual(run.notes, [`${path}/metrics.jsonl: its last line is torn and left out`]);
    assert.doesNotMatch(runReport(run), /Where the time went/);
    const { times, notes } = await readRunFolder(timed);
    Deno.writeTextFileSync(`${timed}/times.jsonl`, '{"wait":5', { append: true });
    const torn = await readRunFolder(timed);
    assert.deepEqual([notes, torn.times], [[], times]);
    assert.deepEqual(torn.notes, [`${timed}/times.jsonl: its last line is torn and left out`]);
  }));

Deno.test("readRunFolder() takes a step that was left out for its gradients, and runReport() counts it", () =>
  withRuns([{ steps: 5 }], async ([path]) => {
    const metrics = `${path}/metrics.jsonl`;
    Deno.writeTextFileSync(metrics, Deno.readTextFileSync(metrics).replace(/"gradNorm":[^,]+/, '"skipped":1'));
    const run = await readRunFolder(path), html = runReport(run);
    assert.deepEqual(run.steps.map(({ gradNorm }) => gradNorm === undefined), [true, false, false, false, false]);
    assert.match(html, /1 step with gradients beyond f16 left out/);
    assert.doesNotMatch(html, /NaN|undefined|Infinity/);
  }));

Deno.test("runReport() shows what a run came to, and stands one without steps or validations", () =>
  withRuns(
    [{ steps: 40, validations: [20, 40], flags: { lr: 1e-4 }, kernels: 20 }, { steps: 0 }, { steps: 1 }],
    async (paths) => {
      const [full, none, one] = await Promise.all(paths.map(async (path) => runReport(await readRunFolder(path))));
      for (
        const words of [
          "1.0367",
          "2 min 14 s",
          "--lr",
          "700 MiB",
          "22,000,000 trained",
          "sha256 0123456789ab",
          "2,000 tokens in 9 battles",
          "5 others",
        ]
      ) {
        assert.ok(full.includes(words), words);
      }
      assert.match(none, /No step was taken/);
      for (const html of [full, none, one]) assert.doesNotMatch(html, /NaN|undefined|Infinity|<script|src=/);
    },
  ));

Deno.test("compareRuns() names what differs, and what keeps scores from being compared", () =>
  withRuns(
    [
      { steps: 20, validations: [20] },
      { steps: 20, validations: [20], flags: { lr: 1e-3, seed: 7 }, adapter: "Another", dataSha256: "ff" },
      { steps: 0 },
    ],
    async (paths) => {
      const comparison = compareRuns(await Promise.all(paths.map(readRunFolder)));
      assert.deepEqual(comparison.differences.map(({ name, values }) => [name, ...values]), [
        ["--lr", "0.00005", "0.001", "0.00005"],
        ["--seed", "42", "7", "42"],
        ["adapter", "An adapter", "Another", "An adapter"],
        ["data, sha256", "0123456789ab", "ff", "0123456789ab"],
      ]);
      assert.equal(comparison.warnings.length, 2);
      const lines = comparisonLines(comparison);
      assert.match(lines[0], /^run +steps +best log loss +at step +accuracy +train loss +tokens\/s +time$/);
      assert.match(lines[1], /^a +20 +1\.0582 +20 +45\.0 % +1\.0669 +\d/);
      assert.match(lines[3], /^c +0 +– +– +– +– +– +/);
      assert.doesNotMatch(comparisonReport(comparison) + lines.join("\n"), /NaN|undefined|Infinity/);
    },
  ));

Deno.test("compareRuns() of runs with one name calls them by their paths", () =>
  inFolder(async (folder) => {
    for (const path of ["x/run", "y/run"]) writeRun(`${folder}/${path}`, { steps: 2 });
    const { runs, differences } = compareRuns(
      await Promise.all(["x/run", "y/run"].map((path) => readRunFolder(`${folder}/${path}`))),
    );
    assert.deepEqual(runs.map(({ label }) => label.slice(-5)), ["x/run", "y/run"]);
    assert.deepEqual(differences, []);
  }));
