// One table of cases drives forward and gradient of pool(), in its three modes.
import { pool } from "../../kernels/pool.ts";
import { checkCase, normal } from "./harness.ts";
import { type Mode, poolBackward, poolForward } from "./reference/pool.ts";

interface Row {
  why: string;
  T: number;
  W: number;
  /** Capacity of segments. */
  S: number;
  /** Tokens of each segment in use. */
  lengths: number[];
  /** As a parameter, the gradient of x is added to what is there. @default {"activation"} */
  grad?: "activation" | "parameter";
}

const cases: Row[] = [
  { why: "one token, one segment, four channels", T: 1, W: 4, S: 1, lengths: [1] },
  { why: "a segment that fills the batch", T: 33, W: 36, S: 4, lengths: [33] },
  {
    why: "segments of one token between others, dead tokens and segments",
    T: 40,
    W: 8,
    S: 9,
    lengths: [1, 7, 1, 8, 9],
  },
  { why: "a gradient added to another", T: 40, W: 8, S: 9, lengths: [1, 7, 1, 8, 9], grad: "parameter" },
  { why: "a width past 64 lanes of vec4f", T: 12, W: 260, S: 2, lengths: [5, 7] },
  { why: "MiniLM's width", T: 96, W: 384, S: 4, lengths: [60, 17, 12] },
];

for (const mode of ["mean", "first", "last"] as Mode[]) {
  for (const { why, T, W, S, lengths, grad = "activation" } of cases) {
    Deno.test(`pool() by ${mode} matches f64 forward and backward: ${why} (lengths ${lengths}, W ${W})`, () => {
      const starts = [0];
      for (const length of lengths) starts.push(starts[starts.length - 1] + length);
      const tokens = starts[lengths.length];
      const x = normal(T * W, 1).fill(NaN, tokens * W);
      const padded = new Uint32Array(S + 1).fill(0xffffffff);
      padded.set(starts);
      return checkCase("pool", {
        why,
        inputs: {
          x: { shape: [T, W], live: "tokens", data: x, grad },
          starts: { shape: [S + 1], data: padded },
        },
        step: { tokens, segments: lengths.length },
        record: (tape, { x, starts }) => pool(tape, x, { mode, starts }),
        forward: (values) => poolForward(values, starts, W, mode),
        backward: (values, dy) => poolBackward(values, starts, W, mode, dy),
      });
    });
  }
}
