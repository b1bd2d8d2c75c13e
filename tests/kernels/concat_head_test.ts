// One table of cases drives forward and gradients of concatHead().
import { concatHead } from "../../kernels/concat_head.ts";
import { checkCase, normal } from "./harness.ts";
import { concatHeadBackward, concatHeadForward } from "./reference/concat_head.ts";

interface Row {
  why: string;
  B: number;
  W: number;
  battles?: number;
  /** As a parameter, the gradient of `pooled` is added to what is there. @default {"activation"} */
  grad?: "activation" | "parameter";
}

const cases: Row[] = [
  { why: "one battle, four channels", B: 1, W: 4 },
  { why: "dead battles", B: 9, W: 36, battles: 5 },
  { why: "a gradient added to another", B: 9, W: 36, battles: 5, grad: "parameter" },
  { why: "both sides fill 64 lanes: dbias needs another group", B: 3, W: 128 },
  { why: "MiniLM's width", B: 16, W: 384 },
];

for (const { why, B, W, battles = B, grad = "activation" } of cases) {
  Deno.test(`concatHead() matches f64 forward and backward: ${why} (B ${battles} of ${B}, W ${W})`, () => {
    // Side A of each battle comes from the front, side B from the back: they do not lie side by side.
    const sides = Uint32Array.from({ length: 2 * B }, (_, i) => i % 2 === 0 ? i / 2 : 2 * battles - 1 - (i - 1) / 2);
    return checkCase("concatHead", {
      why,
      inputs: {
        pooled: {
          shape: [2 * B, W],
          live: "segments",
          data: normal(2 * B * W, 1).fill(NaN, 2 * battles * W),
          grad,
        },
        sides: { shape: [B, 2], live: "battles", data: sides.fill(0xffffffff, 2 * battles) },
        weight: { shape: [3, 2 * W], data: normal(6 * W, 2), grad: "parameter" },
        bias: { shape: [3], data: normal(3, 3), grad: "parameter" },
      },
      step: { battles, segments: 2 * battles },
      record: (tape, { pooled, sides, weight, bias }) => concatHead(tape, pooled, { sides, weight, bias }),
      forward: concatHeadForward,
      backward: concatHeadBackward,
    });
  });
}
