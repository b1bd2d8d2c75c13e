// The settings of adapters: the flags of `train` resolved, and the adapters that they ask a model for.
import { UsageError } from "../errors.ts";
import { type AdapterConfig } from "../model/adapter_config.ts";
import { readLora } from "../model/adapter_weights.ts";
import { type FamilyConfig } from "../model/architecture.ts";
import { type ModelConfig } from "../model/config.ts";
import { type Method, trainsAdapters } from "../model/judge.ts";
import { chooseModules, type Lora, type LoraForm } from "../model/lora.ts";
import { architectureOf } from "../model/registry.ts";
import { flagName } from "./flags.ts";
import { type Pairing } from "../model/tiebreak_entry.ts";
import { trainedLayers } from "../model/train_layers.ts";

export interface LoraSettings {
  loraRank?: number;
  loraAlpha?: number;
  loraDropout?: number;
  loraTargets?: string;
  loraRs?: boolean;
}

export const loraDefaults = { rank: 16, alpha: 32, dropout: 0.05, targets: "all-linear" };

/** Defaults filled in, or the numbers of the adapters that the model's folder holds.
 *  @throws {UsageError} if a flag does not suit the method or those adapters */
export function resolveLora(
  flags: LoraSettings & { dropout?: number; trainLayers?: number },
  method: Method,
  adapter?: LoraForm,
): LoraSettings {
  const { loraRank, loraAlpha, loraDropout, loraTargets, loraRs } = flags;
  const given = Object.entries({ loraRank, loraAlpha, loraDropout, loraTargets, loraRs })
    .find(([, value]) => value !== undefined)?.[0];
  if (!trainsAdapters(method)) {
    if (given) {
      throw new UsageError(
        `Cannot use --${flagName(given)} with --method ${method}: leave it out, or use --method lora or qlora`,
      );
    }
    return {};
  }
  if (adapter) {
    const same = (asked: unknown, own: unknown) => asked === undefined || asked === own;
    const fits = same(loraRank, adapter.rank) && same(loraAlpha, adapter.alpha) && same(loraRs, adapter.rsLora) &&
      loraTargets === undefined && flags.trainLayers === undefined;
    if (!fits) {
      throw new UsageError(
        "Cannot change rank, scale or targets of the adapters in --model: leave the flags out, or merge them first",
      );
    }
  }
  return {
    loraRank: loraRank ?? adapter?.rank ?? loraDefaults.rank,
    loraAlpha: loraAlpha ?? adapter?.alpha ?? loraDefaults.alpha,
    loraDropout: loraDropout ?? flags.dropout ?? adapter?.dropout ?? loraDefaults.dropout,
    loraRs: loraRs ?? adapter?.rsLora ?? false,
    ...(!adapter && { loraTargets: loraTargets ?? loraDefaults.targets }),
  };
}

/** The adapters of a run; undefined where it trains none. */
export async function loraOf(
  settings: LoraSettings & { method: Method; pairing: Pairing; trainLayers?: number },
  { config, adapter }: { config: ModelConfig; adapter?: AdapterConfig },
): Promise<Lora | undefined> {
  if (!trainsAdapters(settings.method)) return undefined;
  if (adapter) return { ...await readLora(adapter, config), dropout: settings.loraDropout! };
  return newLora(settings, { ...settings, config });
}

/** Adapters that no folder holds yet. */
export function newLora(
  { loraRank, loraAlpha, loraDropout, loraTargets, loraRs }: LoraSettings,
  { config, pairing, trainLayers }: { config: FamilyConfig; pairing: Pairing; trainLayers?: number },
): Lora {
  const architecture = architectureOf(config), backbone = architecture.parameters(config, false);
  const { rank, alpha, dropout, targets } = loraDefaults;
  const modules = chooseModules(backbone, {
    targets: loraTargets ?? targets,
    prefix: pairing === "joint" ? architecture.prefix : "",
    ...(trainLayers !== undefined && { isTrained: trainedLayers(backbone, trainLayers) }),
  });
  return {
    rank: loraRank ?? rank,
    alpha: loraAlpha ?? alpha,
    dropout: loraDropout ?? dropout,
    rsLora: loraRs ?? false,
    modules,
  };
}
