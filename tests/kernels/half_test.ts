// Every operation over tokens with its activations in f16, against the f64 references on the rounded inputs. Tolerances are
// counted in roundings: arithmetic is in f32, so an operation is off by what it stores, `halfStep` of the largest value each time.
import { add, dropout } from "../../kernels/add.ts";
import { attention } from "../../kernels/attention.ts";
import { attentionBlocks } from "../../kernels/attention_blocks.ts";
import { embed, groupByRow } from "../../kernels/embedding.ts";
import { gated } from "../../kernels/gated.ts";
import { layerNorm } from "../../kernels/layer_norm.ts";
import { linear } from "../../kernels/linear.ts";
import { pool } from "../../kernels/pool.ts";
import { rmsNorm } from "../../kernels/rms_norm.ts";
import { rope, turnTable } from "../../kernels/rope.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { type Case, checkCase, halfStep, type Input, normal, type Values } from "./harness.ts";
import { attentionBackward, attentionForward } from "./reference/attention.ts";
import { dropoutMask } from "./reference/dropout.ts";
import { embedBackward, embedForward } from "./reference/embedding.ts";
import { layerNormBackward, layerNormForward } from "./reference/layer_norm.ts";
import { geluExact, geluExactDerivative, linearBackward, linearForward } from "./reference/linear.ts";
import { poolBackward, poolForward } from "./reference/pool.ts";
import { rmsNormBackward, rmsNormForward } from "./reference/rms_norm.ts";
import { ropeForward } from "./reference/rope.ts";

interface Row extends Omit<Case, "rtol"> {
  name: string;
  /** Roundings on the way to the output or a gradient, at most. */
  roundings: number;
}

const T = 40, tokens = 33, step = { tokens };

const activation = (columns: number, seed: number): Input => ({
  shape: [T, columns],
  live: "tokens",
  data: normal(T * columns, seed),
  grad: "activation",
});
const parameter = (shape: number[], seed: number, std = 1): Input => ({
  shape,
  data: normal(shape.reduce((a, b) => a * b, 1), seed, { std }),
  grad: "parameter",
});

const site = { rate: 0.25, site: 3 };
const keys: Input = { shape: [T], live: "tokens", data: Uint32Array.from({ length: T }, (_, t) => 977 * t) };
const masked = (x: Values, values: Float64Array, W: number) => {
  const mask = dropoutMask(x.keys, W, site);
  return values.map((value, i) => value * mask[i]);
};

const starts = [0, 12, 13, tokens];
const attending = { heads: 3, kvHeads: 1, D: 8 };
const blocks = attentionBlocks(Uint32Array.from(starts));
const layout = { ...attending, starts: Uint32Array.from(starts), causal: false, tokens };

const ids = Uint32Array.from({ length: T }, (_, t) => t % 11);
const groups = groupByRow(ids.subarray(0, tokens));
const padded = (data: Uint32Array, length: number): Input => {
  const whole = new Uint32Array(length);
  whole.set(data);
  return { shape: [length], data: whole };
};

const frequencies = Float32Array.from({ length: 4 }, (_, i) => 10 ** -i);
const turning = { columns: 24, heads: 2, frequencies };

