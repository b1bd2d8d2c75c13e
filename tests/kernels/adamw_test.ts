// The optimizer, replayed over several steps from one recording, against f64 and against torch.optim.AdamW.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type Gpu } from "../../gpu/device.ts";
import { type Program } from "../../gpu/program.ts";
import { ownedTensor, Recorder } from "../../gpu/recorder.ts";
import { type Tensor } from "../../gpu/tensor.ts";
import { readTensors, upload } from "../../gpu/transfer.ts";
import { recordAdamw } from "../../kernels/adamw.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { stepFields } from "../../kernels/step.ts";
import { compare, normal, stepValues, testGpu } from "./harness.ts";
import { adamwReference } from "./reference/adamw.ts";

const SLOTS = 8;
const buffers = ["parameters", "gradients", "firstMoments", "secondMoments"] as const;
type Flat = Record<typeof buffers[number] | "metrics" | "flag", Tensor>;

interface Setting {
  N: number;
  decayedLength: number;
  clip?: number;
  weightDecay?: number;
  betas?: readonly [number, number];
  eps?: number;
  rangeLength?: number;
  isCpu?: boolean;
}

interface Optimizer {
  gpu: Gpu;
  flat: Flat;
  program: Program;
  dispose(): void;
}

async function optimizer({ N, decayedLength, isCpu = true, ...options }: Setting): Promise<Optimizer> {
  const { gpu, pipelines } = await testGpu();
  const flat = Object.fromEntries(buffers.map((name) => [name, ownedTensor(gpu, [N], { label: name })])) as Flat;
  flat.metrics = ownedTensor(gpu, [SLOTS, 4]);
  flat.flag = ownedTensor(gpu, [1], { dtype: "u32" });
  const recorder = new Recorder(gpu);
  const { metrics, flag } = flat;
  recordAdamw(recorder, [{ ...flat, decayedLength }], {
    ...options,
    metrics,
    flag,
    schedules: defaultSchedules(isCpu),
  });
  const program = recorder.build(pipelines, stepFields, { poison: true });
  const dispose = () => {
    program.dispose();
    for (const tensor of Object.values(flat)) tensor.region!.buffer.destroy();
  };
  return { gpu, flat, program, dispose };
}

const rates = [1e-3, 4e-3, 4e-3, 1e-3, 2e-2];

const cases: (Setting & { why: string; scale: number })[] = [
  { why: "one vec4f row of 64, all decayed", N: 64, decayedLength: 64, scale: 1 },
  { why: "clipping inactive, nothing decayed", N: 192, decayedLength: 0, scale: 1e-3 },
  { why: "clipping active, border of decay inside a group", N: 2048, decayedLength: 704, scale: 1 },
  { why: "one value more than a block of 2,048 and a row", N: 2112, decayedLength: 2048, scale: 1 },
  {
    why: "clipping off, other betas, eps, decay",
    N: 320,
    decayedLength: 128,
    scale: 1,
    clip: 0,
    weightDecay: 3,
    betas: [0.8, 0.95],
  },
  { why: "gradients so small that eps counts", N: 256, decayedLength: 128, scale: 1e-8, eps: 1e-6 },
  { why: "three ranges, the border of decay in the second", N: 6400, decayedLength: 3200, scale: 1, rangeLength: 2560 },
  { why: "several blocks on a GPU's schedule", N: 6400, decayedLength: 3200, scale: 1, isCpu: false },
];

