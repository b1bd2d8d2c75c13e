// Progress where there is no terminal: few lines, plain ones.
import assert from "node:assert/strict";
import { grouped, startProgress } from "../../cli/progress.ts";
import { duration } from "../../report/format.ts";

Deno.test("startProgress() without a terminal prints few plain lines, the first and the last among them", () => {
  const lines: string[] = [];
  const progress = startProgress({ label: "train", total: 200, terminal: false, write: (line) => lines.push(line) });
  for (let step = 1; step <= 150; step++) progress.update(step, `loss ${step}`);
  progress.say("step 150: validation 0.9");
  progress.stop();
  progress.stop();
  assert.deepEqual(lines, ["train 1/200  loss 1", "step 150: validation 0.9", "train 150/200  loss 150"]);
});

Deno.test("startProgress() without a terminal prints the end at once, and lines when time has passed", () => {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  const progress = startProgress({ label: "read", total: 0, terminal: false, write, quietMs: 0 });
  progress.setTotal(3);
  for (let step = 1; step <= 3; step++) progress.update(step, "");
  progress.stop();
  assert.deepEqual(lines, ["read 1/3", "read 2/3", "read 3/3"]);
});

Deno.test("duration() and grouped() read as people say it", () => {
  assert.deepEqual([400, 59_400, 75_000, 660_000, 7_380_000].map(duration), [
    "0 s",
    "59 s",
    "1 min 15 s",
    "11 min",
    "2 h 3 min",
  ]);
  assert.equal(grouped(1234567.6), "1,234,568");
});
