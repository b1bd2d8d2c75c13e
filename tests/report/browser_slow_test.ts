// Reports in a real browser: they say nothing on the console, ask for nothing, draw every plot, and no label
// lies on another. Skipped where no Chromium is installed.
import assert from "node:assert/strict";
import { join } from "node:path";
import { readBattles } from "../../data/battles.ts";
import { type Prediction, writeSubmission } from "../../data/predictions.ts";
import { Random } from "../../data/random.ts";
import { writeLines } from "../../data/text_file.ts";
import { compareRuns, comparisonReport } from "../../report/run/comparison.ts";
import { readRunFolder } from "../../report/run/read_run.ts";
import { runReport } from "../../report/run/run_report.ts";
import { inFolder, task } from "../cli/command_line.ts";
import { root } from "../imports.ts";
import { findChromium, type Seen } from "./browser.ts";
import { writeRun } from "./hand_made_run.ts";
import { largeRows } from "./large_battles.ts";

const missing = findChromium() === undefined;
if (missing) console.log("Skipped: reports in a browser need chromium, which is not installed");

/** Writes `rows` and the report of them into `folder`. */
async function explore(folder: string, rows: Iterable<string>): Promise<void> {
  await writeLines(`${folder}/battles.csv`, rows);
  const { code, err } = await task(["explore", "--data", "battles.csv"], folder, { HF_HOME: folder });
  assert.equal(code, 0, err);
}

