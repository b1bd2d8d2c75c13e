// Every family on a quantised base gives what it gives on the floats that the quantised weights stand for: logits and the
// gradients of adapters in all layers, which flow through the weights. (qlora_golden_test.ts holds two families against PyTorch.)
import assert from "node:assert/strict";
import { type QuantForm, quantiseInt8, quantiseNf4 } from "../../kernels/quantiser.ts";
import { readConfig } from "../../model/config.ts";
import { canonicalNames, openWeights } from "../../model/weights.ts";
import { architectureOf } from "../../model/registry.ts";
import { type GpuEngine } from "../../train/gpu_engine.ts";
import { newLora } from "../../train/lora_settings.ts";
import { type Golden, loadGolden, packGolden } from "../golden.ts";
import { compare, testGpu } from "../kernels/harness.ts";
import { dequantiseInt8, dequantiseNf4 } from "../kernels/reference/quantiser.ts";
import { openGoldenEngine } from "./golden_engine.ts";

const stands = {
  nf4: (w: Float32Array) => dequantiseNf4(quantiseNf4(w)),
  int8: (w: Float32Array) => dequantiseInt8(quantiseInt8(w)),
};

async function results(golden: Golden, engine: GpuEngine) {
  const batch = packGolden(golden, golden.battles.map((_, i) => i));
  const logits = await engine.logits(batch);
  engine.accumulate(batch, { step: 1, stepWeight: batch.battles });
  const trained = engine.parameters.specs.filter(({ trainable }) => trainable);
  const gradients = await Promise.all(trained.map(({ name }) => engine.parameters.readGradient(name)));
  return { logits, gradients: Object.fromEntries(trained.map(({ name }, i) => [name, gradients[i]])) };
}

async function onBoth(name: string, quant: QuantForm) {
  const golden = await loadGolden(name), config = await readConfig(golden.folder), { gpu } = await testGpu();
  const lora = newLora({ loraRank: 4, loraDropout: 0 }, { config, pairing: golden.pairing });
  const packed = await openGoldenEngine(gpu, golden, golden.folder, { method: "qlora", lora, quant });
  const forms = packed.parameters.specs.filter((spec) => spec.quant).map((spec) => spec.name);
  const ours = await results(golden, packed).finally(() => packed.dispose());
  const floats = await openGoldenEngine(gpu, golden, golden.folder, { method: "lora", lora });
  const weights = await openWeights(golden.folder);
  const stored = canonicalNames(weights, architectureOf(config).prefix);
  for (const form of forms) floats.parameters.write(form, stands[quant](await weights.readF32(stored.get(form)!)));
  weights.close();
  return { ours, wanted: await results(golden, floats).finally(() => floats.dispose()), forms, lora };
}

const families: [name: string, quant: QuantForm, floats: string[]][] = [
  ["bert_tiles", "int8", []],
  ["deberta_v3_concat", "nf4", ["encoder.layer.0.output.dense.weight"]],
  ["decoder_gemma2_plain", "nf4", ["layers.0.mlp.down_proj.weight"]],
  ["decoder_llama3", "nf4", []],
];

for (const [name, quant, floats] of families) {
  Deno.test(`${name} on a base in ${quant} gives the logits and gradients of the floats it stands for`, async () => {
    const { ours, wanted, forms, lora } = await onBoth(name, quant);
    // Every dense weight but those whose rows are no whole blocks.
    const dense = lora.modules.map((module) => `${module}.weight`);
    assert.deepEqual(dense.filter((name) => !forms.includes(name)), floats);
    compare("logits", ours.logits, wanted.logits, 1e-5);
    const largest = Math.max(...Object.values(wanted.gradients).flatMap((g) => [...g]).map(Math.abs));
    for (const [parameter, gradient] of Object.entries(wanted.gradients)) {
      const scale = Math.max(...gradient.map(Math.abs));
      // Some gradients are mathematically zero: BERT's keys' biases, and of fresh adapters A's.
      if (scale < 1e-6 * largest) continue;
      compare(`gradient of ${parameter}`, ours.gradients[parameter], gradient, 1e-4);
    }
  });
}
