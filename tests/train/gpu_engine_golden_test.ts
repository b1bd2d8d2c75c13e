// The whole judge against PyTorch: logits, every gradient, and a trajectory of AdamW steps, on tiny random BERTs.
import assert from "node:assert/strict";
import { type GpuEngine } from "../../train/gpu_engine.ts";
import {
  compareGradients,
  type Golden,
  loadGolden,
  packGolden,
  stepWeight,
  tightLimits,
  tinyGoldens,
} from "../golden.ts";
import { compare, testGpu } from "../kernels/harness.ts";
import { checkpointName, openGoldenEngine } from "./golden_engine.ts";

for (const name of tinyGoldens) {
  const golden = await loadGolden(name);
  const title = `${name} (${golden.pairing}${golden.head ? ", " + golden.head : ""}: ${golden.why})`;

  Deno.test(`judge gives PyTorch's logits: ${title}`, () =>
    withEngine(golden, async (engine) => {
      const all = golden.battles.map((_, i) => i);
      compare(name, await engine.logits(packGolden(golden, all)), golden.logits.flat(), tightLimits.logits);
    }));

  Deno.test(`judge gives PyTorch's gradients over several micro-batches: ${title}`, () =>
    withEngine(golden, async (engine) => {
      for (const indices of golden.steps[0].microBatches) {
        engine.accumulate(packGolden(golden, indices), { step: 1, stepWeight: stepWeight(golden, 0) });
      }
      const gradients = [];
      for (const { name: ours } of engine.parameters.specs) {
        gradients.push({ name: checkpointName(golden, ours), data: await engine.parameters.readGradient(ours) });
      }
      const worst = compareGradients(gradients, golden);
      assert.ok(
        worst.share <= tightLimits.gradientShare,
        `${worst.name} uses ${worst.share.toFixed(2)} of its tolerance`,
      );
    }));

  Deno.test(`judge follows PyTorch's losses over ${golden.steps.length} AdamW steps: ${title}`, () =>
    withEngine(golden, async (engine) => {
      golden.steps.forEach(({ lr, microBatches }, i) => {
        for (const indices of microBatches) {
          engine.accumulate(packGolden(golden, indices), { step: i + 1, stepWeight: stepWeight(golden, i) });
        }
        engine.update({ step: i + 1, lr });
      });
      const records = await engine.readSteps();
      compare(`${name}: losses`, records.map(({ loss }) => loss), golden.losses, tightLimits.losses);
      compare(`${name}: gradient norms`, records.map(({ gradNorm }) => gradNorm), golden.gradNorms, 1e-3);
      assert.ok(records.every(({ finite }) => finite));
      const all = golden.battles.map((_, i) => i);
      compare(
        `${name}: final logits`,
        await engine.logits(packGolden(golden, all)),
        golden.finalLogits.flat(),
        tightLimits.finalLogits,
      );
    }));
}

async function withEngine(golden: Golden, run: (engine: GpuEngine) => Promise<void>) {
  const engine = await openGoldenEngine((await testGpu()).gpu, golden);
  try {
    await run(engine);
  } finally {
    engine.dispose();
  }
}
