// `compare` from the command line, on run folders made by hand.
import assert from "node:assert/strict";
import { inFolder, task } from "./command_line.ts";
import { writeRun } from "../report/hand_made_run.ts";

Deno.test("compare prints scores and what differs, writes the plots, and refuses damaged runs in one line", () =>
  inFolder(async (folder) => {
    writeRun(`${folder}/runs/a`, { steps: 20, validations: [10, 20] });
    writeRun(`${folder}/runs/b`, { steps: 20, validations: [10, 20], flags: { lr: 1e-3 } });
    const { code, out, err } = await task(["compare", "runs/a", "runs/b"], folder);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(
      out,
      /^run .*\na +20 .*\nb +20 .*\n\nsettings that differ +a +b\n--lr +0\.00005 +0\.001\n\nplots {2}compare\.html\n$/,
    );
    assert.match(Deno.readTextFileSync(`${folder}/compare.html`), /^<!DOCTYPE html>/);
    Deno.writeTextFileSync(`${folder}/notes.txt`, "mine");
    Deno.removeSync(`${folder}/runs/b/metrics.jsonl`);
    const wrong: [string[], RegExp][] = [
      [["runs/a"], /^Cannot compare one run: name two run folders or more\n$/],
      [[], /missing required argument/],
      [["runs/a", "runs/b"], /^Cannot read runs\/b: it holds no metrics\.jsonl: train again\n$/],
      [["runs/a", "runs/none"], /^Cannot read runs\/none: it holds no run\.json: name a run folder\n$/],
      [["runs/a", "runs/b", "--out", "notes.txt"], /^Cannot write notes\.txt: it exists and is no report/],
    ];
    for (const [args, message] of wrong) {
      const ended = await task(["compare", ...args], folder);
      assert.equal(ended.code, 2, ended.err);
      assert.match(ended.err, message);
    }
  }));
