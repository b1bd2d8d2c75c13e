// Turns, medians and spreads, on a stopwatch that only counts.
import assert from "node:assert/strict";
import { differences, interleave, quantile, sums, timing } from "../../bench/interleave.ts";
import { type Stopwatch } from "../../bench/stopwatch.ts";

/** Runs the work and says that each lap took as long as `ms` tells. */
function counting(ms: (call: number) => number): { stopwatch: Stopwatch; repeats: number[] } {
  const repeats: number[] = [];
  let call = 0;
  const stopwatch: Stopwatch = {
    kind: "wall clock",
    async laps(work, times = 1) {
      repeats.push(times);
      for (let i = 0; i < times; i++) for (const enqueue of work) await enqueue();
      return work.map(() => ms(call++));
    },
  };
  return { stopwatch, repeats };
}

Deno.test("interleave() takes its cases in turns after two runs of each that do not count", async () => {
  const { stopwatch } = counting((call) => 100 + call);
  const order: string[] = [];
  const cases = ["a", "b"].map((name) => ({ laps: { run: () => void order.push(name) } }));
  const samples = await interleave(stopwatch, cases, { rounds: 3 });
  assert.equal(order.join(""), "aabb" + "ab".repeat(3));
  assert.deepEqual(samples, [{ run: [104, 106, 108] }, { run: [105, 107, 109] }]);
});

Deno.test("interleave() repeats short work until a sample is long enough, and keeps laps apart", async () => {
  const { stopwatch, repeats } = counting(() => 2);
  const samples = await interleave(stopwatch, [{ laps: { one: () => {}, two: () => {} } }], {
    rounds: 2,
    sampleMs: 30,
  });
  assert.deepEqual(repeats, [1, 1, 8, 8]);
  assert.deepEqual(samples, [{ one: [2, 2], two: [2, 2] }]);
});

Deno.test("timing() is the median and the distance between the quartiles", () => {
  assert.deepEqual(timing([5, 1, 4, 2, 3]), { ms: 3, spread: 2, n: 5 });
  assert.deepEqual(timing([7]), { ms: 7, spread: 0, n: 1 });
  assert.equal(quantile([1, 2], 0.25), 1.25);
});

Deno.test("differences() and sums() pair the samples of one round", () => {
  assert.deepEqual(differences([5, 9], [1, 2]), [4, 7]);
  assert.deepEqual(sums([5, 9], [1, 2]), [6, 11]);
});