for (const { why, scale, ...setting } of cases) {
  // Small parameters round little, and strong decay shows beside the moments' part.
  const { N, decayedLength, clip = 1, weightDecay = 1, betas = [0.9, 0.999], eps = 1e-8 } = setting;
  Deno.test(`recordAdamw() matches f64 over five steps of a changing rate: ${why} (N ${N}, ${decayedLength} decayed)`, async () => {
    const { gpu, flat, program, dispose } = await optimizer({ weightDecay, ...setting });
    const start = normal(N, 1, { std: 0.02 });
    upload(gpu, flat.parameters, start);
    const state = {
      parameters: Float64Array.from(start),
      firstMoments: new Float64Array(N),
      secondMoments: new Float64Array(N),
    };
    const norms: number[] = [];
    for (const [i, lr] of rates.entries()) {
      // One step of five is ten times smaller, so that one recording meets clipped and unclipped gradients.
      const gradient = normal(N, 10 + i, { std: i === 2 ? scale / 10 : scale });
      upload(gpu, flat.gradients, gradient);
      program.run(stepValues({ slot: i, optimizerStep: i + 1, learningRate: lr }));
      const settings = { clip, weightDecay, decayedLength, beta1: betas[0], beta2: betas[1], eps };
      norms.push(adamwReference(state, Float64Array.from(gradient), { step: i + 1, lr }, settings));
    }
    const [parameters, gradients, m, v, metrics] = await readTensors(gpu, [
      flat.parameters,
      flat.gradients,
      flat.firstMoments,
      flat.secondMoments,
      flat.metrics,
    ]);
    // The way moved is what a wrong rate or correction changes: parameters themselves would hide it.
    const moved = (values: ArrayLike<number>) => Float64Array.from(start, (value, j) => values[j] - value);
    compare("movement", moved(parameters), moved(state.parameters), 2e-5);
    compare("first moments", m, state.firstMoments, 1e-5);
    compare("second moments", v, state.secondMoments, 1e-5);
    compare("norms", rates.map((_, i) => metrics[i * 4 + 3]), norms, 1e-5);
    assert.ok(gradients.every((g) => g === 0), "the gradients must be cleared");
    dispose();
  });
}

Deno.test("recordAdamw() follows torch.optim.AdamW with clip_grad_norm_ and decay on half of the parameters", async () => {
  const golden = JSON.parse(readFileSync(new URL("../goldens/adamw.json", import.meta.url), "utf8"));
  const { clip, weightDecay, decayedLength } = golden, N = golden.parameters.length;
  const { gpu, flat, program, dispose } = await optimizer({ N, decayedLength, clip, weightDecay });
  upload(gpu, flat.parameters, Float32Array.from(golden.parameters));
  for (const [i, { lr, gradients, norm, parameters }] of golden.steps.entries()) {
    upload(gpu, flat.gradients, Float32Array.from(gradients));
    program.run(stepValues({ slot: i, optimizerStep: i + 1, learningRate: lr }));
    const [actual, metrics] = await readTensors(gpu, [flat.parameters, flat.metrics]);
    compare(`parameters after step ${i + 1}`, actual, parameters, 2e-7);
    compare("norm", [metrics[i * 4 + 3]], [norm], 1e-6);
  }
  const [m, v] = await readTensors(gpu, [flat.firstMoments, flat.secondMoments]);
  compare("first moments", m, golden.firstMoments, 1e-6);
  compare("second moments", v, golden.secondMoments, 1e-6);
  dispose();
});

for (
  const cause of ["a gradient of NaN", "a gradient of Infinity", "a norm that overflows", "the flag set by the loss"]
) {
  Deno.test(`recordAdamw() leaves parameters and moments as they are from then on after ${cause}`, async () => {
    const N = 2112;
    const { gpu, flat, program, dispose } = await optimizer({ N, decayedLength: 64 });
    const start = normal(N, 1), good = normal(N, 2);
    const bad = good.slice();
    if (cause.includes("NaN")) bad[2100] = NaN;
    if (cause.includes("Infinity")) bad[2100] = Infinity;
    if (cause.includes("overflows")) bad.fill(1e38);
    upload(gpu, flat.parameters, start);
    const snapshots: Float32Array[][] = [];
    for (const [i, gradient] of [good, bad, good].entries()) {
      upload(gpu, flat.gradients, gradient);
      if (i === 1 && cause.includes("loss")) upload(gpu, flat.flag, Uint32Array.of(1));
      program.run(stepValues({ slot: i, optimizerStep: i + 1, learningRate: 1e-3 }));
      snapshots.push(await readTensors(gpu, [flat.parameters, flat.firstMoments, flat.secondMoments, flat.flag]));
    }
    const flags = snapshots.map(([, , , flag]) => new Uint32Array(flag.buffer)[0]);
    assert.deepEqual(flags, [0, 1, 1]);
    assert.notDeepEqual(snapshots[0][0], start);
    for (const later of snapshots.slice(1)) assert.deepEqual(later.slice(0, 3), snapshots[0].slice(0, 3));
    dispose();
  });
}

Deno.test("recordAdamw() refuses flat buffers that are no multiples of 64", async () => {
  await assert.rejects(() => optimizer({ N: 100, decayedLength: 64 }), /multiple of 64/);
  await assert.rejects(() => optimizer({ N: 128, decayedLength: 192 }), /192 decayed/);
});
