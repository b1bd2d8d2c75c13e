// The data report in a real browser: it says nothing on the console, asks for nothing, draws every plot, and no label
// lies on another. Skipped where no Chromium is installed.
import assert from "node:assert/strict";
import { join } from "node:path";
import { writeLines } from "../../data/text_file.ts";
import { inFolder, task } from "../cli/command_line.ts";
import { root } from "../imports.ts";
import { findChromium, type Seen } from "./browser.ts";
import { largeRows } from "./large_battles.ts";

const missing = findChromium() === undefined;
if (missing) console.log("Skipped: the report in a browser needs chromium, which is not installed");

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
