// One table of cases drives loss, gradient, metrics and probabilities; the gradient is held to differences of the f64 loss.
import assert from "node:assert/strict";
import { type Program } from "../../gpu/program.ts";
import { ownedTensor, Recorder } from "../../gpu/recorder.ts";
import { type Tensor } from "../../gpu/tensor.ts";
import { readTensors, upload } from "../../gpu/transfer.ts";
import { crossEntropy, softmax } from "../../kernels/cross_entropy.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { stepFields } from "../../kernels/step.ts";
import { Tape } from "../../kernels/tape.ts";
import { compare, normal, random, stepValues, testGpu } from "./harness.ts";
import { agreements, crossEntropyLoss, softmaxRows } from "./reference/cross_entropy.ts";

const SLOTS = 4;

interface Bench {
  program: Program;
  logits: Tensor;
  targets: Tensor;
  weights: Tensor;
  metrics: Tensor;
  flag: Tensor;
  dlogits: Tensor;
  probabilities: Tensor;
  dispose(): void;
}

/** Records loss and probabilities of logits [B, C] whose values are uploaded. */
async function bench(B: number, C: number): Promise<Bench> {
  const { gpu, pipelines } = await testGpu();
  const recorder = new Recorder(gpu);
  const tape = new Tape(recorder, { schedules: defaultSchedules(gpu.report.isCpu) });
  const logits = recorder.keep(recorder.tensor([B, C], { live: "battles", label: "logits", requiresGrad: true }));
  const targets = ownedTensor(gpu, [B, C], { live: "battles" }), weights = ownedTensor(gpu, [B], { live: "battles" });
  const metrics = ownedTensor(gpu, [SLOTS, 4]), flag = ownedTensor(gpu, [1], { dtype: "u32" });
  crossEntropy(tape, logits, { targets, weights, metrics, flag });
  const dlogits = recorder.keep(tape.grad(logits)!.tensor);
  const probabilities = recorder.keep(softmax(tape, logits));
  const program = recorder.build(pipelines, stepFields, { poison: true });
  const dispose = () => {
    program.dispose();
    for (const tensor of [targets, weights, metrics, flag]) tensor.region!.buffer.destroy();
  };
  return { program, logits, targets, weights, metrics, flag, dlogits, probabilities, dispose };
}

/** One-hot or smoothed rows, then NaN in the dead ones. */
function makeTargets(B: number, C: number, battles: number, smoothing: number): Float32Array<ArrayBuffer> {
  const uniform = random(4), targets = new Float32Array(B * C).fill(NaN);
  for (let b = 0; b < battles; b++) {
    targets.fill(smoothing / C, b * C, b * C + C);
    targets[b * C + Math.floor(uniform() * C)] += 1 - smoothing;
  }
  return targets;
}

const cases = [
  { why: "one battle", B: 1, C: 3 },
  { why: "dead battles, smoothed targets", B: 9, C: 3, battles: 5, smoothing: 0.1 },
  { why: "more battles than lanes", B: 150, C: 3, battles: 131 },
  { why: "the most classes", B: 7, C: 8, smoothing: 0.2 },
  // exp(-104) is 0 in f32, exp(89) infinite: without subtracting the largest logit the loss would be infinite.
  { why: "logits far apart", B: 70, C: 3, scale: 100 },
];

