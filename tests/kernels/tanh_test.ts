// One table of cases drives forward and gradient of tanh().
import { tanh } from "../../kernels/tanh.ts";
import { checkCase, normal } from "./harness.ts";

interface Row {
  why: string;
  S: number;
  W: number;
  segments?: number;
  std?: number;
  /** As a parameter, the gradient of x is added to what is there. @default {"activation"} */
  grad?: "activation" | "parameter";
}

const cases: Row[] = [
  { why: "one row, four channels", S: 1, W: 4 },
  { why: "dead rows", S: 9, W: 36, segments: 7 },
  { why: "a gradient added to another", S: 9, W: 36, segments: 7, grad: "parameter" },
  // exp(2 x) overflows f32 from 44.4 on.
  { why: "values where tanh is 1 and a plain quotient of exponentials no number", S: 16, W: 384, std: 60 },
];

for (const { why, S, W, segments = S, std = 1, grad = "activation" } of cases) {
  Deno.test(`tanh() matches f64 forward and backward: ${why} (S ${segments} of ${S}, W ${W})`, () =>
    checkCase("tanh", {
      why,
      inputs: {
        x: { shape: [S, W], live: "segments", data: normal(S * W, 1, { std }).fill(NaN, segments * W), grad },
      },
      step: { segments },
      record: (tape, { x }) => tanh(tape, x),
      forward: ({ x }) => x.map(Math.tanh),
      backward: ({ x }, dy) => ({ x: dy.map((d, i) => d * (1 - Math.tanh(x[i]) ** 2)) }),
    }));
}
