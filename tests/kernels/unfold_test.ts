// One table of cases drives forward and gradient of unfold().
import assert from "node:assert/strict";
import { Recorder } from "../../gpu/recorder.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { Tape } from "../../kernels/tape.ts";
import { unfold } from "../../kernels/unfold.ts";
import { checkCase, normal, testGpu } from "./harness.ts";

const cases = [
  { why: "one row, wider than its segment", lengths: [1], W: 4, K: 3 },
  { why: "segments shorter than the kernel, dead tail", lengths: [1, 2, 3, 1, 9], W: 12, K: 5, dead: 3 },
  { why: "borders of segments, several groups", lengths: [20, 31], W: 20, K: 3, dead: 1 },
  { why: "rows alone", lengths: [5, 2], W: 8, K: 1 },
];

/** Calls `visit` with each row, neighbour k and the neighbour's row, within segments. */
function eachNeighbour(lengths: number[], K: number, visit: (t: number, k: number, from: number) => void): void {
  let start = 0;
  for (const length of lengths) {
    for (let t = start; t < start + length; t++) {
      for (let k = 0; k < K; k++) {
        const from = t + k - (K - 1) / 2;
        if (from >= start && from < start + length) visit(t, k, from);
      }
    }
    start += length;
  }
}

for (const { why, lengths, W, K, dead = 0 } of cases) {
  const tokens = lengths.reduce((a, b) => a + b, 0), T = tokens + dead;
  const positions = new Uint32Array(T);
  positions.set(lengths.flatMap((length) => Array.from({ length }, (_, t) => t)));
  Deno.test(`unfold() matches f64 forward and backward: ${why} (${lengths}, W ${W}, K ${K})`, () =>
    checkCase("unfold", {
      why,
      inputs: {
        x: { shape: [T, W], live: "tokens", data: normal(T * W, 1), grad: "activation" },
        positions: { shape: [T], live: "tokens", data: positions },
      },
      step: { tokens },
      record: (tape, { x, positions }) => unfold(tape, x, { kernel: K, positions }),
      forward({ x }) {
        const y = new Float64Array(tokens * W * K);
        eachNeighbour(lengths, K, (t, k, from) => {
          for (let c = 0; c < W; c++) y[(t * W + c) * K + k] = x[from * W + c];
        });
        return y;
      },
      backward(_, dy) {
        const dx = new Float64Array(tokens * W);
        eachNeighbour(lengths, K, (t, k, from) => {
          for (let c = 0; c < W; c++) dx[from * W + c] += dy[(t * W + c) * K + k];
        });
        return { x: dx };
      },
    }));
}

Deno.test("unfold() refuses an even number of rows", async () => {
  const recorder = new Recorder((await testGpu()).gpu),
    tape = new Tape(recorder, { schedules: defaultSchedules(true) });
  const x = recorder.tensor([3, 4]), positions = recorder.tensor([3], { dtype: "u32" });
  assert.throws(() => unfold(tape, x, { kernel: 2, positions }), /odd number/);
});
