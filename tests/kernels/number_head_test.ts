// One table of cases drives forward and gradients of numberHead(); and its symmetry, to the bit.
import assert from "node:assert/strict";
import { ownedTensor, Recorder } from "../../gpu/recorder.ts";
import { readTensors, upload } from "../../gpu/transfer.ts";
import { numberHead } from "../../kernels/number_head.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { stepFields } from "../../kernels/step.ts";
import { Tape } from "../../kernels/tape.ts";
import { checkCase, normal, stepValues, testGpu } from "./harness.ts";
import { numberHeadBackward, numberHeadForward } from "./reference/number_head.ts";

const cases = [
  { why: "one battle, one column each", B: 1, N: 1, M: 1 },
  { why: "dead battles", B: 9, N: 7, M: 5, battles: 5 },
  { why: "logits and columns past one group of 64", B: 40, N: 40, M: 41, battles: 33 },
];

const positive = (count: number, seed: number) => normal(count, seed).map((value) => 0.5 + Math.abs(value));

for (const { why, B, N, M, battles = B } of cases) {
  Deno.test(`numberHead() matches f64 forward and backward: ${why} (B ${battles} of ${B}, N ${N}, M ${M})`, () =>
    checkCase("numberHead", {
      why,
      inputs: {
        z: { shape: [B, 3], live: "battles", data: normal(B * 3, 1), grad: "activation" },
        x: { shape: [B, N], live: "battles", data: normal(B * N, 2) },
        t: { shape: [B, M], live: "battles", data: normal(B * M, 3, { mean: 2 }) },
        winner: { shape: [N], data: normal(N, 4), grad: "parameter" },
        winnerScale: { shape: [N], data: positive(N, 5) },
        tie: { shape: [M], data: normal(M, 6), grad: "parameter" },
        tieMean: { shape: [M], data: normal(M, 7, { mean: 2 }) },
        tieScale: { shape: [M], data: positive(M, 8) },
      },
      step: { battles },
      record: (tape, { z, x, t, winner, winnerScale, tie, tieMean, tieScale }) =>
        numberHead(tape, z, { x, t, winner, winnerScale, tie, tieMean, tieScale }),
      forward: numberHeadForward,
      backward: numberHeadBackward,
    }));
}

Deno.test("numberHead() exchanges the winners' logits and keeps the tie's, to the bit, when A and B are exchanged", async () => {
  const { gpu, pipelines } = await testGpu();
  const B = 37, N = 26, M = 27;
  const z = normal(B * 3, 11), x = normal(B * N, 12);
  const data = {
    t: [B, M, normal(B * M, 13)],
    winner: [N, 1, normal(N, 14)],
    winnerScale: [N, 1, positive(N, 15)],
    tie: [M, 1, normal(M, 16)],
    tieMean: [M, 1, normal(M, 17)],
    tieScale: [M, 1, positive(M, 18)],
  } as const;
  const logits = async (zs: Float32Array<ArrayBuffer>, xs: Float32Array<ArrayBuffer>) => {
    const recorder = new Recorder(gpu), tape = new Tape(recorder, { schedules: defaultSchedules(gpu.report.isCpu) });
    const owned = (shape: number[], values: Float32Array<ArrayBuffer>) => {
      const tensor = ownedTensor(gpu, shape);
      upload(gpu, tensor, values);
      return tensor;
    };
    const first = owned([B, 3], zs), changed = owned([B, N], xs);
    const of = (name: keyof typeof data) => owned([data[name][0], data[name][1]], data[name][2].slice());
    const options = {
      x: changed,
      t: of("t"),
      winner: of("winner"),
      winnerScale: of("winnerScale"),
      tie: of("tie"),
      tieMean: of("tieMean"),
      tieScale: of("tieScale"),
    };
    const y = recorder.keep(numberHead(tape, first, options));
    const program = recorder.build(pipelines, stepFields, { poison: true });
    program.run(stepValues({ battles: B }));
    const [values] = await readTensors(gpu, [y]);
    program.dispose();
    for (const tensor of [first, ...Object.values(options)]) tensor.region!.buffer.destroy();
    return values;
  };
  const exchange = [1, 0, 2];
  const plain = await logits(z, x);
  const swapped = await logits(z.map((_, at) => z[at - at % 3 + exchange[at % 3]]), x.map((value) => -value));
  assert.deepEqual([...swapped], [...plain].map((_, at) => plain[at - at % 3 + exchange[at % 3]]));
});
