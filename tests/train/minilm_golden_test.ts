// The real MiniLM-L6 against PyTorch: logits within 1e-4, every gradient within its tolerance, and the losses of ten AdamW
// steps within 1e-3, each step cut into micro-batches of other sizes than PyTorch's whole batches.
// Needs the weights: from the caches, the Hub, or pip. Where none of them has them, the tests say so and are left out.
import assert from "node:assert/strict";
import { defaultModel, resolveModel } from "../../model/hub.ts";
import { type GpuEngine } from "../../train/gpu_engine.ts";
import { compareGradients, type Golden, loadGolden, packGolden, stepWeight } from "../golden.ts";
import { testGpu } from "../kernels/harness.ts";
import { checkpointName, openGoldenEngine } from "./golden_engine.ts";

const folder = await resolveModel(defaultModel).catch((error: Error) => {
  console.log(`MiniLM's weights are not at hand, its tests are left out: ${error.message}`);
  return undefined;
});

for (const name of folder ? ["minilm_joint", "minilm_siamese"] : []) {
  const golden = await loadGolden(name);
  Deno.test(`${name} gives PyTorch's logits, gradients and losses of ten AdamW steps`, async () => {
    const engine = await openGoldenEngine((await testGpu()).gpu, golden, folder!);
    try {
      await checkLogits(engine, golden);
      await checkSteps(engine, golden);
    } finally {
      engine.dispose();
    }
  });
}

async function checkLogits(engine: GpuEngine, golden: Golden): Promise<void> {
  const logits = await engine.logits(packGolden(golden, golden.battles.map((_, i) => i)));
  const worst = Math.max(...golden.logits.flat().map((expected, i) => Math.abs(expected - logits[i])));
  console.log(`${golden.name}: logits differ by at most ${worst.toExponential(1)}`);
  assert.ok(worst <= 1e-4, `a logit differs by ${worst}`);
}

async function checkSteps(engine: GpuEngine, golden: Golden): Promise<void> {
  for (const [i, { lr, microBatches }] of golden.steps.entries()) {
    for (const indices of microBatches) {
      engine.accumulate(packGolden(golden, indices), { step: i + 1, stepWeight: stepWeight(golden, i) });
    }
    if (i === 0) await checkGradients(engine, golden);
    engine.update({ step: i + 1, lr });
  }
  const losses = (await engine.readSteps()).map(({ loss }) => loss);
  const worst = Math.max(...losses.map((loss, i) => Math.abs(loss - golden.losses[i])));
  console.log(`${golden.name}: losses of ${losses.length} steps differ by at most ${worst.toExponential(1)}`);
  assert.equal(losses.length, golden.losses.length);
  assert.ok(worst <= 1e-3, `a loss differs by ${worst}`);
}

async function checkGradients(engine: GpuEngine, golden: Golden): Promise<void> {
  const gradients = [];
  for (const { name } of engine.parameters.specs) {
    gradients.push({ name: checkpointName(golden, name), data: await engine.parameters.readGradient(name) });
  }
  const worst = compareGradients(gradients, golden);
  console.log(`${golden.name}: gradients use ${worst.share.toFixed(3)} of their tolerance (${worst.name})`);
  assert.ok(worst.share <= 1, `${worst.name} uses ${worst.share} of its tolerance`);
}
