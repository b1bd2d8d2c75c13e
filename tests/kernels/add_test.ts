// One table of cases drives add() and dropout(), with and without dropping, forward and backward.
import assert from "node:assert/strict";
import { type Tensor } from "../../gpu/tensor.ts";
import { add, dropout } from "../../kernels/add.ts";
import { sideKey, tokenKey } from "../../kernels/dropout.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { type Tape } from "../../kernels/tape.ts";
import { checkCase, type Input, normal, type Values } from "./harness.ts";
import { dropoutMask } from "./reference/dropout.ts";

interface Row {
  why: string;
  T: number;
  W: number;
  tokens?: number;
  /** 0: no dropout is recorded. */
  rate: number;
  isCpu?: boolean;
  /** Gradients of x and of a: an activation's is overwritten, a parameter's added to. @default {"activation"} */
  grad?: "activation" | "parameter";
}

const cases: Row[] = [
  { why: "one row, four channels", T: 1, W: 4, rate: 0.5 },
  { why: "no dropout, dead rows", T: 9, W: 36, tokens: 7, rate: 0 },
  { why: "dead rows", T: 9, W: 36, tokens: 7, rate: 0.1 },
  { why: "gradients added to others", T: 9, W: 36, tokens: 7, rate: 0.1, grad: "parameter" },
  { why: "gradients added to others, no dropout", T: 9, W: 36, rate: 0, grad: "parameter" },
  { why: "a GPU's schedule, a width past 64 lanes of vec4f", T: 5, W: 260, rate: 0.9, isCpu: false },
  { why: "more rows than groups in one dimension", T: 65_600, W: 4, tokens: 65_571, rate: 0.1 },
  { why: "MiniLM's width", T: 96, W: 384, rate: 0.1 },
];

const site = 3;

function keysOf(T: number, tokens: number): Input {
  const side = sideKey({ seed: 42, step: 7, battle: 5, side: 1 });
  const data = Uint32Array.from({ length: T }, (_, t) => t < tokens ? tokenKey(side, t) : 0xffffffff);
  return { shape: [T], live: "tokens", data };
}

for (const { why, T, W, tokens = T, rate, isCpu = true, grad = "activation" } of cases) {
  const input = (seed: number): Input => ({
    shape: [T, W],
    live: "tokens",
    data: normal(T * W, seed).fill(NaN, tokens * W),
    grad,
  });
  const at = { why, step: { tokens }, schedules: defaultSchedules(isCpu) };
  const options = (keys: Tensor) => ({ rate, site, tokenKeys: keys });
  const masked = ({ keys }: Values, values: Float64Array) => {
    const mask = dropoutMask(keys, W, { rate, site });
    return values.map((value, i) => value * mask[i]);
  };

  Deno.test(`add() matches f64 forward and backward: ${why} (T ${tokens} of ${T}, W ${W}, rate ${rate})`, () =>
    checkCase("add", {
      ...at,
      inputs: { x: input(1), a: input(2), keys: keysOf(T, tokens) },
      record: (tape, { x, a, keys }) => add(tape, x, a, rate ? options(keys) : undefined),
      forward: (x) => masked(x, x.a).map((value, i) => x.x[i] + value),
      backward: (x, dy) => ({ x: dy, a: masked(x, dy) }),
    }));

  Deno.test(`dropout() matches f64 forward and backward: ${why} (T ${tokens} of ${T}, W ${W}, rate ${rate})`, () =>
    checkCase("dropout", {
      ...at,
      inputs: { x: input(1), keys: keysOf(T, tokens) },
      // Twice, so that without dropout there still is an operation, and so that gradients meet.
      record: (tape, { x, keys }) => add(tape, dropout(tape, x, options(keys)), x),
      forward: (x) => masked(x, x.x).map((value, i) => value + x.x[i]),
      backward: (x, dy) => ({ x: masked(x, dy).map((value, i) => value + dy[i]) }),
    }));
}

for (const rate of [0, 0.25]) {
  Deno.test(`add() of a sum's own parts keeps their gradients apart (rate ${rate})`, () =>
    checkCase("add", {
      why: "an adopted gradient is added to by a later contribution, after its other reader",
      inputs: {
        x: { shape: [5, 8], data: normal(40, 1), grad: "activation" },
        a: { shape: [5, 8], data: normal(40, 2), grad: "activation" },
        keys: { shape: [5], data: keysOf(5, 5).data },
      },
      record: (tape: Tape, { x, a, keys }) => {
        const drop = { rate, site, tokenKeys: keys };
        const inner = add(tape, x, a, drop);
        return add(tape, add(tape, inner, x, drop), add(tape, a, a));
      },
      forward: ({ x, a, keys }) => {
        const mask = dropoutMask(keys, 8, { rate, site });
        return x.map((value, i) => value + mask[i] * a[i] + mask[i] * value + 2 * a[i]);
      },
      backward: ({ keys }, dy) => {
        const mask = dropoutMask(keys, 8, { rate, site });
        return { x: dy.map((d, i) => d * (1 + mask[i])), a: dy.map((d, i) => d * (mask[i] + 2)) };
      },
    }));
}

Deno.test("dropoutMask() drops the asked share, and other channels at another site", () => {
  const keys = keysOf(2000, 2000).data;
  for (const rate of [0.1, 0.5]) {
    const [one, other] = [3, 4].map((site) => dropoutMask(keys, 64, { rate, site }));
    const share = one.filter((value) => value === 0).length / one.length;
    // 128,000 draws: five deviations are 0.007 at the most.
    assert.ok(Math.abs(share - rate) < 0.007, `${share} dropped`);
    const both = one.filter((value, i) => value === 0 && other[i] === 0).length / one.length;
    assert.ok(Math.abs(both - rate * rate) < 0.007, `${both} dropped at both sites`);
  }
});
