// The data report in a real browser: it says nothing on the console, asks for nothing, draws every plot, and no label
// lies on another. Skipped where no Chromium is installed.
import assert from "node:assert/strict";
import { writeLines } from "../../data/text_file.ts";
import { inFolder, task } from "../cli/command_line.ts";
import { findChromium, withReport } from "./browser.ts";
import { largeRows } from "./large_battles.ts";

const missing = findChromium() === undefined;
if (missing) console.log("Skipped: the report in a browser needs chromium, which is not installed");

/** Runs in the page: marks of each kind in each section, e.g. `outcomes bar` -> 3. */
const countMarks = `(() => {
  const counts = {};
  for (const section of document.querySelectorAll("section")) {
    for (const svg of section.querySelectorAll("figure svg[aria-label]")) {
      for (const group of svg.querySelectorAll("g[aria-label]")) {
        const key = section.id + " " + group.getAttribute("aria-label");
        const marks = group.querySelectorAll("rect, circle, path, line, text").length;
        counts[key] = (counts[key] ?? 0) + marks;
      }
    }
  }
  return counts;
})()`;

/** Runs in the page: pairs of labels of one plot that overlap by more than a pixel, and what sticks out of the page. */
const findClashes = `(() => {
  const clashes = [];
  for (const svg of document.querySelectorAll("figure svg[aria-label]")) {
    const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim() !== "");
    const edge = svg.closest("section").getBoundingClientRect().right;
    for (const text of texts) if (text.getBoundingClientRect().right > edge) clashes.push("outside: " + text.textContent);
    // A turned label's box is larger than its letters.
    const boxes = texts.filter((text) => !/rotate/.test(text.getAttribute("transform") ?? ""))
      .map((text) => ({ words: text.textContent, box: text.getBoundingClientRect() }));
    for (const [i, one] of boxes.entries()) {
      for (const other of boxes.slice(i + 1)) {
        const x = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
        const y = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
        if (x > 1 && y > 3) clashes.push(svg.getAttribute("aria-label") + ": " + one.words + " / " + other.words);
      }
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) clashes.push("the page is wider than its window");
  return clashes;
})()`;

/** Writes `rows` and the report of them into `folder`. */
async function explore(folder: string, rows: Iterable<string>): Promise<void> {
  await writeLines(`${folder}/battles.csv`, rows);
  const { code, err } = await task(["explore", "--data", "battles.csv"], folder, { HF_HOME: folder });
  assert.equal(code, 0, err);
}

Deno.test({
  name: "explore's report draws every plot in a browser, without a word on the console or a label on another",
  ignore: missing,
  fn: () =>
    inFolder(async (folder) => {
      await explore(folder, largeRows(3000));
      await withReport(`${folder}/report.html`, async ({ page, complaints }) => {
        const marks = await page.evaluate(countMarks) as Record<string, number>;
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
        assert.deepEqual(await page.evaluate(findClashes), []);
        assert.deepEqual(complaints, []);
      });
      const phone = { width: 390, height: 800 };
      await withReport(`${folder}/report.html`, async ({ page, complaints }) => {
        assert.equal(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
        assert.deepEqual(complaints, []);
      }, phone);
    }),
});

Deno.test({
  name: "explore's report keeps its labels apart with sixty chatbots of long names, and without outcomes",
  ignore: missing,
  fn: () =>
    inFolder(async (folder) => {
      await explore(folder, largeRows(4000, { versions: 5 }));
      await withReport(`${folder}/report.html`, async ({ page, complaints }) => {
        const marks = await page.evaluate(countMarks) as Record<string, number>;
        assert.deepEqual([marks["leaderboard dot"], marks["chatbots bar"], marks["position dot"]], [40, 120, 60]);
        assert.deepEqual(await page.evaluate(findClashes), []);
        assert.deepEqual(complaints, []);
      });
      await task(["sample", "--out", "."], folder);
      const { code, err } = await task(["explore", "--data", "test.csv", "--out", "test.html"], folder, {
        HF_HOME: folder,
      });
      assert.equal(code, 0, err);
      await withReport(`${folder}/test.html`, async ({ page, complaints }) => {
        assert.deepEqual(await page.evaluate(findClashes), []);
        assert.deepEqual(complaints, []);
      });
    }),
});
