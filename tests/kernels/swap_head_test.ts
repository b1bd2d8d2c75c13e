// One table of cases drives forward and gradients of swapHead(); exchanged sides must exchange the logits to the bit.
import assert from "node:assert/strict";
import { PipelineCache } from "../../gpu/pipelines.ts";
import { ownedTensor, Recorder } from "../../gpu/recorder.ts";
import { type Tensor } from "../../gpu/tensor.ts";
import { readTensors, upload } from "../../gpu/transfer.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { stepFields } from "../../kernels/step.ts";
import { swapHead } from "../../kernels/swap_head.ts";
import { Tape } from "../../kernels/tape.ts";
import { checkCase, normal, random, stepValues, testGpu } from "./harness.ts";
import { swapHeadBackward, swapHeadForward } from "./reference/swap_head.ts";

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
  { why: "a width just short of 64 lanes, where dbias has the last", B: 3, W: 252 },
  { why: "a width of 64 lanes: dbias needs another group", B: 3, W: 256 },
  { why: "MiniLM's width", B: 16, W: 384 },
];

/** Segments of the battles in a shuffled order: sides need not lie side by side. */
function shuffledSides(B: number, battles: number): Uint32Array<ArrayBuffer> {
  const uniform = random(11), order = Array.from({ length: 2 * battles }, (_, s) => s);
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(uniform() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  const sides = new Uint32Array(2 * B).fill(0xffffffff);
  sides.set(order);
  return sides;
}

for (const { why, B, W, battles = B, grad = "activation" } of cases) {
  Deno.test(`swapHead() matches f64 forward and backward: ${why} (B ${battles} of ${B}, W ${W})`, () => {
    const weight = (seed: number) => ({ shape: [W], data: normal(W, seed), grad: "parameter" as const });
    return checkCase("swapHead", {
      why,
      inputs: {
        pooled: {
          shape: [2 * B, W],
          live: "segments",
          data: normal(2 * B * W, 1).fill(NaN, 2 * battles * W),
          grad,
        },
        sides: { shape: [B, 2], live: "battles", data: shuffledSides(B, battles) },
        a: weight(2),
        b: weight(3),
        t: weight(4),
        d: weight(5),
        bias: { shape: [2], data: normal(2, 6), grad: "parameter" },
      },
      step: { battles, segments: 2 * battles },
      record: (tape, { pooled, sides, a, b, t, d, bias }) => swapHead(tape, pooled, { sides, a, b, t, d, bias }),
      forward: swapHeadForward,
      backward: swapHeadBackward,
    });
  });
}

Deno.test("swapHead() exchanges the winners' logits and keeps the tie's, to the bit, when the sides are exchanged", async () => {
  const { gpu, pipelines } = await testGpu();
  const B = 33, W = 388;
  const owned: Record<string, Tensor> = { pooled: ownedTensor(gpu, [2 * B, W], { live: "segments" }) };
  upload(gpu, owned.pooled, normal(2 * B * W, 21));
  for (const [i, name] of ["a", "b", "t", "d"].entries()) {
    owned[name] = ownedTensor(gpu, [W]);
    upload(gpu, owned[name], normal(W, 22 + i));
  }
  owned.bias = ownedTensor(gpu, [2]);
  upload(gpu, owned.bias, normal(2, 30));
  const sides = shuffledSides(B, B), exchanged = sides.map((_, i) => sides[i ^ 1]);
  const [plain, swapped] = await Promise.all([sides, exchanged].map((s) => logitsOf(owned, s, pipelines)));
  for (let i = 0; i < B; i++) {
    const [zA, zB, zTie] = plain.subarray(i * 3);
    assert.deepEqual([...swapped.subarray(i * 3, i * 3 + 3)], [zB, zA, zTie]);
  }
  for (const tensor of Object.values(owned)) tensor.region!.buffer.destroy();
});

async function logitsOf(
  { pooled, a, b, t, d, bias }: Record<string, Tensor>,
  sides: Uint32Array<ArrayBuffer>,
  pipelines: PipelineCache,
): Promise<Float32Array> {
  const { gpu } = pipelines, B = sides.length / 2;
  const recorder = new Recorder(gpu);
  const tape = new Tape(recorder, { schedules: defaultSchedules(gpu.report.isCpu) });
  const sidesTensor = ownedTensor(gpu, [B, 2], { dtype: "u32", live: "battles" });
  upload(gpu, sidesTensor, sides);
  const logits = recorder.keep(swapHead(tape, pooled, { sides: sidesTensor, a, b, t, d, bias }));
  const program = recorder.build(pipelines, stepFields, { poison: true });
  program.run(stepValues({ battles: B, segments: 2 * B }));
  const [values] = await readTensors(gpu, [logits]);
  program.dispose();
  sidesTensor.region!.buffer.destroy();
  return values;
}