/** Opens a report in a process of its own. @param width of the window, in CSS pixels */
async function see(report: string, width = 900): Promise<Seen> {
  const lock = ["--no-config", `--lock=${join(root, "tests/report/browser.lock")}`, "--frozen"];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", ...lock, join(root, "tests/report/browser.ts"), report, String(width)],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

Deno.test({
  name: "explore's report draws every plot in a browser, without a word on the console or a label on another",
  ignore: missing,
  fn: () =>
    inFolder(async (folder) => {
      await explore(folder, largeRows(3000));
      const { marks, clashes, complaints } = await see(`${folder}/report.html`);
      const exact = {
        "outcomes bar": 3,
        "chatbots bar": 36,
        "leaderboard dot": 12,
        "who-beats-whom cell": 132,
        "position dot": 24,
        "code-lists-refusals bar": 7,
        "truncation dot": 36,
        "truncation line": 4,
        "length-and-outcome dot": 24,
        "length-and-outcome line": 2,
        "length-and-outcome area": 2,
      };
      assert.deepEqual(Object.fromEntries(Object.keys(exact).map((key) => [key, marks[key]])), exact);
      for (const some of ["lengths rect", "lengths bar", "languages-and-scripts bar", "repetition bar"]) {
        assert.ok(marks[some] >= 4, `${some}: ${marks[some]}`);
      }
      assert.deepEqual({ clashes, complaints }, { clashes: [], complaints: [] });
      const phone = await see(`${folder}/report.html`, 390);
      assert.ok(!phone.clashes.includes("the page is wider than its window"));
      assert.deepEqual(phone.complaints, []);
    }),
});

Deno.test({
  name: "explore's report keeps its labels apart with sixty chatbots of long names, and without outcomes",
  ignore: missing,
  fn: () =>
    inFolder(async (folder) => {
      await explore(folder, largeRows(4000, { versions: 5 }));
      const { marks, clashes, complaints } = await see(`${folder}/report.html`);
      assert.deepEqual([marks["leaderboard dot"], marks["chatbots bar"], marks["position dot"]], [40, 120, 60]);
      assert.deepEqual({ clashes, complaints }, { clashes: [], complaints: [] });
      await task(["sample", "--out", "."], folder);
      const args = ["explore", "--data", "test.csv", "--out", "test.html"];
      const { code, err } = await task(args, folder, { HF_HOME: folder });
      assert.equal(code, 0, err);
      const unlabeled = await see(`${folder}/test.html`);
      assert.deepEqual([unlabeled.clashes, unlabeled.complaints], [[], []]);
    }),
});

/** Writes `rows`, made-up predictions for them that lean to the truth, and the evaluation of these. */
async function evaluate(folder: string, rows: Iterable<string>): Promise<void> {
  await writeLines(`${folder}/battles.csv`, rows);
  const random = new Random(3), predictions: Prediction[] = [];
  for await (const { id, label } of readBattles(`${folder}/battles.csv`)) {
    const powers = [0, 1, 2].map((outcome) => Math.exp(random.normal() + (outcome === label ? 0.7 : 0)));
    predictions.push({ id, probabilities: powers.map((power) => power / (powers[0] + powers[1] + powers[2])) });
  }
  await writeSubmission(`${folder}/sub.csv`, predictions);
  const files = ["--data", "battles.csv", "--predictions", "sub.csv", "--train", "battles.csv"];
  const { code, err } = await task(["evaluate", ...files, "--report", "report.html"], folder);
  assert.equal(code, 0, err);
}

Deno.test({
  name: "evaluate's report draws every plot in a browser with sixty chatbots of long names, no label on another",
  ignore: missing,
  fn: () =>
    inFolder(async (folder) => {
      await evaluate(folder, largeRows(3000, { versions: 5 }));
      const { marks, clashes, complaints } = await see(`${folder}/report.html`);
      const exact = {
        "scores dot": 4,
        "outcomes cell": 9,
        "calibration line": 4,
        // Hardly a pair of sixty chatbots met ten times: no plot of pairs.
        "chatbots dot": 40,
        "chatbots tick": 40,
      };
      assert.deepEqual(Object.fromEntries(Object.keys(exact).map((key) => [key, marks[key]])), exact);
      const atLeast = { "calibration dot": 30, "length dot": 10, "prompts dot": 12, "code-lists-refusals dot": 3 };
      for (const [some, least] of Object.entries(atLeast)) assert.ok(marks[some] >= least, `${some}: ${marks[some]}`);
      assert.deepEqual({ clashes, complaints }, { clashes: [], complaints: [] });
      const phone = await see(`${folder}/report.html`, 390);
      assert.ok(!phone.clashes.includes("the page is wider than its window"));
    }),
});

Deno.test({
  name: "evaluate's report keeps its labels apart with ten battles",
  ignore: missing,
  fn: () =>
    inFolder(async (folder) => {
      await evaluate(folder, largeRows(10));
      const { marks, clashes, complaints } = await see(`${folder}/report.html`);
      assert.deepEqual([marks["scores dot"], marks["outcomes cell"]], [4, 9]);
      assert.deepEqual({ clashes, complaints }, { clashes: [], complaints: [] });
    }),
});

Deno.test({
  name: "a run's report draws every plot in a browser, of 3,000 steps and of one",
  ignore: missing,
  fn: () =>
    inFolder(async (folder) => {
      const validations = Array.from({ length: 20 }, (_, at) => 150 * (at + 1));
      const cases = [
        { name: "long", made: { steps: 3000, validations, kernels: 20 }, loss: 620, norms: 600 },
        { name: "short", made: { steps: 1, validations: [1] }, loss: 2, norms: 1 },
      ];
      for (const { name, made, loss, norms } of cases) {
        writeRun(`${folder}/${name}`, made);
        const report = `${folder}/${name}.html`;
        await Deno.writeTextFile(report, runReport(await readRunFolder(`${folder}/${name}`)));
        const { marks, clashes, complaints } = await see(report);
        assert.equal(marks["loss dot"], loss, name);
        assert.equal(marks["loss line"], 2, name);
        assert.equal(marks["learning-rate-and-gradients line"], 1, name);
        assert.ok(marks["learning-rate-and-gradients dot"] >= norms, name);
        assert.equal(marks["throughput line"], 1, name);
        assert.equal(marks["where-the-time-went bar"], 6, name);
        assert.equal(marks["kernels bar"], name === "long" ? 16 : undefined, name);
        assert.deepEqual({ clashes, complaints }, { clashes: [], complaints: [] }, name);
        const phone = await see(report, 390);
        assert.ok(!phone.clashes.includes("the page is wider than its window"), name);
      }
    }),
});

Deno.test({
  name: "a comparison draws every plot in a browser, of two runs and of twelve with long names",
  ignore: missing,
  fn: () =>
    inFolder(async (folder) => {
      for (const count of [2, 12]) {
        const paths = Array.from({ length: count }, (_, at) => `${folder}/${count}/run-of-a-long-name-with-seed-${at}`);
        paths.forEach((path, at) =>
          writeRun(path, { steps: 40, validations: [20, 40], flags: { seed: at, lr: 1e-5 * (at + 1) } })
        );
        const report = `${folder}/${count}.html`;
        await Deno.writeTextFile(report, comparisonReport(compareRuns(await Promise.all(paths.map(readRunFolder)))));
        const { marks, clashes, complaints } = await see(report);
        const found = ["validation line", "validation dot", "training-loss line", "throughput bar"].map((key) =>
          marks[key]
        );
        assert.deepEqual(found, [count, 2 * count, count, count]);
        assert.deepEqual({ clashes, complaints }, { clashes: [], complaints: [] });
      }
    }),
});
