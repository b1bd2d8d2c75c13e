// Learning rates against transformers 5.23 (13 steps, warm-up of ceil(13 * 0.2) = 3, peak 5e-5).
import assert from "node:assert/strict";
import { learningRate, type Schedule } from "../../train/schedule.ts";

const warmup = [0, 1.6666666666666667e-05, 3.3333333333333335e-05];
const expected: Record<Schedule["schedule"], number[]> = {
  linear: [...warmup, 5e-05, 4.5e-05, 4e-05, 3.5e-05, 3e-05, 2.5e-05, 2e-05, 1.5e-05, 1e-05, 5e-06],
  // deno-fmt-ignore
  cosine: [...warmup, 5e-05, 4.877641290737884e-05, 4.522542485937369e-05, 3.969463130731183e-05,
    3.272542485937369e-05, 2.5e-05, 1.7274575140626318e-05, 1.0305368692688174e-05, 4.7745751406263165e-06,
    1.2235870926211619e-06],
  constant: [...warmup, ...Array(10).fill(5e-05)],
};

for (const [schedule, rates] of Object.entries(expected) as [Schedule["schedule"], number[]][]) {
  Deno.test(`learningRate() of a ${schedule} schedule is transformers'`, () => {
    rates.forEach((rate, i) => {
      const own = learningRate({ schedule, lr: 5e-5, warmup: 0.2, totalSteps: 13 }, i + 1);
      assert.ok(Math.abs(own - rate) <= 1e-12 * 5e-5, `step ${i + 1}: ${own}, transformers ${rate}`);
    });
  });
}

Deno.test("learningRate() without warm-up starts at the peak, and warms up all the way at 1", () => {
  const schedule = "linear", lr = 1;
  assert.equal(learningRate({ schedule, lr, warmup: 0, totalSteps: 4 }, 1), 1);
  assert.deepEqual([1, 2, 3, 4].map((s) => learningRate({ schedule, lr, warmup: 1, totalSteps: 4 }, s)), [
    0,
    0.25,
    0.5,
    0.75,
  ]);
});
