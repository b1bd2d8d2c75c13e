// One table of cases drives two dense layers as a block has them, x -> GELU -> sum with dropout and residual: what the products
// do beside multiplying, the residual and the derivative of GELU, through textures and tiles and where it takes two passes.
import assert from "node:assert/strict";
import { Recorder } from "../../gpu/recorder.ts";
import { type Tensor } from "../../gpu/tensor.ts";
import { type Adapters } from "../../kernels/adapters.ts";
import { sideKey, tokenKey } from "../../kernels/dropout.ts";
import { type GeluForm } from "../../kernels/gelu_forms.ts";
import { linear } from "../../kernels/linear.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { Tape } from "../../kernels/tape.ts";
import { checkCase, type Input, normal, testGpu, type Values } from "./harness.ts";
import { dropoutMask } from "./reference/dropout.ts";
import {
  geluExact,
  geluExactDerivative,
  geluTanh,
  geluTanhDerivative,
  linearBackward,
  linearForward,
} from "./reference/linear.ts";

interface Row {
  why: string;
  T: number;
  W: number;
  F: number;
  tokens?: number;
  form?: GeluForm;
  /** Of the sum that the residual is added to. @default {none} */
  rate?: number;
  /** What is added: a tensor of its own, the block's input, or GELU's result, which then has two readers. @default {"own"} */
  residual?: "own" | "x" | "h";
  /** Of adapters of both weights. */
  rank?: number;
  /** Rows of the first weight that are bound at once. */
  bound?: number;
}

const cases: Row[] = [
  { why: "one row", T: 1, W: 12, F: 20, rate: 0.5 },
  { why: "nothing divides by the tile", T: 37, W: 20, F: 44, rate: 0.25, form: "tanh" },
  { why: "textures, dead tail", T: 40, W: 64, F: 192, tokens: 35, rate: 0.25 },
  { why: "tanh, no dropout", T: 33, W: 64, F: 128, form: "tanh" },
  { why: "the residual is the block's input", T: 33, W: 64, F: 128, rate: 0.1, residual: "x" },
  { why: "the same without dropout, odd sizes", T: 5, W: 20, F: 36, residual: "x" },
  { why: "GELU's result has another reader", T: 33, W: 64, F: 128, rate: 0.1, residual: "h" },
  { why: "adapters of both", T: 33, W: 64, F: 128, rate: 0.1, rank: 8 },
  { why: "columns that no texture takes", T: 33, W: 36, F: 64, rate: 0.1 },
  { why: "both weights bound in parts", T: 33, W: 128, F: 192, rate: 0.1, bound: 64 },
  { why: "adapters of weights bound in parts", T: 33, W: 128, F: 192, rate: 0.1, rank: 4, bound: 64 },
];

const site = 3, scale = 0.5;

