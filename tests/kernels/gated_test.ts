// One table of cases drives forward and gradient of gated(), in its three activations.
import { gated, type GateForm } from "../../kernels/gated.ts";
import { checkCase, normal } from "./harness.ts";
import { geluExact, geluExactDerivative, geluTanh, geluTanhDerivative } from "./reference/linear.ts";

interface Row {
  why: string;
  T: number;
  F: number;
  activation: GateForm;
  tokens?: number;
  std?: number;
  /** As a parameter, the gradient of x is added to what is there. @default {"activation"} */
  grad?: "activation" | "parameter";
}

const cases: Row[] = [
  { why: "one token, four channels", T: 1, F: 4, activation: "silu" },
  { why: "dead tail, width past one group", T: 9, F: 268, activation: "silu", tokens: 7 },
  { why: "a gradient added to another", T: 9, F: 36, activation: "silu", grad: "parameter" },
  { why: "far tails, where exp(-z) overflows", T: 16, F: 64, activation: "silu", std: 80 },
  { why: "exact GELU", T: 5, F: 52, activation: "erf", std: 2 },
  { why: "tanh GELU, far tails", T: 16, F: 64, activation: "tanh", std: 40 },
];

const activations: Record<GateForm, [(z: number) => number, (z: number) => number]> = {
  silu: [(z) => z * sigmoid(z), (z) => sigmoid(z) * (1 + z * (1 - sigmoid(z)))],
  erf: [geluExact, geluExactDerivative],
  tanh: [geluTanh, geluTanhDerivative],
};

for (const { why, T, F, activation, tokens = T, std = 1, grad = "activation" } of cases) {
  const [act, derivative] = activations[activation];
  /** Where the gate of output `i` lies in x. */
  const gate = (i: number) => Math.floor(i / F) * 2 * F + i % F;
  Deno.test(`gated() matches f64 forward and backward: ${why} (T ${tokens} of ${T}, F ${F}, ${activation})`, () =>
    checkCase("gated", {
      why,
      inputs: {
        x: { shape: [T, 2 * F], live: "tokens", data: normal(T * 2 * F, 1, { std }).fill(NaN, tokens * 2 * F), grad },
      },
      step: { tokens },
      record: (tape, { x }) => gated(tape, x, { activation }),
      forward: ({ x }) => Float64Array.from({ length: x.length / 2 }, (_, i) => act(x[gate(i)]) * x[gate(i) + F]),
      backward: ({ x }, dy) => {
        const dx = new Float64Array(x.length);
        dy.forEach((d, i) => {
          dx[gate(i)] = d * x[gate(i) + F] * derivative(x[gate(i)]);
          dx[gate(i) + F] = d * act(x[gate(i)]);
        });
        return { x: dx };
      },
    }));
}

function sigmoid(z: number): number {
  return z < 0 ? Math.exp(z) / (1 + Math.exp(z)) : 1 / (1 + Math.exp(-z));
}
