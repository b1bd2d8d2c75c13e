// The numbers themselves are pinned: another order of a run's battles would be another run.
import assert from "node:assert/strict";
import { Random } from "../../data/random.ts";

Deno.test("Random gives the same numbers on every machine", () => {
  const random = new Random(42, 3);
  assert.deepEqual([random.uint32(), random.uint32(), random.uint32()], [1024890968, 3917856190, 1481831225]);
  assert.deepEqual(new Random(42).shuffle([0, 1, 2, 3, 4, 5, 6, 7]), [6, 4, 3, 0, 5, 2, 7, 1]);
});

Deno.test("Random streams differ by each of their seeds", () => {
  const first = (...seeds: number[]) => new Random(...seeds).uint32();
  const streams = [
    first(),
    first(0),
    first(1),
    first(0, 0),
    first(0, 1),
    first(1, 0),
    first(2 ** 32),
    first(2 ** 32 + 1),
  ];
  assert.equal(new Set(streams).size, streams.length);
});

Deno.test("Random.uniform(), below() and normal() have the moments of their distributions", () => {
  const random = new Random(1), n = 100_000;
  const mean = (draw: () => number) => Array.from({ length: n }, draw).reduce((sum, x) => sum + x, 0) / n;
  // Deviations of the means are 0.0009 to 0.0045; five of them are allowed.
  assert(Math.abs(mean(() => random.uniform()) - 0.5) < 0.0046);
  assert(Math.abs(mean(() => random.normal())) < 0.016);
  assert(Math.abs(mean(() => random.normal() ** 2) - 1) < 0.023);
  assert(Math.abs(mean(() => random.normal() ** 3)) < 0.062);
  const counts = [0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 70_000; i++) counts[random.below(7)]++;
  for (const count of counts) assert(Math.abs(count - 10_000) < 470);
});

Deno.test("Random.shuffle() gives each order its share", () => {
  const random = new Random(9), counts = new Map<string, number>();
  for (let i = 0; i < 24_000; i++) {
    const order = random.shuffle([1, 2, 3, 4]).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.equal(counts.size, 24);
  for (const count of counts.values()) assert(Math.abs(count - 1000) < 160);
});
