// Writes a trained model as a folder in Hugging Face layout: config.json, model.safetensors, the tokenizer's files, and
// for siamese runs head.safetensors. A joint folder loads with AutoModelForSequenceClassification.
import { join, resolve } from "node:path";
import { ShapeError } from "../errors.ts";
import { writeAtomically, writeFully, writeTextAtomically } from "./atomic_file.ts";
import { isOutside } from "./architecture.ts";
import type { ModelConfig } from "./config.ts";
import type { FloatDtype } from "./float_formats.ts";
import { type JsonObject, stringifyObject } from "./json_text.ts";
import { architectureOf } from "./registry.ts";
import { type TensorSource, writeSafetensors } from "./safetensors_write.ts";
import { paddingToken } from "./padding_token.ts";
import type { TiebreakEntry } from "./tiebreak_entry.ts";
import { canonicalName, headFile, weightsFile } from "./weights.ts";

/** What a tokenizer may consist of, in any family. */
export const tokenizerFiles = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.txt",
  "vocab.json",
  "merges.txt",
  "tokenizer.model",
  "sentencepiece.bpe.model",
  "spm.model",
] as const;

/** Names of the three outcomes, in the order of the logits: Kaggle's column names. */
const outcomeLabels = ["winner_model_a", "winner_model_b", "winner_tie"] as const;

/** How Hugging Face names the dtypes. */
const torchDtypes: Record<FloatDtype, string> = { F32: "float32", F16: "float16", BF16: "bfloat16" };

export interface ModelExport {
  /** The folder to write into; it exists. */
  folder: string;
  /** The folder the model came from: gives the tokenizer's files. */
  source: string;
  /** The configuration the model was loaded with. */
  config: ModelConfig;
  entry: TiebreakEntry;
  /** All tensors, by checkpoint name with or without the backbone's prefix; `head.…` are the siamese head. */
  tensors: Iterable<TensorSource>;
  /** @default {"F32"} */
  dtype?: FloatDtype;
}

/** Writes or replaces the model's files, each one whole or not at all, config.json last. */
export async function exportModel(model: ModelExport): Promise<void> {
  const { folder, source, config, entry, dtype = "F32" } = model;
  const all = [...model.tensors];
  const architecture = architectureOf(config), { prefix } = architecture;
  // ModernBERT's own head has such names too.
  const own = new Set(architecture.joint.parameters(config).map(({ name }) => name));
  const isHead = ({ name }: TensorSource) => name.startsWith("head.") && !own.has(name);
  const head = all.filter(isHead), backbone = all.filter((tensor) => !isHead(tensor));
  const isSiamese = entry.pairing === "siamese";
  if (isSiamese !== head.length > 0) {
    throw new ShapeError(
      `Cannot export ${folder}: pairing is ${entry.pairing}, but there are ${head.length} head tensors`,
    );
  }
  if (!isSiamese) checkClassifier(backbone, config, folder);
  const named = backbone.map((tensor) => {
    const name = canonicalName(tensor.name, prefix);
    return { ...tensor, name: isSiamese || isOutside(architecture, name) ? name : prefix + name };
  });
  const metadata = { format: "pt" };
  await writeSafetensors(join(folder, weightsFile), named, { dtype, metadata });
  // The head is small and every digit of it counts.
  if (isSiamese) await writeSafetensors(join(folder, headFile), head, { metadata });
  else await removeIfThere(join(folder, headFile));
  await copyTokenizer(source, folder);
  await writeExportedConfig(folder, config, entry, dtype);
}

/** config.json, once the tokenizer's files are there. */
export async function writeExportedConfig(
  folder: string,
  config: ModelConfig,
  entry: TiebreakEntry,
  dtype: FloatDtype,
): Promise<void> {
  const exported = exportedConfig(config, entry, dtype);
  if (entry.pairing === "joint" && architectureOf(config).joint.readsLastToken) {
    exported.pad_token_id = await paddingToken(folder, config);
  }
  await writeTextAtomically(join(folder, "config.json"), stringifyObject(exported));
}

/** The source's config.json with our labels, class and `tiebreak` entry; all other fields stay. */
function exportedConfig(config: ModelConfig, entry: TiebreakEntry, dtype: FloatDtype): JsonObject {
  const { backbone, joint } = architectureOf(config).classes;
  // num_labels would contradict id2label, torch_dtype is the older name of dtype.
  const { num_labels: _labels, torch_dtype: _dtype, ...kept } = config.raw;
  return {
    ...kept,
    architectures: [entry.pairing === "joint" ? joint : backbone],
    dtype: torchDtypes[dtype],
    id2label: Object.fromEntries(outcomeLabels.map((label, id) => [id, label])),
    label2id: Object.fromEntries(outcomeLabels.map((label, id) => [label, id])),
    problem_type: "single_label_classification",
    tiebreak: entry,
  };
}

function checkClassifier(tensors: TensorSource[], config: ModelConfig, folder: string): void {
  const architecture = architectureOf(config);
  const wanted = architecture.joint.parameters(config).filter(({ name }) => isOutside(architecture, name));
  for (const { name, shape } of wanted) {
    const found = tensors.find((tensor) => tensor.name === name)?.shape;
    if (found?.join() !== shape.join()) {
      throw new ShapeError(
        `Cannot export ${folder}: ${name} is [${found?.join(", ") ?? "missing"}], must be [${shape.join(", ")}]`,
      );
    }
  }
}

/** Copies what there is of a tokenizer, and removes what there is not. */
export async function copyTokenizer(source: string, folder: string): Promise<void> {
  if (resolve(source) === resolve(folder)) return;
  for (const name of tokenizerFiles) {
    let bytes: Uint8Array;
    try {
      bytes = await Deno.readFile(join(source, name));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      await removeIfThere(join(folder, name));
      continue;
    }
    await writeAtomically(join(folder, name), (file) => writeFully(file, bytes));
  }
}

export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
