// Scores against numpy and scikit-learn (tests/oracle/metrics.py).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../../errors.ts";
import { accuracy, calibrationError, expectedLogLoss, logLoss } from "../../train/metrics.ts";
import { root } from "../imports.ts";

const { cases } = JSON.parse(readFileSync(join(root, "tests/goldens/metrics.json"), "utf8"));

const close = (found: number, wanted: number, tolerance: number, why: string) =>
  assert(Math.abs(found - wanted) <= tolerance * Math.max(1, Math.abs(wanted)), `${why}: ${found}, not ${wanted}`);

for (const { why, dtype, p, labels, truth, ...wanted } of cases) {
  // float32 sums and logarithms of numpy are 1e-7 off; ours are float64 after clipping.
  const tolerance = dtype === "float32" ? 1e-6 : 1e-13;
  Deno.test(`logLoss() equals scikit-learn 1.3: ${why}`, () => {
    close(logLoss(p, labels, { dtype }), wanted.logLoss, tolerance, "logLoss");
    close(accuracy(p, labels), wanted.accuracy, 0, "accuracy");
    close(calibrationError(p, labels), wanted.calibrationError, tolerance, "calibrationError");
    if (truth) close(expectedLogLoss(p, truth), wanted.expectedLogLoss, tolerance, "expectedLogLoss");
  });
}

Deno.test("expectedLogLoss() is least at the truth, and logLoss() under a sure truth", () => {
  const truth = [0.5, 0.2, 0.3];
  const entropy = -truth.reduce((sum, share) => sum + share * Math.log(share), 0);
  close(expectedLogLoss(truth, truth), entropy, 1e-15, "entropy");
  assert(expectedLogLoss([0.49, 0.21, 0.3], truth) > entropy);
  close(expectedLogLoss([0.2, 0.7, 0.1], [0, 1, 0]), logLoss([0.2, 0.7, 0.1], [1]), 0, "sure");
});

Deno.test("logLoss() refuses what is no number, naming the row, and no battles at all", () => {
  assert.throws(
    () => logLoss([0.2, 0.3, 0.5, NaN, 0.5, 0.5], [0, 1]),
    (error) => error instanceof InputError && /^Cannot score prediction 2: /.test(error.message),
  );
  assert.throws(() => logLoss([], []), InputError);
  assert.throws(() => logLoss([0.2, 0.3, 0.5], [0, 1]), /1 predictions against 2 battles/);
});
