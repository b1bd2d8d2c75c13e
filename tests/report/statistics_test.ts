// Statistics of the reports against numpy, scipy and scikit-learn (tests/oracle/explore.py).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../../data/random.ts";
import { fitStrengths, type PairCounts } from "../../report/statistics/bradley_terry.ts";
import { leaderboard } from "../../report/statistics/leaderboard.ts";
import { LogHistogram } from "../../report/statistics/log_histogram.ts";
import { quantile } from "../../report/statistics/quantile.ts";
import { Resampler } from "../../report/statistics/resample.ts";
import { Reservoir } from "../../report/statistics/reservoir.ts";
import { wilsonInterval } from "../../report/statistics/wilson.ts";
import { root } from "../imports.ts";

const golden = JSON.parse(readFileSync(join(root, "tests/goldens/explore.json"), "utf8"));

const close = (found: number, wanted: number, tolerance: number, why: string) =>
  assert(Math.abs(found - wanted) <= tolerance, `${why}: ${found}, not ${wanted}`);

const pairsOf = (rows: number[][]): PairCounts[] =>
  rows.map(([i, j, winsI, winsJ, ties]) => ({ i, j, winsI, winsJ, ties }));

Deno.test("wilsonInterval() equals scipy's binomtest, and knows nothing of no trials", () => {
  for (const { k, n, low, high } of golden.wilson) {
    const found = wilsonInterval(k, n);
    close(found.low, low, 1e-12, `${k} of ${n}, low`);
    close(found.high, high, 1e-12, `${k} of ${n}, high`);
  }
  assert.deepEqual(wilsonInterval(0, 0), { low: 0, high: 1 });
});

Deno.test("quantile() equals numpy's", () => {
  const { values, at, quantiles } = golden.quantiles;
  const ascending = Float64Array.from(values).sort();
  for (const [i, q] of at.entries()) close(quantile(ascending, q), quantiles[i], 1e-9, `quantile ${q}`);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});

Deno.test("LogHistogram gives numpy's quantiles within 1 %, the mean and the ends exactly", () => {
  const { values, at, lower, mean } = golden.quantiles;
  const sketch = new LogHistogram();
  for (const value of values) sketch.add(value);
  for (const [i, q] of at.entries()) close(sketch.quantile(q), lower[i], 0.0101 * lower[i], `quantile ${q}`);
  close(sketch.mean, mean, 1e-9, "mean");
  assert.deepEqual([sketch.least, sketch.greatest], [Math.min(...values), Math.max(...values)]);
  assert.equal(sketch.between(0, Infinity), values.length);
  const few = new LogHistogram();
  for (const value of [0, 1, 1, 63]) few.add(value);
  assert.deepEqual([0, 0.5, 1].map((q) => few.quantile(q)), [0, 1, 63]);
  few.add(2 ** 53);
  assert.equal(few.quantile(1), 2 ** 53);
});

for (const { why, chatbots, pairs, theta, nu } of golden.bradleyTerry) {
  Deno.test(`fitStrengths() equals scipy's optimum: ${why}`, () => {
    const found = fitStrengths(chatbots, pairsOf(pairs));
    for (const [i, wanted] of theta.entries()) close(found.theta[i], wanted, 1e-5, `theta ${i}`);
    close(found.nu, nu, 1e-5 * Math.max(1, nu), "nu");
    const again = fitStrengths(chatbots, pairsOf(pairs), { theta: Float64Array.from(theta, (x: number) => -x), nu: 1 });
    for (const [i, wanted] of theta.entries()) close(again.theta[i], wanted, 1e-5, `theta ${i} from elsewhere`);
  });
}

Deno.test("leaderboard() has numpy's bootstrap intervals within the luck of the draw", () => {
  const { chatbots, rounds, pairs, points, low, high } = golden.bootstrap;
  const found = leaderboard({ chatbots, pairs: pairsOf(pairs), seed: 1, rounds });
  for (const [i, rating] of found.ratings.entries()) {
    close(rating.points, points[i], 1e-2, `points ${i}`);
    // Percentiles of 2,000 samples move by about 3 % of the interval's width.
    const tolerance = 0.08 * (high[i] - low[i]);
    close(rating.low, low[i], tolerance, `low ${i}`);
    close(rating.high, high[i], tolerance, `high ${i}`);
  }
  assert.equal(found.groups, 1);
  const same = leaderboard({ chatbots, pairs: pairsOf(pairs), seed: 1, rounds });
  assert.deepEqual(same, found);
  assert.equal(leaderboard({ chatbots: 4, pairs: pairsOf([[0, 1, 2, 1, 0]]), seed: 1, rounds: 2 }).groups, 3);
});

Deno.test("Resampler draws as many as there were, in proportion", () => {
  const counts = [0, 1, 9, 90, 400], random = new Random(5), sums = [0, 0, 0, 0, 0], rounds = 2000;
  const resampler = new Resampler(counts);
  for (let round = 0; round < rounds; round++) {
    const drawn = resampler.draw(random);
    assert.equal(drawn.reduce((sum, count) => sum + count, 0), 500);
    for (const [cell, count] of drawn.entries()) sums[cell] += count / rounds;
  }
  assert.equal(sums[0], 0);
  for (const [cell, count] of counts.entries()) {
    close(sums[cell], count, 5 * Math.sqrt(count / rounds), `cell ${cell}`);
  }
});

Deno.test("Reservoir keeps each item of a stream equally often, and all of a short one", () => {
  const kept = new Float64Array(50), rounds = 4000;
  for (let seed = 0; seed < rounds; seed++) {
    const reservoir = new Reservoir<number>(5, seed);
    for (let item = 0; item < 50; item++) reservoir.offer(() => item);
    assert.equal(new Set(reservoir.items).size, 5);
    for (const item of reservoir.items) kept[item]++;
  }
  for (const [item, count] of kept.entries()) close(count / rounds, 0.1, 0.025, `item ${item}`);
  const short = new Reservoir<number>(5, 1);
  for (const item of [1, 2, 3]) short.offer(() => item);
  assert.deepEqual([short.items, short.seen], [[1, 2, 3], 3]);
});
