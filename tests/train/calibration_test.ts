// Calibration against scipy's optimum (tests/oracle/calibration.py), its exact symmetry, and what it refuses.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Outcome } from "../../data/battle.ts";
import { Random } from "../../data/random.ts";
import { type CalibrationMethod, calibrationMethods } from "../../model/calibration_entry.ts";
import { calibrationFrom } from "../../train/calibrate_model.ts";
import { calibrate, fitCalibration } from "../../train/calibration.ts";
import { logLoss } from "../../train/metrics.ts";
import { root } from "../imports.ts";

interface Fit {
  method: CalibrationMethod;
  symmetric: boolean;
  scale: number[];
  bias: number[];
  loss: number;
}

interface Case {
  why: string;
  probabilities: number[];
  labels: Outcome[];
  fits: Fit[];
}

const { cases }: { cases: Case[] } = JSON.parse(readFileSync(join(root, "tests/goldens/calibration.json"), "utf8"));

for (const { why, probabilities, labels, fits } of cases) {
  Deno.test(`fitCalibration() finds scipy's optimum, all methods, with A and B alike and not: ${why}`, () => {
    for (const { method, symmetric, scale, bias, loss } of fits) {
      const found = fitCalibration(probabilities, labels, { method, symmetric });
      const far = [...scale, ...bias].map((value, at) => Math.abs(value - [...found.scale, ...found.bias][at]));
      const ours = logLoss(calibrate(probabilities, found), labels);
      const which = `${method}${symmetric ? ", symmetric" : ""}`;
      assert.ok(Math.max(...far) < 2e-5, `${which}: off by ${Math.max(...far)}`);
      assert.ok(Math.abs(ours - loss) < 1e-9, `${which}: loss ${ours}, scipy's ${loss}`);
    }
  });
}

/** Predictions that are right on average, and outcomes drawn from them. */
function drawn(battles: number, seed: number): { probabilities: Float64Array; labels: Outcome[] } {
  const random = new Random(seed), probabilities = new Float64Array(battles * 3), labels: Outcome[] = [];
  for (let row = 0; row < battles; row++) {
    const scores = [0, 1, 2].map(() => Math.exp(random.normal()));
    const sum = scores[0] + scores[1] + scores[2], coin = random.uniform() * sum;
    probabilities.set(scores.map((score) => score / sum), row * 3);
    labels.push(coin < scores[0] ? 0 : coin < scores[0] + scores[1] ? 1 : 2);
  }
  return { probabilities, labels };
}

Deno.test("calibrate() exchanges the winners' probabilities to the bit when A and B change places", () => {
  const { probabilities, labels } = drawn(200, 1);
  const exchanged = probabilities.map((_, at) => probabilities[at - at % 3 + [1, 0, 2][at % 3]]);
  for (const method of calibrationMethods) {
    const found = fitCalibration(probabilities, labels, { method, symmetric: true });
    const one = calibrate(probabilities, found), other = calibrate(exchanged, found);
    assert.deepEqual(one.map((_, at) => other[at - at % 3 + [1, 0, 2][at % 3]]), one, method);
  }
});

Deno.test("fitCalibration() leaves alone what is right already, and undoes what it is told to undo", () => {
  const { probabilities, labels } = drawn(20_000, 2);
  const { scale: [right] } = fitCalibration(probabilities, labels, { method: "temperature", symmetric: false });
  assert.ok(Math.abs(right - 1) < 0.03, `${right}`);
  const sharper = calibrate(probabilities, { method: "temperature", scale: [3, 3, 3], bias: [0, 0, 0] });
  const { scale: [undone] } = fitCalibration(sharper, labels, { method: "temperature", symmetric: false });
  assert.ok(Math.abs(undone * 3 - right) < 1e-6, `${undone}`);
});

Deno.test("fitCalibration() by prior makes the mean prediction the outcomes' shares", () => {
  const { probabilities, labels } = drawn(500, 3);
  const shifted = calibrate(probabilities, { method: "prior", scale: [1, 1, 1], bias: [1, -0.5, -2] });
  const p = calibrate(shifted, fitCalibration(shifted, labels, { method: "prior", symmetric: false }));
  for (let c = 0; c < 3; c++) {
    const mean = labels.reduce((sum: number, _, row) => sum + p[row * 3 + c], 0) / labels.length;
    assert.ok(Math.abs(mean - labels.filter((label) => label === c).length / labels.length) < 1e-6);
  }
});

Deno.test("fitCalibration() refuses what has no best calibration", () => {
  const sure = [0.8, 0.1, 0.1, 0.1, 0.8, 0.1, 0.1, 0.1, 0.8], right: Outcome[] = [0, 1, 2];
  const refused = (labels: Outcome[], method: CalibrationMethod, message: RegExp) =>
    assert.throws(
      () => fitCalibration(sure.slice(0, labels.length * 3), labels, { method, symmetric: false }),
      message,
    );
  refused(right, "temperature", /told apart without a mistake/);
  refused([1, 2, 0], "temperature", /the best scale is -.* predictions say nothing about them/);
  refused([0, 1, 1], "vector", /none of them has a tie/);
  refused([], "temperature", /there is no battle/);
  const options = { method: "temperature", symmetric: false } as const;
  assert.throws(() => fitCalibration([NaN, 0.5, 0.5], [0], options), /a probability is NaN/);
});

Deno.test("calibrationFrom() tells the loss on its own battles from that on others", () => {
  const { probabilities, labels } = drawn(40, 4);
  const record = { source: "folder/some.csv", sha256: "0".repeat(64), battles: 50 };
  const keys = labels.map((_, at) => `prompt ${at}`);
  const found = calibrationFrom({ probabilities, labels, keys, record, swapAverage: false }, {
    method: "vector",
    symmetric: false,
  });
  assert.deepEqual(found.entry.fitted_on, {
    source: "some.csv",
    sha256: "0".repeat(64),
    battles: 40,
    swap_average: false,
  });
  assert.ok(found.after.logLoss <= found.before.logLoss);
  assert.ok(found.crossFitted! > found.after.logLoss, "forty battles fit six numbers too well");
  const onePrompt = labels.map(() => "the same");
  const alone = calibrationFrom({ probabilities, labels, keys: onePrompt, record, swapAverage: false }, {
    method: "temperature",
    symmetric: true,
  });
  assert.equal(alone.crossFitted, undefined);
});
