// One table of cases drives forward and gradient of rope(); the table of turns against plain cosines.
import assert from "node:assert/strict";
import { rope, turnTable } from "../../kernels/rope.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { checkCase, normal, random } from "./harness.ts";
import { ropeForward } from "./reference/rope.ts";

interface Row {
  why: string;
  T: number;
  D: number;
  heads: number;
  /** Columns behind the turned heads. @default {0} */
  rest?: number;
  tokens?: number;
  positions?: number;
}

const cases: Row[] = [
  { why: "one token at position 0, which nothing turns", T: 1, D: 8, heads: 1, positions: 1 },
  { why: "v behind q and k stays", T: 9, D: 16, heads: 5, rest: 32 },
  { why: "dead tail, more pairs than lanes", T: 40, D: 64, heads: 12, rest: 192, tokens: 33 },
  { why: "a width that is no multiple of 16", T: 7, D: 24, heads: 3, rest: 24 },
  { why: "halves of a head past 8 lanes", T: 5, D: 96, heads: 2, rest: 4 },
  // Angles of thousands: the reference takes the rounded table's frequencies, so f32's angles are off by 4096 x 2^-24.
  { why: "late positions", T: 6, D: 32, heads: 2, positions: 4096 },
];

for (const { why, T, D, heads, rest = 0, tokens = T, positions = 64 } of cases) {
  for (const isCpu of [true, false]) {
    const columns = heads * D + rest;
    const frequencies = Float32Array.from({ length: D / 2 }, (_, i) => 10000 ** (-2 * i / D));
    const uniform = random(3);
    const at = Uint32Array.from({ length: T }, () => Math.floor(uniform() * positions));
    const form = { columns, heads, frequencies };
    Deno.test(
      `rope() matches f64 forward and backward: ${why} (T ${tokens} of ${T}, ${heads} x ${D} of ${columns}, ${
        isCpu ? 8 : 64
      } lanes)`,
      () =>
        checkCase("rope", {
          why,
          inputs: {
            x: { shape: [T, columns], live: "tokens", data: normal(T * columns, 1), grad: "activation" },
            positions: { shape: [T], live: "tokens", data: at },
            turns: { shape: [positions, D], data: turnTable(frequencies, positions) },
          },
          step: { tokens },
          record: (tape, { x, positions, turns }) => rope(tape, x, { heads, positions, turns }),
          forward: (values) => ropeForward(values, form),
          backward: (values, dy) => ({ x: ropeForward({ ...values, x: dy }, form, -1) }),
          rtol: positions > 1000 ? 1e-4 : 1e-5,
          schedules: defaultSchedules(isCpu),
        }),
    );
  }
}

Deno.test("turnTable() holds cosines, then sines, of each position, scaled", () => {
  const table = turnTable(Float32Array.of(1, 0.25), 3, 2);
  const expected = [0, 1, 2].flatMap((p) => [Math.cos(p), Math.cos(p / 4), Math.sin(p), Math.sin(p / 4)]);
  expected.forEach((value, i) => assert.ok(Math.abs(table[i] - 2 * value) < 1e-6, `value ${i} is ${table[i]}`));
});
