// One table of cases drives forward, gradients and both schedules of layer_norm.
import { layerNorm } from "../../kernels/layer_norm.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { checkCase, normal } from "./harness.ts";
import { layerNormBackward, layerNormForward } from "./reference/layer_norm.ts";

interface Row {
  why: string;
  T: number;
  W: number;
  tokens?: number;
  mean?: number;
  std?: number;
  rtol?: number;
}

const cases: Row[] = [
  { why: "one token, four channels", T: 1, W: 4 },
  { why: "rows below, at and past one group of 8", T: 7, W: 36 },
  { why: "rows below, at and past one group of 8", T: 8, W: 36 },
  { why: "rows below, at and past one group of 8", T: 9, W: 36 },
  { why: "a row longer than 64 lanes of vec4f", T: 5, W: 260 },
  { why: "rows past one chunk of the gain's gradient, dead tail", T: 150, W: 64, tokens: 131 },
  { why: "all rows dead but one", T: 70, W: 8, tokens: 1 },
  // f32 keeps 24 bits of the mean: 1e3 x 2^-24 is 0.6 % of a deviation of 1e-2.
  { why: "large mean, tiny deviation", T: 8, W: 384, mean: 1e3, std: 1e-2, rtol: 2e-2 },
  { why: "MiniLM's width", T: 96, W: 384 },
];

const forms = [
  { schedule: "a row per invocation", ...defaultSchedules(true), texture: null },
  // Rows of 64n floats only; narrower ones take the buffers.
  { schedule: "a row per invocation, textures", ...defaultSchedules(true) },
  { schedule: "a row per group", ...defaultSchedules(false) },
];

for (const { why, T, W, tokens = T, mean = 0, std = 1, rtol } of cases) {
  for (const { schedule, ...schedules } of forms) {
    Deno.test(`layerNorm() matches f64 forward and backward: ${why} (T ${tokens} of ${T}, W ${W}, ${schedule})`, () =>
      checkCase("layerNorm", {
        why,
        inputs: {
          x: { shape: [T, W], live: "tokens", data: normal(T * W, 1, { mean, std }), grad: "activation" },
          gain: { shape: [W], data: normal(W, 2, { mean: 1, std: 0.2 }), grad: "parameter" },
          bias: { shape: [W], data: normal(W, 3), grad: "parameter" },
        },
        step: { tokens },
        record: (tape, { x, gain, bias }) => layerNorm(tape, x, { gain, bias, eps: 1e-12 }),
        forward: (values) => layerNormForward(values, 1e-12),
        backward: (values, dy) => layerNormBackward(values, dy, 1e-12),
        rtol,
        schedules,
      }));
  }
}
