// Opens the engine as a golden of tests/goldens/ asks for it.
import { type Gpu } from "../../gpu/device.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { isOutside } from "../../model/architecture.ts";
import { readConfig } from "../../model/config.ts";
import { architectureOf } from "../../model/registry.ts";
import { openHead } from "../../model/weights.ts";
import { type GpuEngine, type GpuEngineOptions, openGpuEngine } from "../../train/gpu_engine.ts";
import { type Golden, packGolden } from "../golden.ts";

/** Capacity for all battles at once, NaN in memory nobody wrote, no dropout. */
export async function goldenEngineOptions(gpu: Gpu, golden: Golden, folder: string): Promise<GpuEngineOptions> {
  const { tokens, segments, battles } = packGolden(golden, golden.battles.map((_, i) => i));
  const { clip, weightDecay, beta1, beta2, eps } = golden.hyper;
  return {
    gpu,
    folder,
    config: await readConfig(folder),
    pairing: golden.pairing,
    head: golden.head ?? "swap",
    method: "full",
    schedules: defaultSchedules(gpu.report.isCpu),
    capacity: { tokens: tokens + 5, segments: segments + 3, battles: battles + (golden.pairing === "joint" ? 3 : 2) },
    seed: 1,
    dropout: { hidden: 0, attention: 0, classifier: 0 },
    optimizer: { clip, weightDecay, betas: [beta1, beta2], eps },
    poison: true,
  };
}

/** Opens it, the stored head in place of a freshly initialised one. @param folder of the backbone */
export async function openGoldenEngine(
  gpu: Gpu,
  golden: Golden,
  folder = golden.folder,
  changes: Partial<GpuEngineOptions> = {},
): Promise<GpuEngine> {
  const engine = await openGpuEngine({ ...await goldenEngineOptions(gpu, golden, folder), ...changes });
  if (engine.initialised.length > 0) {
    const head = await openHead(golden.folder);
    for (const name of engine.initialised) engine.parameters.write(name, await head.readF32(name));
    head.close();
  }
  return engine;
}

/** The name of one of our parameters in the golden's checkpoint. */
export function checkpointName(golden: Golden, name: string): string {
  const architecture = architectureOf({ model_type: golden.modelType });
  return golden.pairing === "siamese" || isOutside(architecture, name) ? name : architecture.prefix + name;
}
