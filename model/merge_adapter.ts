// Adds adapters to their base: a model folder like one trained in full, tensor by tensor, without the GPU.
import { InputError } from "../errors.ts";
import { type AdapterConfig } from "./adapter_config.ts";
import { openAdapterWeights } from "./adapter_weights.ts";
import { isOutside } from "./architecture.ts";
import { type ModelConfig } from "./config.ts";
import { exportModel } from "./export.ts";
import { architectureOf } from "./registry.ts";
import { type TensorSource } from "./safetensors_write.ts";
import { type TiebreakEntry } from "./tiebreak_entry.ts";
import { canonicalNames, openHead, openWeights } from "./weights.ts";

export interface MergeOptions {
  adapter: AdapterConfig;
  /** The folder of the base. */
  base: string;
  config: ModelConfig;
  entry: TiebreakEntry;
  /** The folder of the tokenizer's files. */
  source: string;
  /** The folder to write into; it exists. */
  out: string;
}

/** Writes the merged model. @returns weights that had adapters @throws {InputError} if a tensor is missing */
export async function mergeAdapter({ adapter, base, config, entry, source, out }: MergeOptions): Promise<number> {
  const architecture = architectureOf(config), isSiamese = entry.pairing === "siamese";
  const weights = await openWeights(base);
  const adapters = await openAdapterWeights(adapter, config);
  const head = isSiamese ? await openHead(adapter.folder) : undefined;
  try {
    const stored = canonicalNames(weights, architecture.prefix);
    const tensors: TensorSource[] = architecture.parameters(config, false).map(({ name, shape }) => ({
      name,
      shape,
      data: async () => {
        const values = await weights.readF32(nameIn(stored, name, weights.path));
        await adapters.merge(name, values);
        return values;
      },
    }));
    for (const { name, shape } of architecture.joint.parameters(config)) {
      // A siamese folder keeps what the backbone's class has beside the layers: BERT's pooler.
      if (isSiamese && (isOutside(architecture, name) || !stored.has(name))) continue;
      const data = () =>
        adapters.has(name) ? adapters.read(name) : weights.readF32(nameIn(stored, name, adapters.path));
      tensors.push({ name, shape, data });
    }
    for (const [name, { shape }] of head?.tensors ?? []) tensors.push({ name, shape, data: () => head!.readF32(name) });
    await exportModel({ folder: out, source, config, entry, tensors });
    return adapters.lora.modules.length;
  } finally {
    weights.close();
    adapters.close();
    head?.close();
  }
}

function nameIn(stored: Map<string, string>, name: string, path: string): string {
  const found = stored.get(name);
  if (found !== undefined) return found;
  throw new InputError(`Cannot merge ${path}: tensor "${name}" is missing: train the adapters on battles first`);
}