const rows: Row[] = [
  {
    name: "linear()",
    why: "rows of 64n values, which textures take",
    roundings: 1,
    inputs: { x: activation(64, 1), weight: parameter([128, 64], 2, 0.1), bias: parameter([128], 3) },
    record: (tape, { x, weight, bias }) => linear(tape, x, { weight, bias }),
    forward: (x) => linearForward(x),
    backward: (x, dy) => linearBackward(x, dy),
  },
  {
    name: "linear() with GELU",
    why: "what goes into GELU is kept in f16 too, and so is its gradient",
    roundings: 3,
    inputs: { x: activation(20, 1), weight: parameter([44, 20], 2, 0.2), bias: parameter([44], 3) },
    record: (tape, { x, weight, bias }) => linear(tape, x, { weight, bias, gelu: "erf" }),
    forward: (x) => linearForward(x, geluExact),
    backward: (x, dy) => linearBackward(x, dy, geluExactDerivative),
  },
  {
    name: "layerNorm()",
    why: "statistics stay in f32",
    roundings: 1,
    inputs: { x: activation(36, 1), gain: parameter([36], 2), bias: parameter([36], 3) },
    record: (tape, { x, gain, bias }) => layerNorm(tape, x, { gain, bias, eps: 1e-12 }),
    forward: (x) => layerNormForward(x, 1e-12),
    backward: (x, dy) => layerNormBackward(x, dy, 1e-12),
  },
  {
    name: "rmsNorm()",
    why: "statistics stay in f32",
    roundings: 1,
    inputs: { x: activation(36, 1), gain: parameter([36], 2) },
    record: (tape, { x, gain }) => rmsNorm(tape, x, { gain, eps: 1e-6 }),
    forward: (x) => rmsNormForward(x, { parts: [{ heads: 1, gain: "gain" }], W: 36, eps: 1e-6, offset: 0 }),
    backward: (x, dy) => rmsNormBackward(x, dy, { parts: [{ heads: 1, gain: "gain" }], W: 36, eps: 1e-6, offset: 0 }),
  },
  {
    name: "add() and dropout()",
    why: "a gradient of three contributions, added up in f16",
    roundings: 3,
    inputs: { x: activation(36, 1), a: activation(36, 2), keys },
    record: (tape, { x, a, keys }) => {
      const drop = { ...site, tokenKeys: keys };
      return add(tape, add(tape, x, a, drop), dropout(tape, x, drop));
    },
    forward: (x) => {
      const a = masked(x, x.a, 36), own = masked(x, x.x, 36);
      return x.x.map((value, i) => value + a[i] + own[i]);
    },
    backward: (x, dy) => {
      const own = masked(x, dy, 36);
      return { x: dy.map((value, i) => value + own[i]), a: own };
    },
  },
  {
    name: "attention()",
    why: "grouped heads; the log of the sum stays in f32",
    // dq and dk come from differences of products with y and dy that are much larger than they.
    roundings: 4,
    inputs: {
      qkv: activation((attending.heads + 2 * attending.kvHeads) * attending.D, 1),
      blocks: { shape: [blocks.length / 4, 4], data: blocks },
    },
    step: { ...step, segments: 3, blocks: blocks.length / 4 },
    record: (tape, { qkv, blocks }) => attention(tape, { qkv, blocks, heads: attending.heads, kvHeads: 1 }),
    forward: ({ qkv }) => attentionForward(qkv, layout),
    backward: ({ qkv }, dy) => ({ qkv: attentionBackward(qkv, layout, dy) }),
  },
  {
    name: "rope()",
    why: "turned in place",
    roundings: 1,
    inputs: {
      x: activation(24, 1),
      positions: { shape: [T], live: "tokens", data: Uint32Array.from({ length: T }, (_, t) => t) },
      turns: { shape: [T, 8], data: turnTable(frequencies, T) },
    },
    record: (tape, { x, positions, turns }) => rope(tape, x, { heads: 2, positions, turns }),
    forward: (x) => ropeForward(x, turning),
    backward: (x, dy) => ({ x: ropeForward({ ...x, x: dy }, turning, -1) }),
  },
  {
    name: "gated()",
    why: "both halves in one tensor",
    roundings: 1,
    inputs: { x: activation(40, 1) },
    record: (tape, { x }) => gated(tape, x, { activation: "erf" }),
    forward: ({ x }) => Float64Array.from({ length: x.length / 2 }, (_, i) => geluExact(x[gate(i)]) * x[gate(i) + 20]),
    backward: ({ x }, dy) => {
      const dx = new Float64Array(x.length);
      dy.forEach((d, i) => {
        dx[gate(i)] = d * x[gate(i) + 20] * geluExactDerivative(x[gate(i)]);
        dx[gate(i) + 20] = d * geluExact(x[gate(i)]);
      });
      return { x: dx };
    },
  },
  {
    name: "embed()",
    why: "the table in f32",
    roundings: 1,
    inputs: {
      table: parameter([11, 36], 1),
      ids: { shape: [T], live: "tokens", data: ids },
      rows: padded(groups.rows, T),
      starts: padded(groups.starts, T + 1),
      order: padded(groups.order, T),
    },
    step: { ...step, uniqueWords: groups.rows.length },
    record: (tape, { table, ids, rows, starts, order }) =>
      embed(tape, [{ table, ids, groups: { rows, starts, order, count: "uniqueWords" } }]),
    forward: (x) => embedForward(x, [["table", "ids"]], 36),
    backward: (x, dy) => embedBackward(x, [["table", "ids"]], 36, dy),
  },
  {
    name: "pool()",
    why: "from f16 to means in f32",
    roundings: 1,
    inputs: { x: activation(36, 1), starts: padded(Uint32Array.from(starts), 4) },
    step: { ...step, segments: 3 },
    record: (tape, { x, starts }) => pool(tape, x, { mode: "mean", starts }),
    forward: (x) => poolForward(x, starts, 36, "mean"),
    backward: (x, dy) => poolBackward(x, starts, 36, "mean", dy),
  },
];

function gate(i: number): number {
  return Math.floor(i / 20) * 40 + i % 20;
}

for (const { name, roundings, ...row } of rows) {
  for (const isCpu of [true, false]) {
    const schedules = isCpu ? "a CPU adapter's schedules" : "a GPU's schedules";
    Deno.test(`${name} in f16 matches f64 within ${roundings} roundings: ${row.why} (${schedules})`, () =>
      checkCase(name, {
        step,
        ...row,
        precision: "f16",
        rtol: roundings * halfStep,
        schedules: defaultSchedules(isCpu),
      }));
  }
}
