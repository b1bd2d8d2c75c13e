// Opens the engine on a golden's base with the adapters that PEFT wrote beside it.
import { join } from "node:path";
import { readAdapterConfig } from "../../model/adapter_config.ts";
import { peftPrefix, readLora, transposed } from "../../model/adapter_weights.ts";
import { readConfig } from "../../model/config.ts";
import { type GpuEngine, type GpuEngineOptions } from "../../train/gpu_engine.ts";
import { type Golden } from "../golden.ts";
import { testGpu } from "../kernels/harness.ts";
import { checkpointName, openGoldenEngine } from "./golden_engine.ts";

/** @param form live: adapters beside the weights, trained; merged: added to them */
export async function withAdapterEngine(
  golden: Golden,
  changes: Partial<GpuEngineOptions>,
  run: (engine: GpuEngine) => Promise<void>,
  form: "merged" | "live" = "live",
): Promise<void> {
  const adapter = (await readAdapterConfig(join(golden.folder, "adapter")))!;
  const lora = form === "live" ? await readLora(adapter, await readConfig(golden.folder)) : undefined;
  const method = lora ? "lora" as const : "head" as const;
  const engine = await openGoldenEngine((await testGpu()).gpu, golden, golden.folder, {
    ...{ method, adapter, lora },
    ...changes,
  });
  try {
    await run(engine);
  } finally {
    engine.dispose();
  }
}

/** Gradients of all trained tensors by the names of PEFT's file, B turned as there. */
export function adapterGradients(golden: Golden, { parameters }: GpuEngine) {
  const trained = parameters.specs.filter(({ trainable }) => trainable);
  return Promise.all(trained.map(async ({ name, shape: [rows, columns] }) => {
    const data = await parameters.readGradient(name);
    const isHead = golden.pairing === "siamese" && name.startsWith("head.");
    return {
      name: isHead ? name : peftPrefix + checkpointName(golden, name),
      data: name.endsWith(".lora_B.weight") ? transposed(data, rows, columns) : data,
    };
  }));
}
