// Ensemble weights against scipy's optimum (tests/oracle/ensemble.py).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Outcome } from "../../data/battle.ts";
import { type Blend, blend, fitWeights } from "../../train/ensemble.ts";
import { logLoss } from "../../train/metrics.ts";
import { root } from "../imports.ts";

interface Case {
  why: string;
  labels: Outcome[];
  members: number[][];
  fits: { on: Blend; weights: number[]; loss: number }[];
}

const { cases }: { cases: Case[] } = JSON.parse(readFileSync(join(root, "tests/goldens/ensemble.json"), "utf8"));

for (const { why, labels, members, fits } of cases) {
  Deno.test(`fitWeights() finds scipy's optimum on probabilities and on logits: ${why}`, () => {
    for (const { on, weights, loss } of fits) {
      const found = fitWeights(members, labels, on);
      const off = Math.max(...weights.map((weight, m) => Math.abs(weight - found[m])));
      assert.ok(off < 1e-4, `${on}: weights are off by ${off}`);
      const ours = logLoss(blend(members, found, on), labels);
      assert.ok(Math.abs(ours - loss) < 1e-7, `${on}: loss ${ours}, scipy's ${loss}`);
      assert.ok(Math.abs(found.reduce((sum, weight) => sum + weight, 0) - 1) < 1e-12);
    }
  });
}

Deno.test("blend() averages probabilities, or their logarithms, and a probability of 0 is no end", () => {
  const one = [0.5, 0.25, 0.25], other = [0.1, 0.8, 0.1];
  assert.deepEqual([...blend([one, other], [0.5, 0.5], "probabilities")], [0.3, 0.525, 0.175]);
  const roots = one.map((p, c) => Math.sqrt(p * other[c])), sum = roots[0] + roots[1] + roots[2];
  blend([one, other], [0.5, 0.5], "logits").forEach((p, c) => assert.ok(Math.abs(p - roots[c] / sum) < 1e-15));
  assert.ok(blend([[0, 1, 0], one], [0.5, 0.5], "logits").every((p) => p > 0));
});
