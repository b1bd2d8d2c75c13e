// Training with activations in f16 against PyTorch's float32, the loss scale in a run, and a run that goes on from its state.
import assert from "node:assert/strict";
import { UsageError } from "../../errors.ts";
import { planningGpu, usualGpu } from "../../gpu/planning.ts";
import { readTensor, upload } from "../../gpu/transfer.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { readConfig } from "../../model/config.ts";
import { judgeParameters } from "../../model/judge.ts";
import { Parameters } from "../../model/parameters.ts";
import { ownedTensors } from "../../train/memory.ts";
import { newLora } from "../../train/lora_settings.ts";
import { recordTraining } from "../../train/programs.ts";
import { type GpuEngine } from "../../train/gpu_engine.ts";
import { checkPrecision } from "../../train/create_engine.ts";
import { type Golden, loadGolden, norm, packGolden, stepWeight } from "../golden.ts";
import { compare, halfStep, testGpu } from "../kernels/harness.ts";
import { adapterGradients, withAdapterEngine } from "./adapter_engine.ts";
import { checkpointName, openGoldenEngine } from "./golden_engine.ts";
import { checkSame } from "../same.ts";
import { checkSameState, readState, stateOf } from "./state.ts";

async function openHalf(golden: Golden, scale?: number): Promise<GpuEngine> {
  const engine = await openGoldenEngine((await testGpu()).gpu, golden, undefined, { precision: "f16" });
  if (scale) await engine.writeState(stateOf({ lossScale: Float32Array.of(scale, 0, 0) }));
  return engine;
}

function runSteps(engine: GpuEngine, golden: Golden, first = 0, last = golden.steps.length): void {
  golden.steps.slice(first, last).forEach(({ lr, microBatches }, i) => {
    const step = first + i + 1;
    for (const indices of microBatches) {
      engine.accumulate(packGolden(golden, indices), { step, stepWeight: stepWeight(golden, step - 1) });
    }
    engine.update({ step, lr });
  });
}

function checkGradients(golden: Golden, gradients: { name: string; data: Float32Array }[], scale: number): void {
  const squares = gradients.reduce((sum, { name, data }) => {
    const { values } = golden.gradients.get(name)!;
    return sum + norm(data.map((g, i) => g / scale - values[i])) ** 2;
  }, 0);
  const roundings = Math.sqrt(squares) / golden.totalNorm / halfStep;
  assert.ok(roundings < 5, `the gradients are ${roundings.toFixed(1)} roundings off`);
}

// Measured: gradients of all together 0.5 to 2.4 roundings off, losses 0.0003 to 0.0016 (llvmpipe, Mesa 22.3.6, 2026-11-24).
// A loss scale that is not divided out, or a gradient that vanishes, is off by far more.
for (
  const name of [
    "bert_odd",
    "encoder_modernbert_mean",
    "decoder_gemma2",
    "decoder_qwen3",
    "deberta_v3",
    "deberta_v2_xlarge",
  ]
) {
  Deno.test(`a judge in f16 follows PyTorch's gradients and losses: ${name}`, async () => {
    const golden = await loadGolden(name), scale = 1024, engine = await openHalf(golden, scale);
    for (const indices of golden.steps[0].microBatches) {
      engine.accumulate(packGolden(golden, indices), { step: 1, stepWeight: stepWeight(golden, 0) });
    }
    const gradients = engine.parameters.specs.map(async ({ name: ours }) => ({
      name: checkpointName(golden, ours),
      data: await engine.parameters.readGradient(ours),
    }));
    checkGradients(golden, await Promise.all(gradients), scale);
    engine.update({ step: 1, lr: golden.steps[0].lr });
    runSteps(engine, golden, 1);
    const records = await engine.readSteps();
    assert.ok(records.every(({ finite, skipped }) => finite && !skipped));
    compare("losses", records.map(({ loss }) => loss), golden.losses, 5 * halfStep);
    compare("gradient norms", records.map(({ gradNorm }) => gradNorm), golden.gradNorms, 10 * halfStep);
    engine.dispose();
  });
}

