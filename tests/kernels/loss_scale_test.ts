// The loss scale: what it multiplies, that the optimizer divides by it exactly, and how it moves.
import assert from "node:assert/strict";
import { ownedTensor, Recorder } from "../../gpu/recorder.ts";
import { type Tensor } from "../../gpu/tensor.ts";
import { readTensors, upload } from "../../gpu/transfer.ts";
import { recordAdamw } from "../../kernels/adamw.ts";
import { crossEntropy } from "../../kernels/cross_entropy.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { stepFields } from "../../kernels/step.ts";
import { Tape } from "../../kernels/tape.ts";
import { normal, stepValues, testGpu } from "./harness.ts";

const N = 2112, growAfter = 3;

interface Optimizer {
  /** One step with these gradients. */
  step(gradients: Float32Array<ArrayBuffer>): Promise<void>;
  /** Parameters, moments, the norm of the last step, scale state, flag. */
  read(): Promise<{ state: Float32Array[]; norm: number; scale: number[]; flag: number }>;
  dispose(): void;
}

/** @param scale absent: gradients are as they are */
async function optimizer(scale?: number): Promise<Optimizer> {
  const { gpu, pipelines } = await testGpu();
  const own = (label: string, size: number) => ownedTensor(gpu, [size], { label });
  const names = ["parameters", "gradients", "firstMoments", "secondMoments"] as const;
  const flat = Object.fromEntries(names.map((name) => [name, own(name, N)])) as Record<typeof names[number], Tensor>;
  const metrics = ownedTensor(gpu, [1, 4]), flag = ownedTensor(gpu, [1], { dtype: "u32" }), state = own("scale", 3);
  upload(gpu, flat.parameters, normal(N, 1));
  upload(gpu, state, Float32Array.of(scale ?? 0, 0, 0));
  const recorder = new Recorder(gpu), schedules = defaultSchedules(gpu.report.isCpu);
  const lossScale = scale === undefined ? undefined : { state, growAfter };
  recordAdamw(recorder, [{ ...flat, decayedLength: 64 }], { metrics, flag, lossScale, schedules });
  const program = recorder.build(pipelines, stepFields, { poison: true });
  let step = 0;
  return {
    async step(gradients) {
      upload(gpu, flat.gradients, gradients);
      program.run(stepValues({ slot: 0, optimizerStep: ++step, learningRate: 1e-2 }));
      await gpu.device.queue.onSubmittedWorkDone();
    },
    async read() {
      const { parameters, firstMoments, secondMoments } = flat;
      const found = await readTensors(gpu, [parameters, firstMoments, secondMoments, metrics, state, flag]);
      const flagged = new Uint32Array(found[5].buffer)[0];
      return { state: found.slice(0, 3), norm: found[3][3], scale: [...found[4]], flag: flagged };
    },
    dispose() {
      program.dispose();
      for (const tensor of [...Object.values(flat), metrics, flag, state]) tensor.region!.buffer.destroy();
    },
  };
}

Deno.test("recordAdamw() of scaled gradients moves parameters and moments to the same bytes as of plain ones", async () => {
  const plain = await optimizer(), scaled = await optimizer(4096);
  for (const [seed, std] of [[2, 1], [3, 1e-3]]) {
    const gradients = normal(N, seed, { std });
    await plain.step(gradients);
    await scaled.step(gradients.map((g) => g * 4096));
    const [a, b] = [await plain.read(), await scaled.read()];
    assert.deepEqual(b.state, a.state);
    assert.equal(b.norm, a.norm);
  }
  plain.dispose();
  scaled.dispose();
});

