// One table of cases drives forward, gradients, both matmul schedules and both GELU forms of the dense layer.
import { linear } from "../../kernels/linear.ts";
import { type GeluForm } from "../../kernels/gelu_forms.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { checkCase, normal } from "./harness.ts";
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
  inputs: number;
  outputs: number;
  tokens?: number;
  gelu?: GeluForm;
  std?: number;
  /** @default {true} */
  biased?: boolean;
  /** Rows of the weight that are bound at once. */
  bound?: number;
}

const cases: Row[] = [
  { why: "one row, three logits", T: 1, inputs: 12, outputs: 3 },
  { why: "nothing divides by the tile", T: 37, inputs: 20, outputs: 44 },
  { why: "rows at both sides of a texture tile", T: 16, inputs: 64, outputs: 64 },
  { why: "rows at both sides of a texture tile", T: 17, inputs: 64, outputs: 128 },
  { why: "dead tail inside a tile and a chunk of sums", T: 100, inputs: 64, outputs: 192, tokens: 75 },
  { why: "columns past one group of texture tiles", T: 48, inputs: 128, outputs: 576 },
  { why: "no bias, one row, three logits", T: 1, inputs: 12, outputs: 3, biased: false },
  { why: "no bias, dead tail inside a tile", T: 64, inputs: 64, outputs: 192, tokens: 35, biased: false },
  { why: "exact GELU", T: 33, inputs: 64, outputs: 128, gelu: "erf", std: 2 },
  { why: "exact GELU, odd sizes", T: 5, inputs: 36, outputs: 52, gelu: "erf" },
  { why: "tanh GELU", T: 33, inputs: 64, outputs: 128, gelu: "tanh", std: 2 },
  { why: "far tails of GELU, where a naive tanh overflows", T: 16, inputs: 64, outputs: 64, gelu: "tanh", std: 40 },
  {
    why: "the weight bound in three parts, the last one short",
    T: 40,
    inputs: 192,
    outputs: 168,
    tokens: 37,
    bound: 64,
  },
  { why: "the weight bound in parts, no bias, odd sizes", T: 5, inputs: 260, outputs: 131, bound: 64, biased: false },
  { why: "the weight bound in parts, exact GELU", T: 33, inputs: 192, outputs: 192, gelu: "erf", bound: 128 },
];

const activations = {
  erf: [geluExact, geluExactDerivative],
  tanh: [geluTanh, geluTanhDerivative],
} as const;

for (const { why, T, inputs, outputs, tokens = T, gelu, std = 1, biased = true, bound } of cases) {
  for (const isCpu of [true, false]) {
    const [activation, derivative] = gelu ? activations[gelu] : [];
    const sizes = `T ${tokens} of ${T}, ${inputs} -> ${outputs}, ${isCpu ? "textures" : "tiles"}`;
    Deno.test(`linear() matches f64 forward and backward: ${why} (${sizes})`, () =>
      checkCase("linear", {
        why,
        inputs: {
          x: { shape: [T, inputs], live: "tokens", data: normal(T * inputs, 1, { std }), grad: "activation" },
          weight: {
            shape: [outputs, inputs],
            data: normal(outputs * inputs, 2, { std: 1 / Math.sqrt(inputs) }),
            grad: "parameter",
          },
          ...(biased && { bias: { shape: [outputs], data: normal(outputs, 3), grad: "parameter" as const } }),
        },
        step: { tokens },
        record: (tape, { x, weight, bias }) => linear(tape, x, { weight, bias, gelu }),
        forward: (values) => linearForward({ bias: new Float64Array(outputs), ...values }, activation),
        backward: (values, dy) => linearBackward({ bias: new Float64Array(outputs), ...values }, dy, derivative),
        schedules: defaultSchedules(isCpu),
        ...(bound && { bindingBytes: bound * inputs * 4 + 4 }),
      }));
  }
}