for (const name of ["lora_qwen2", "lora_deberta"]) {
  Deno.test(`adapters on a base in f16 follow PEFT's gradients and losses, and lie beside half the bytes: ${name}`, async () => {
    const golden = await loadGolden(name), form = { precision: "f16" as const, quant: "f16" as const };
    const all = packGolden(golden, golden.battles.map((_, i) => i));
    let frozen = 0;
    await withAdapterEngine(golden, {}, (engine) => Promise.resolve(void (frozen = engine.memory.frozen)));
    await withAdapterEngine(golden, form, async (engine) => {
      assert.ok(engine.memory.frozen < 0.8 * frozen, `${engine.memory.frozen} of ${frozen} bytes`);
      compare("logits", await engine.logits(all), golden.logits.flat(), 5 * halfStep);
      const scale = 1024;
      await engine.writeState(stateOf({ lossScale: Float32Array.of(scale, 0, 0) }));
      for (const indices of golden.steps[0].microBatches) {
        engine.accumulate(packGolden(golden, indices), { step: 1, stepWeight: stepWeight(golden, 0) });
      }
      checkGradients(golden, await adapterGradients(golden, engine), scale);
      engine.update({ step: 1, lr: golden.steps[0].lr });
      runSteps(engine, golden, 1);
      compare("losses", (await engine.readSteps()).map(({ loss }) => loss), golden.losses, 5 * halfStep);
    });
  });
}

Deno.test("Parameters.write() refuses a weight beyond f16 by its name", async () => {
  const { gpu } = await testGpu();
  const spec = { name: "layer.weight", shape: [4, 32], decay: true, trainable: false, quant: "f16" as const };
  const parameters = new Parameters(gpu, [spec]), data = new Float32Array(128).fill(0.1);
  parameters.write(spec.name, data);
  assert.equal((await readTensor(gpu, parameters.tensor(spec.name)))[7], new Float16Array([0.1])[0]);
  assert.throws(
    () => parameters.write(spec.name, data.with(9, 7e4)),
    /Cannot hold "layer.weight" in f16: it holds 70000/,
  );
  parameters.dispose();
});

Deno.test("a step whose gradients overflow f16 is left out, the scale is halved until they fit, and the run goes on", async () => {
  const golden = await loadGolden("encoder_modernbert"), engine = await openHalf(golden, 2 ** 20);
  const before = (await readState(engine)).parameters;
  runSteps(engine, golden, 0, 1);
  const one = await engine.readSteps();
  assert.deepEqual(one.map(({ skipped, finite, gradNorm }) => [skipped, finite, gradNorm]), [[true, true, Infinity]]);
  checkSame("parameters", (await readState(engine)).parameters, before);
  for (let step = 2; step <= 12; step++) {
    engine.accumulate(packGolden(golden, [0, 1]), { step, stepWeight: 2 });
    engine.update({ step, lr: 1e-3 });
  }
  const later = await engine.readSteps();
  const left = later.filter(({ skipped }) => skipped).length;
  assert.ok(left < 8 && later.at(-1)!.finite && !later.at(-1)!.skipped, `${left} steps were left out`);
  const { lossScale, parameters } = await readState(engine);
  assert.deepEqual([...lossScale!], [2 ** (19 - left), 11 - left, left + 1]);
  assert.notDeepEqual(parameters, before);
  engine.dispose();
});

Deno.test("an activation that overflows f16 is no matter of the scale: the flag is set and the layer is named", async () => {
  const golden = await loadGolden("bert_odd"), engine = await openHalf(golden);
  const { gpu } = await testGpu();
  const weight = engine.parameters.tensor("encoder.layer.0.intermediate.dense.bias");
  upload(gpu, weight, new Float32Array(weight.size).fill(1e6));
  runSteps(engine, golden, 0, 1);
  const [{ finite }] = await engine.readSteps();
  assert.equal(finite, false);
  const batch = packGolden(golden, golden.steps[0].microBatches[0]);
  assert.equal(await engine.firstNonFinite(batch, { step: 1 }), "encoder.layer.0");
  engine.dispose();
});

