// Writes a run's adapters as a folder that PEFT loads: adapter_config.json and adapter_model.safetensors, beside config.json,
// the tokenizer's files and, for siamese runs, head.safetensors. The base's weights stay where they are.
import { join } from "node:path";
import { adapterConfigFile, adapterConfigJson, adapterFile, targetEnds } from "./adapter_config.ts";
import { peftPrefix, transposed } from "./adapter_weights.ts";
import { isOutside } from "./architecture.ts";
import { writeTextAtomically } from "./atomic_file.ts";
import { type ModelConfig } from "./config.ts";
import { copyTokenizer, removeIfThere, writeExportedConfig } from "./export.ts";
import { type Lora } from "./lora.ts";
import { architectureOf } from "./registry.ts";
import { writeSafetensors } from "./safetensors_write.ts";
import { type TiebreakEntry } from "./tiebreak_entry.ts";
import { headFile } from "./weights.ts";

export interface AdapterExport {
  /** The folder to write into; it exists. */
  folder: string;
  /** The folder the model came from: gives the tokenizer's files. */
  source: string;
  config: ModelConfig;
  entry: TiebreakEntry;
  lora: Lora;
  /** Folder or Hub id of the base, and its revision. */
  base: string;
  revision?: string;
  /** The trained tensors by our names; B as we hold it, [rank, out]. */
  tensors: readonly { name: string; shape: readonly number[]; data: Float32Array<ArrayBuffer> }[];
}

/** Writes or replaces the files, each one whole or not at all, config.json last. */
export async function exportAdapter(adapter: AdapterExport): Promise<void> {
  const { folder, source, config, entry, lora, base, revision, tensors } = adapter;
  const architecture = architectureOf(config), isSiamese = entry.pairing === "siamese";
  const full = (name: string) => isSiamese || isOutside(architecture, name) ? name : architecture.prefix + name;
  const head = tensors.filter(({ name }) => name.startsWith("head.") && isSiamese);
  const own = tensors.filter((tensor) => !head.includes(tensor)).map(({ name, shape, data }) => {
    const isB = name.endsWith(".lora_B.weight");
    return {
      name: peftPrefix + full(name),
      shape: isB ? shape.toReversed() : shape,
      data: isB ? transposed(data, shape[0], shape[1]) : data,
    };
  });
  const metadata = { format: "pt" };
  await writeSafetensors(join(folder, adapterFile), own, { metadata });
  if (isSiamese) await writeSafetensors(join(folder, headFile), head, { metadata });
  else await removeIfThere(join(folder, headFile));

  const joint = architecture.joint.parameters(config);
  const all = [...architecture.parameters(config, false), ...joint].map(({ name }) => full(name.replace(/\.\w+$/, "")));
  const written = adapterConfigJson({
    ...lora,
    base,
    revision,
    pairing: entry.pairing,
    targets: targetEnds(lora.modules.map(full), all),
    saved: isSiamese ? [] : [...new Set(joint.map(({ name }) => name.split(".")[0]))],
  });
  await writeTextAtomically(join(folder, adapterConfigFile), JSON.stringify(written, null, 2) + "\n");
  await copyTokenizer(source, folder);
  await writeExportedConfig(folder, config, entry, "F32");
}