for (const { why, B, C, battles = B, smoothing = 0, scale = 2 } of cases) {
  Deno.test(`crossEntropy() matches f64 loss, gradient and metrics: ${why} (B ${battles} of ${B}, C ${C})`, async () => {
    const { gpu } = await testGpu();
    const at = await bench(B, C);
    const z = normal(B * C, 1, { std: scale }).fill(NaN, battles * C);
    const targets = makeTargets(B, C, battles, smoothing);
    const weights = Float32Array.from({ length: B }, (_, b) => b < battles ? 0.5 + (b % 3) : NaN);
    upload(gpu, at.logits, z);
    upload(gpu, at.targets, targets);
    upload(gpu, at.weights, weights);
    const before = normal(SLOTS * 4, 9);
    upload(gpu, at.metrics, before);
    const inverseWeight = 1 / 64;
    at.program.run(stepValues({ battles, slot: 2, inverseWeight }));

    const live = (values: Float32Array, n: number) => Float64Array.from(values.subarray(0, n));
    const x = { z: live(z, battles * C), targets: live(targets, battles * C), weights: live(weights, battles) };
    const p = softmaxRows(x.z, C);
    const gradient = p.map((value, i) => (value - x.targets[i]) * x.weights[Math.floor(i / C)] * inverseWeight);
    const [dlogits, probabilities, metrics, flag] = await readTensors(gpu, [
      at.dlogits,
      at.probabilities,
      at.metrics,
      at.flag,
    ]);
    compare("probabilities", probabilities.subarray(0, battles * C), p, 1e-5);
    compare("gradient", dlogits.subarray(0, battles * C), gradient, 1e-5);
    const added = [crossEntropyLoss({ ...x, inverseWeight }), agreements(x.z, x.targets, C), battles, 0];
    const wanted = Float64Array.from(before);
    added.forEach((value, i) => wanted[2 * 4 + i] += value);
    compare("metrics", metrics, wanted, 1e-5);
    assert.equal(flag[0], 0);

    const h = 1e-5;
    for (let i = 0; i < x.z.length; i += Math.ceil(x.z.length / 7)) {
      const moved = (by: number) => crossEntropyLoss({ ...x, z: x.z.with(i, x.z[i] + by), inverseWeight });
      assert.ok(Math.abs((moved(h) - moved(-h)) / (2 * h) - gradient[i]) < 1e-7);
    }
    at.dispose();
  });
}

Deno.test("crossEntropy() adds micro-batches to one slot, under an inverseWeight that changes between replays", async () => {
  const { gpu } = await testGpu();
  const at = await bench(4, 3);
  const z = normal(12, 1), targets = makeTargets(4, 3, 4, 0), weights = new Float32Array(4).fill(1);
  upload(gpu, at.logits, z);
  upload(gpu, at.targets, targets);
  upload(gpu, at.weights, weights);
  upload(gpu, at.metrics, new Float32Array(SLOTS * 4));
  const replays = [{ battles: 4, slot: 1, inverseWeight: 1 / 7 }, { battles: 3, slot: 1, inverseWeight: 1 / 7 }, {
    battles: 2,
    slot: 3,
    inverseWeight: 0.5,
  }];
  const wanted = new Float64Array(SLOTS * 4);
  for (const { battles, slot, inverseWeight } of replays) {
    at.program.run(stepValues({ battles, slot, inverseWeight }));
    const first = (values: Float32Array, n: number) => Float64Array.from(values.subarray(0, n));
    const x = { z: first(z, battles * 3), targets: first(targets, battles * 3), weights: first(weights, battles) };
    wanted[slot * 4] += crossEntropyLoss({ ...x, inverseWeight });
    wanted[slot * 4 + 1] += agreements(x.z, x.targets, 3);
    wanted[slot * 4 + 2] += battles;
  }
  const [metrics] = await readTensors(gpu, [at.metrics]);
  compare("metrics", metrics, wanted, 1e-5);
  at.dispose();
});

for (const value of [NaN, Infinity, -Infinity]) {
  Deno.test(`crossEntropy() sets the flag for a logit of ${value}, and a good batch after it does not clear the flag`, async () => {
    const { gpu } = await testGpu();
    const at = await bench(80, 3);
    const z = normal(240, 1);
    upload(gpu, at.targets, makeTargets(80, 3, 80, 0));
    upload(gpu, at.weights, new Float32Array(80).fill(1));
    const flags: number[] = [];
    for (const logits of [z, z.with(77 * 3 + 1, value), z]) {
      upload(gpu, at.logits, logits as Float32Array<ArrayBuffer>);
      at.program.run(stepValues({ battles: 80 }));
      const [flag] = await readTensors(gpu, [at.flag]);
      flags.push(new Uint32Array(flag.buffer)[0]);
    }
    assert.deepEqual(flags, [0, 1, 1]);
    at.dispose();
  });
}