Deno.test("--checkpoint-layers changes no byte of a run in f16", async () => {
  const golden = await loadGolden("encoder_modernbert"), states = [];
  for (const checkpointLayers of [false, true]) {
    const engine = await openGoldenEngine((await testGpu()).gpu, golden, undefined, {
      precision: "f16",
      checkpointLayers,
    });
    runSteps(engine, golden);
    states.push(await readState(engine));
    engine.dispose();
  }
  checkSameState(states[1], states[0]);
});

Deno.test("a run in f16 goes on from its state, loss scale included, to the same bytes", async () => {
  const golden = await loadGolden("encoder_modernbert"), scale = 2 ** 20;
  const whole = await openHalf(golden, scale);
  runSteps(whole, golden);
  const parts = await openHalf(golden, scale);
  runSteps(parts, golden, 0, 2);
  const state = await readState(parts);
  parts.dispose();
  assert.equal(state.lossScale![0] < scale, true, "the scale has changed before the break");
  const resumed = await openHalf(golden);
  await resumed.writeState(stateOf(state));
  runSteps(resumed, golden, 2);
  checkSameState(await readState(resumed), await readState(whole));
  const { lossScale: _, ...plain } = state;
  assert.throws(() => resumed.checkState(stateOf(plain)), /holds no loss scale/);
  whole.dispose();
  resumed.dispose();
});

const uncopied = [
  ...["bert_odd", "encoder_modernbert", "decoder_gemma3", "decoder_qwen2", "deberta_v2_xlarge"].map((name) =>
    [name, "full"] as const
  ),
  ["bert_odd", "lora"],
  ["decoder_qwen2", "lora"],
] as const;

for (const [name, method] of uncopied) {
  Deno.test(`on a GPU's schedules no activation is copied into f32 and back: ${name}, ${method}`, async () => {
    const { folder, pairing, head } = await loadGolden(name), gpu = planningGpu(usualGpu);
    const config = await readConfig(folder), capacity = { tokens: 64, segments: 4, battles: 4 };
    const options = {
      ...{ gpu, config, pairing, head: head ?? "swap" as const, precision: "f16" as const, capacity },
      ...{ schedules: defaultSchedules(false), dropout: { hidden: 0.1, attention: 0.1, classifier: 0.1 } },
      optimizer: { clip: 1, weightDecay: 0, betas: [0.9, 0.999] as const, eps: 1e-8 },
    };
    const all = { ...options, ...(method === "lora" && { lora: newLora({ loraDropout: 0 }, options) }) };
    const parameters = new Parameters(gpu, judgeParameters(all, method));
    const { needed } = recordTraining(all, { parameters, ...ownedTensors(gpu, options) }).plan();
    const labels = needed.map((entry) => "kernel" in entry ? entry.kernel.label : "");
    assert.ok(labels.includes("attention") && labels.includes("matmul_tile"));
    const next = labels.flatMap((label, i) => label === "cast" ? [`${labels[i - 1]}, cast, ${labels[i + 1]}`] : []);
    assert.deepEqual(next, []);
  });
}

Deno.test("checkPrecision() refuses f16 by name where the adapter has no shader-f16", () => {
  const gpu = planningGpu(usualGpu);
  checkPrecision(gpu, "f32");
  checkPrecision({ ...gpu, report: { ...gpu.report, features: ["shader-f16"] } }, "f16");
  assert.throws(
    () => checkPrecision(gpu, "f16"),
    (error) =>
      error instanceof UsageError &&
      error.message ===
        'Cannot use --precision f16 on "a usual GPU": this adapter has no shader-f16: leave the flag out',
  );
});
