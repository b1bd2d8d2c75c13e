// One table of cases drives forward, gradients and all schedules of rmsNorm() and headNorm().
import { headNorm, rmsNorm } from "../../kernels/rms_norm.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { checkCase, type Input, normal } from "./harness.ts";
import { type ReferenceNorm, type ReferencePart, rmsNormBackward, rmsNormForward } from "./reference/rms_norm.ts";

interface Row {
  why: string;
  T: number;
  /** Columns of a row, or of one head. */
  W: number;
  /** Absent: whole rows. */
  parts?: ReferencePart[];
  tokens?: number;
  std?: number;
  eps?: number;
  offset?: number;
  /** As a parameter, the gradient of x is added to what is there. @default {"activation"} */
  grad?: "activation" | "parameter";
}

const cases: Row[] = [
  { why: "one token, four channels", T: 1, W: 4 },
  { why: "rows below, at and past one group of 8", T: 7, W: 36 },
  { why: "rows below, at and past one group of 8", T: 9, W: 36, offset: 1 },
  { why: "a row longer than 64 lanes of vec4f", T: 5, W: 260 },
  { why: "rows past one chunk of the gain's gradient, dead tail", T: 150, W: 64, tokens: 131 },
  { why: "all rows dead but one", T: 70, W: 8, tokens: 1 },
  { why: "values so small that eps decides", T: 6, W: 16, std: 1e-4, eps: 1e-5 },
  { why: "a gradient added to another", T: 9, W: 36, grad: "parameter" },
  { why: "SmolLM2's width", T: 40, W: 576 },
  { why: "heads of one row, a gain each for q and k, v as it is", T: 1, W: 8, parts: parts(3, 1) },
  { why: "grouped heads past one chunk, dead tail", T: 150, W: 16, tokens: 131, parts: parts(6, 2) },
  {
    why: "grouped heads in Gemma's form, a gradient added",
    T: 5,
    W: 12,
    offset: 1,
    parts: parts(3, 3),
    grad: "parameter",
  },
  {
    why: "heads of 64n columns, which are read as textures on a CPU adapter",
    T: 9,
    W: 64,
    offset: 1,
    parts: parts(2, 1),
  },
  { why: "more heads than a chunk of the sums over heads", T: 3, W: 4, parts: parts(70, 1) },
];

const forms = [
  { schedule: "a row per invocation", ...defaultSchedules(true), texture: null },
  { schedule: "a row per invocation, textures", ...defaultSchedules(true) },
  { schedule: "a row per group", ...defaultSchedules(false) },
];

for (const row of cases) {
  const { why, T, W, tokens = T, std = 1, eps = 1e-6, offset = 0, grad = "activation" } = row;
  const form = row.parts ?? [{ heads: 1, gain: "gain" }];
  const heads = form.reduce((sum, part) => sum + part.heads, 0), columns = heads * W;
  const norm: ReferenceNorm = { parts: form, W, eps, offset };
  const gains = form.flatMap(({ gain }, i): [string, Input][] =>
    gain ? [[gain, { shape: [W], data: normal(W, 2 + i, { mean: 1, std: 0.2 }), grad: "parameter" }]] : []
  );
  for (const { schedule, ...schedules } of forms) {
    // Narrower rows take the buffers.
    if (schedule.endsWith("textures") && W % 64 !== 0) continue;
    const name = row.parts ? "headNorm" : "rmsNorm";
    const sizes = `T ${tokens} of ${T}, ${heads} x ${W}, ${schedule}`;
    Deno.test(`${name}() matches f64 forward and backward: ${why} (${sizes})`, () =>
      checkCase(name, {
        why,
        inputs: {
          x: {
            shape: [T, columns],
            live: "tokens",
            data: normal(T * columns, 1, { std }).fill(NaN, tokens * columns),
            grad,
          },
          ...Object.fromEntries(gains),
        },
        step: { tokens },
        record: (tape, inputs) =>
          row.parts
            ? headNorm(tape, inputs.x, {
              parts: form.map(({ heads, gain }) => ({ heads, gain: gain ? inputs[gain] : undefined })),
              eps,
              offset,
            })
            : rmsNorm(tape, inputs.x, { gain: inputs.gain, eps, offset }),
        forward: (values) => rmsNormForward(values, norm),
        backward: (values, dy) => rmsNormBackward(values, dy, norm),
        schedules,
      }));
  }
}

/** q | k | v of `heads` query heads and `groups` heads of keys and values. */
function parts(heads: number, groups: number): ReferencePart[] {
  return [{ heads, gain: "q" }, { heads: groups, gain: "k" }, { heads: groups }];
}