for (const at of cases) {
  const { why, T, W, F, tokens = T, form = "erf", rate = 0, residual = "own", rank, bound } = at;
  const outputs = residual === "h" ? F : W;
  const [act, derivative] = form === "erf" ? [geluExact, geluExactDerivative] : [geluTanh, geluTanhDerivative];
  const rows = (width: number, seed: number): Input => ({
    shape: [T, width],
    live: "tokens",
    data: normal(T * width, seed).fill(NaN, tokens * width),
    grad: "activation",
  });
  const matrix = (shape: [number, number], seed: number, grad = true): Input => ({
    shape,
    data: normal(shape[0] * shape[1], seed, { std: 1 / Math.sqrt(shape[1]) }),
    ...(grad && { grad: "parameter" }),
  });
  const side = sideKey({ seed: 42, step: 7, battle: 5, side: 1 });
  const inputs: Record<string, Input> = {
    x: rows(W, 1),
    ...(residual === "own" && { residual: rows(outputs, 2) }),
    up: matrix([F, W], 3, rank === undefined),
    upBias: { shape: [F], data: normal(F, 4), grad: "parameter" },
    down: matrix([outputs, F], 5, rank === undefined),
    downBias: { shape: [outputs], data: normal(outputs, 6), grad: "parameter" },
    keys: {
      shape: [T],
      live: "tokens",
      data: Uint32Array.from({ length: T }, (_, t) => t < tokens ? tokenKey(side, t) : 0xffffffff),
    },
    ...(rank && {
      ...{ upA: matrix([rank, W], 7), upB: matrix([rank, F], 8) },
      ...{ downA: matrix([rank, F], 9), downB: matrix([rank, outputs], 10) },
    }),
  };
  const adapters = (t: Record<string, Tensor>): ReadonlyMap<Tensor, Adapters> =>
    new Map(
      [[t.up, t.upA, t.upB], [t.down, t.downA, t.downB]]
        .map(([weight, a, b]) => [weight, { a, parts: [{ b, column: 0 }], scale }]),
    );
  const layers = (values: Values) => {
    const up = { x: values.x, weight: adapted(values, "up", rank), bias: values.upBias };
    const h = linearForward(up, act);
    const down = { x: h, weight: adapted(values, "down", rank), bias: values.downBias };
    const mask = rate ? dropoutMask(values.keys, outputs, { rate, site }) : new Float64Array(h.length).fill(1);
    return { up, h, down, mask };
  };

  for (const isCpu of [true, false]) {
    const sizes = `T ${tokens} of ${T}, ${W} -> ${F} -> ${outputs}, ${isCpu ? "textures" : "tiles"}`;
    Deno.test(`a feed-forward block matches f64 forward and backward: ${why} (${sizes})`, () =>
      checkCase("feed_forward", {
        why,
        inputs,
        step: { tokens },
        ...(rank && { adapters }),
        record: (tape, t) => {
          const h = linear(tape, t.x, { weight: t.up, bias: t.upBias, gelu: form });
          const beside = { own: t.residual, x: t.x, h }[residual];
          const dropout = rate ? { rate, site, tokenKeys: t.keys } : undefined;
          return linear(tape, h, { weight: t.down, bias: t.downBias, residual: { x: beside, dropout } });
        },
        forward: (values) => {
          const { h, down, mask } = layers(values), beside = { own: values.residual, x: values.x, h }[residual];
          return linearForward(down).map((value, i) => beside[i] + mask[i] * value);
        },
        backward: (values, dy) => {
          const { up, down, mask } = layers(values);
          const lower = linearBackward(down, dy.map((d, i) => d * mask[i]));
          const dh = residual === "h" ? lower.x.map((d, i) => d + dy[i]) : lower.x;
          const upper = linearBackward(up, dh, derivative);
          return {
            x: residual === "x" ? upper.x.map((d, i) => d + dy[i]) : upper.x,
            ...(residual === "own" && { residual: dy }),
            ...{ up: upper.weight, upBias: upper.bias, down: lower.weight, downBias: lower.bias },
            ...(rank &&
              { ...adaptersOf(values, "up", upper.weight, rank), ...adaptersOf(values, "down", lower.weight, rank) }),
          };
        },
        schedules: defaultSchedules(isCpu),
        ...(bound && { bindingBytes: bound * W * 4 + 4 }),
      }));
  }
}

Deno.test("linear() refuses a residual of another shape, or beside GELU", async () => {
  const recorder = new Recorder((await testGpu()).gpu),
    tape = new Tape(recorder, { schedules: defaultSchedules(true) });
  const tensor = (...shape: number[]) => recorder.tensor(shape);
  const [x, weight, bias] = [tensor(5, 8), tensor(4, 8), tensor(4)];
  assert.throws(() => linear(tape, x, { weight, residual: { x: tensor(4, 5) } }), /to \[5,8\] beside \[4,5\]/);
  assert.throws(
    () => linear(tape, x, { weight, bias, gelu: "erf", residual: { x: tensor(5, 4) } }),
    /with GELU beside/,
  );
});

/** weight + scale B^T A, [n, k], where the case has adapters. */
function adapted(values: Values, name: "up" | "down", rank = 0): Float64Array {
  if (rank === 0) return values[name];
  const [a, b] = [values[`${name}A`], values[`${name}B`]], K = a.length / rank, N = b.length / rank;
  return values[name].map((w, i) => {
    const n = Math.floor(i / K), k = i % K;
    let sum = 0;
    for (let j = 0; j < rank; j++) sum += b[j * N + n] * a[j * K + k];
    return w + scale * sum;
  });
}

/** The chain rule from the adapted weight's gradient [n, k]. */
function adaptersOf(values: Values, name: "up" | "down", dWeight: Float64Array, rank: number): Values {
  const [a, b] = [values[`${name}A`], values[`${name}B`]], K = a.length / rank, N = b.length / rank;
  const da = new Float64Array(a.length), db = new Float64Array(b.length);
  for (let j = 0; j < rank; j++) {
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) {
        da[j * K + k] += scale * b[j * N + n] * dWeight[n * K + k];
        db[j * N + n] += scale * a[j * K + k] * dWeight[n * K + k];
      }
    }
  }
  return { [`${name}A`]: da, [`${name}B`]: db };
}