Deno.test("the loss scale doubles after good steps in a row, halves where gradients overflow, and then nothing else moves", async () => {
  const at = await optimizer(8), good = normal(N, 2), bad = good.with(2100, Infinity);
  for (let i = 0; i < growAfter; i++) await at.step(good);
  let found = await at.read();
  assert.deepEqual(found.scale, [16, 0, 0]);
  for (const _ of [1, 2]) await at.step(good);
  found = await at.read();
  assert.deepEqual(found.scale, [16, 2, 0]);
  await at.step(bad);
  const after = await at.read();
  assert.deepEqual([after.scale, after.norm, after.flag], [[8, 0, 1], -1, 0]);
  assert.deepEqual(after.state, found.state);
  await at.step(good);
  const later = await at.read();
  assert.deepEqual(later.scale, [8, 1, 1]);
  assert.notDeepEqual(later.state, after.state);
  at.dispose();
});

Deno.test("a step left out does not count for AdamW's corrections: the next update is that of a run without it, to the byte", async () => {
  const [plain, left] = [await optimizer(64), await optimizer(64)], first = normal(N, 2), second = normal(N, 3);
  for (const at of [plain, left]) await at.step(first.map((g) => g * 64));
  await left.step(first.with(2100, Infinity));
  await left.step(second.map((g) => g * 32));
  await plain.step(second.map((g) => g * 64));
  const [a, b] = [await plain.read(), await left.read()];
  assert.deepEqual([a.scale, b.scale], [[64, 2, 0], [32, 1, 1]]);
  assert.equal(b.norm, a.norm);
  b.state.forEach((values, i) => assert.equal(values.findIndex((value, j) => value !== a.state[i][j]), -1));
  plain.dispose();
  left.dispose();
});

Deno.test("a gradient that overflows at a loss scale of 1 sets the flag for good", async () => {
  const at = await optimizer(2), good = normal(N, 2), bad = good.with(7, NaN);
  await at.step(bad);
  assert.deepEqual((await at.read()).scale, [1, 0, 1]);
  await at.step(bad);
  const found = await at.read();
  assert.deepEqual([found.flag, found.scale[0]], [1, 1]);
  await at.step(good);
  assert.deepEqual((await at.read()).state, found.state);
  at.dispose();
});

Deno.test("crossEntropy() starts the backward pass with its gradient times the scale, the loss as it is", async () => {
  const { gpu, pipelines } = await testGpu();
  const B = 5, C = 3, found: Float32Array[][] = [];
  for (const scale of [undefined, 512]) {
    const recorder = new Recorder(gpu), tape = new Tape(recorder, { schedules: defaultSchedules(true) });
    const logits = recorder.keep(recorder.tensor([B, C], { live: "battles", requiresGrad: true }));
    const targets = ownedTensor(gpu, [B, C], { live: "battles" }), weights = ownedTensor(gpu, [B], { live: "battles" });
    const metrics = ownedTensor(gpu, [1, 4]), flag = ownedTensor(gpu, [1], { dtype: "u32" });
    const state = ownedTensor(gpu, [3]);
    const lossScale = scale === undefined ? undefined : { state, growAfter };
    crossEntropy(tape, logits, { targets, weights, metrics, flag, lossScale });
    const dlogits = recorder.keep(tape.grad(logits)!.tensor);
    const program = recorder.build(pipelines, stepFields, { poison: true });
    upload(gpu, logits, normal(B * C, 1));
    upload(gpu, targets, Float32Array.from({ length: B * C }, (_, i) => i % C === 1 ? 1 : 0));
    upload(gpu, weights, new Float32Array(B).fill(1));
    upload(gpu, state, Float32Array.of(scale ?? 0, 0, 0));
    program.run(stepValues({ battles: B - 1, inverseWeight: 0.25 }));
    const [gradient, ring] = await readTensors(gpu, [dlogits, metrics]);
    found.push([gradient.slice(0, (B - 1) * C), ring]);
    program.dispose();
    for (const tensor of [targets, weights, metrics, flag, state]) tensor.region!.buffer.destroy();
  }
  const [[gradient, ring], [scaled, sameRing]] = found;
  assert.deepEqual(scaled, gradient.map((g) => g * 512));
  assert.deepEqual(sameRing, ring);
});
