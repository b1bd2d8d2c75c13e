// Adapters made by PEFT, loaded and trained: logits, every gradient and a trajectory of AdamW steps, on tiny random models.
import assert from "node:assert/strict";
import { compareGradients, loadGolden, packGolden, stepWeight, tightLimits } from "../golden.ts";
import { compare } from "../kernels/harness.ts";
import { adapterGradients, withAdapterEngine } from "./adapter_engine.ts";

for (
  const name of ["llama", "qwen2", "bert", "bert_swap", "deberta", "roberta", "modernbert"].map((name) =>
    `lora_${name}`
  )
) {
  const golden = await loadGolden(name);
  const title = `${name} (${golden.pairing}${golden.head ? ", " + golden.head : ""}: ${golden.why})`;
  const all = packGolden(golden, golden.battles.map((_, i) => i));

  Deno.test(`judge with adapters gives the logits and gradients of PEFT: ${title}`, () =>
    withAdapterEngine(golden, {}, async (engine) => {
      compare(`${name}: logits`, await engine.logits(all), golden.logits.flat(), tightLimits.logits);
      for (const indices of golden.steps[0].microBatches) {
        engine.accumulate(packGolden(golden, indices), { step: 1, stepWeight: stepWeight(golden, 0) });
      }
      const gradients = await adapterGradients(golden, engine);
      assert.equal(gradients.length, golden.gradients.size);
      const worst = compareGradients(gradients, golden);
      assert.ok(
        worst.share <= tightLimits.gradientShare,
        `${worst.name} uses ${worst.share.toFixed(2)} of its tolerance`,
      );
    }));

  Deno.test(`judge with adapters follows PEFT's losses over ${golden.steps.length} AdamW steps: ${title}`, () =>
    withAdapterEngine(golden, {}, async (engine) => {
      golden.steps.forEach(({ lr, microBatches }, i) => {
        for (const indices of microBatches) {
          engine.accumulate(packGolden(golden, indices), { step: i + 1, stepWeight: stepWeight(golden, i) });
        }
        engine.update({ step: i + 1, lr });
      });
      const records = await engine.readSteps();
      compare(`${name}: losses`, records.map(({ loss }) => loss), golden.losses, tightLimits.losses);
      compare(`${name}: gradient norms`, records.map(({ gradNorm }) => gradNorm), golden.gradNorms, 1e-3);
      compare(`${name}: final logits`, await engine.logits(all), golden.finalLogits.flat(), tightLimits.finalLogits);
    }));

  Deno.test(`judge with adapters added to the weights gives the same logits: ${title}`, () =>
    withAdapterEngine(golden, {}, async (engine) => {
      compare(`${name}: logits`, await engine.logits(all), golden.logits.flat(), tightLimits.logits);
    }, "merged"));
}
