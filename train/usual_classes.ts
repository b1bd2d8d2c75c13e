// Classes of products that are timed where no run says which it needs: by `tune`, and for the benchmark.
import { type PlannedAdapter } from "../gpu/planning.ts";
import { defaultSchedules } from "../kernels/schedules.ts";
import { parseConfig } from "../model/config.ts";
import { knownConfigs } from "../model/known_configs.ts";
import { engineChoices } from "./create_engine.ts";
import { newLora } from "./lora_settings.ts";
import { usedClasses } from "./memory.ts";

/** Those of the default model's training, all of it and adapters alone. */
export function usualClasses(adapter: PlannedAdapter): string[] {
  const id = "sentence-transformers/all-MiniLM-L6-v2", config = parseConfig(JSON.stringify(knownConfigs[id]), id);
  const shape = { config, pairing: "siamese", head: "swap", features: "none" } as const;
  const settings = { ...shape, batch: 16, maxTokens: 512, weightDecay: 0, clip: 1 };
  return (["full", "lora"] as const).flatMap((method) => {
    const lora = method === "lora" ? newLora({}, shape) : undefined, asked = { ...settings, method, lora };
    const schedules = defaultSchedules(adapter.report.isCpu);
    return usedClasses(adapter, { ...asked, ...engineChoices(adapter, asked), schedules });
  });
}
