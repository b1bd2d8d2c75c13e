// Adds adapters to their base: a model folder like one trained in full, tensor by tensor, without the GPU.
import { InputError } from "../errors.ts";
import { type AdapterConfig } from "./adapter_config.ts";
import { openAdapterWeights } from "./adapter_weights.ts";
import { isOutside } from "./architecture.ts";
import { type ModelConfig } from "./config.ts";
import { exportModel } from "./export.ts";
import { checkShape } from "./load_judge.ts";
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
  const open: { close(): void }[] = [];
  const opened = <File extends { close(): void }>(file: File): File => {
    open.push(file);
    return file;
  };
  try {
    const weights = opened(await openWeights(base));
    const adapters = opened(await openAdapterWeights(adapter, config));
    const head = isSiamese ? opened(await openHead(adapter.folder)) : undefined;
    const stored = canonicalNames(weights, architecture.prefix);
    // Checked before anything is written.
    const ofBase = (spec: { name: string; shape: readonly number[] }, advice: string) => {
      const at = stored.get(spec.name);
      if (at === undefined) {
        throw new InputError(`Cannot merge ${weights.path}: tensor "${spec.name}" is missing: ${advice}`);
      }
      checkShape(weights.path, spec, weights.shape(at));
      return () => weights.readF32(at);
    };
    const tensors: TensorSource[] = architecture.parameters(config, false).map((spec) => {
      const read = ofBase(spec, "name the base that the adapters were trained on");
      const data = async () => {
        const values = await read();
        await adapters.merge(spec.name, values);
        return values;
      };
      return { name: spec.name, shape: spec.shape, data };
    });
    for (const spec of architecture.joint.parameters(config)) {
      const { name, shape } = spec;
      // A siamese folder keeps what the backbone's class has beside the layers: BERT's pooler.
      if (isSiamese && (isOutside(architecture, name) || !stored.has(name))) continue;
      const data = adapters.has(name)
        ? () => adapters.read(name)
        : ofBase(spec, "train the adapters on battles first, which saves the head with them");
      tensors.push({ name, shape, data });
    }
    for (const [name, { shape }] of head?.tensors ?? []) tensors.push({ name, shape, data: () => head!.readF32(name) });
    await exportModel({ folder: out, source, config, entry, tensors });
    return adapters.lora.modules.length;
  } finally {
    for (const file of open) file.close();
  }
}
