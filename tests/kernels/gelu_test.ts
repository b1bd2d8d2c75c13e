// One table of cases drives forward and gradient of gelu().
import { gelu } from "../../kernels/gelu.ts";
import { type GeluForm } from "../../kernels/gelu_forms.ts";
import { checkCase, normal } from "./harness.ts";
import { geluExact, geluExactDerivative, geluTanh, geluTanhDerivative } from "./reference/linear.ts";

interface Row {
  why: string;
  T: number;
  W: number;
  form: GeluForm;
  tokens?: number;
  std?: number;
  /** As a parameter, the gradient of x is added to what is there. @default {"activation"} */
  grad?: "activation" | "parameter";
}

const cases: Row[] = [
  { why: "one token, four channels", T: 1, W: 4, form: "erf" },
  { why: "dead tail, past one group", T: 9, W: 36, form: "tanh", tokens: 7 },
  { why: "a gradient added to another", T: 9, W: 36, form: "erf", grad: "parameter" },
  { why: "far tails", T: 16, W: 64, form: "erf", std: 40 },
];

for (const { why, T, W, form, tokens = T, std = 1, grad = "activation" } of cases) {
  const [act, derivative] = form === "erf" ? [geluExact, geluExactDerivative] : [geluTanh, geluTanhDerivative];
  Deno.test(`gelu() matches f64 forward and backward: ${why} (T ${tokens} of ${T}, W ${W}, ${form})`, () =>
    checkCase("gelu", {
      why,
      inputs: {
        x: { shape: [T, W], live: "tokens", data: normal(T * W, 1, { std }).fill(NaN, tokens * W), grad },
      },
      step: { tokens },
      record: (tape, { x }) => gelu(tape, x, form),
      forward: ({ x }) => x.map(act),
      backward: ({ x }, dy) => ({ x: dy.map((d, i) => d * derivative(x[i])) }),
    }));
}
