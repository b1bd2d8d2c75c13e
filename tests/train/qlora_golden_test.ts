// Adapters on a quantised base against PyTorch with bitsandbytes' own dequantised weights: logits, every gradient of the adapters
// and a trajectory of AdamW steps, layers recomputed, with the kernels of CPU adapters and those of GPUs.
import assert from "node:assert/strict";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { compareGradients, loadGolden, packGolden, stepWeight, tightLimits } from "../golden.ts";
import { compare } from "../kernels/harness.ts";
import { adapterGradients, withAdapterEngine } from "./adapter_engine.ts";

for (const name of ["nf4_qwen2", "nf4_bert_swap", "nf4_deberta", "int8_llama"].map((name) => `lora_${name}`)) {
  const golden = await loadGolden(name);
  const all = packGolden(golden, golden.battles.map((_, i) => i));

  for (const isCpu of [true, false]) {
    const changes = { quant: golden.quant, checkpointLayers: true, schedules: defaultSchedules(isCpu) };
    const title = `${name}, ${isCpu ? "textures" : "tiles"} (${golden.pairing}: ${golden.why})`;

    Deno.test(`judge on a quantised base gives PyTorch's logits, gradients, losses over ${golden.steps.length} AdamW steps: ${title}`, () =>
      withAdapterEngine(golden, changes, async (engine) => {
        assert.ok(engine.parameters.specs.some(({ quant }) => quant === golden.quant));
        compare(`${name}: logits`, await engine.logits(all), golden.logits.flat(), tightLimits.logits);
        for (const [i, { lr, microBatches }] of golden.steps.entries()) {
          for (const indices of microBatches) {
            engine.accumulate(packGolden(golden, indices), { step: i + 1, stepWeight: stepWeight(golden, i) });
          }
          if (i === 0) {
            const worst = compareGradients(await adapterGradients(golden, engine), golden);
            assert.ok(worst.share <= tightLimits.gradientShare, `${worst.name} uses ${worst.share} of its tolerance`);
          }
          engine.update({ step: i + 1, lr });
        }
        compare(
          `${name}: losses`,
          (await engine.readSteps()).map(({ loss }) => loss),
          golden.losses,
          tightLimits.losses,
        );
        compare(`${name}: final logits`, await engine.logits(all), golden.finalLogits.flat(), tightLimits.finalLogits);
      }));
  }

  Deno.test(`the logits of ${name} show that its base is quantised`, () =>
    withAdapterEngine(golden, {}, async (engine) => {
      const logits = await engine.logits(all);
      const off = Math.max(...golden.logits.flat().map((z, i) => Math.abs(z - logits[i])));
      assert.ok(off > 100 * tightLimits.logits, `only ${off} apart with floats`);
    }));
}
