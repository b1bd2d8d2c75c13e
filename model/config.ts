// config.json -> a checked configuration: the fields that all models have, and the architecture's own by the registry.
import { join } from "node:path";
import { InputError } from "../errors.ts";
import { type FamilyConfig } from "./architecture.ts";
import { ConfigFields } from "./config_fields.ts";
import { type JsonObject, parseObject } from "./json_text.ts";
import { findArchitecture, modelTypes } from "./registry.ts";
import { parseTiebreakEntry, type TiebreakEntry } from "./tiebreak_entry.ts";

/** What every family's configuration has beside its own fields. */
export interface CommonConfig {
  /** Labels of the classifier: Hugging Face's default is 2, whatever the checkpoint holds. */
  num_labels: number;
  id2label: Record<number, string>;
  /** What Tiebreak wrote about its own run; absent in models from elsewhere. */
  tiebreak?: TiebreakEntry;
  /** The whole config.json, for the export. */
  raw: JsonObject;
}

/** A checked configuration: what all families have; each family's own fields are read by its architecture. */
export type ModelConfig = FamilyConfig & CommonConfig;

/** Far above any classifier, far below what memory holds. */
const maxLabels = 1_000_000;

/** Reads and checks `config.json` of a model's folder. @throws {InputError} with the field */
export async function readConfig(folder: string): Promise<ModelConfig> {
  const path = join(folder, "config.json");
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new InputError(`Cannot open ${path}: there is no such file: name a folder in Hugging Face layout`);
  }
  return parseConfig(text, path);
}

/** Checks the text of a `config.json`. @param path for messages */
export function parseConfig(text: string, path: string): ModelConfig {
  const raw = parseObject(text, `Cannot read ${path}`, "get the file again");
  const fields = new ConfigFields(path, raw);
  const architecture = findArchitecture(fields.get("model_type"));
  if (!architecture) {
    throw fields.refuse("model_type", `must be one of ${modelTypes.join(", ")}`, "use another model");
  }
  const family = architecture.parse(fields);
  const id2label = parseLabels(fields);
  const tiebreak = parseTiebreakEntry(fields);
  return { ...family, num_labels: Object.keys(id2label).length, id2label, ...(tiebreak && { tiebreak }), raw };
}

/** As PretrainedConfig: id2label wins, else num_labels, else two labels. */
function parseLabels(fields: ConfigFields): Record<number, string> {
  const labels = fields.get("id2label");
  if (labels === undefined) {
    const count = fields.count("num_labels", 2);
    if (count > maxLabels) throw fields.refuse("num_labels", `must be at most ${maxLabels}`);
    return Object.fromEntries(Array.from({ length: count }, (_, id) => [id, `LABEL_${id}`]));
  }
  const names = typeof labels === "object" ? Object.entries(labels as JsonObject) : [];
  const isSound = !Array.isArray(labels) && names.length > 0 &&
    names.every(([id, name]) => /^\d+$/.test(id) && Number(id) < names.length && typeof name === "string");
  if (!isSound) throw fields.refuse("id2label", "must name each label from 0 on");
  if (fields.has("num_labels") && fields.get("num_labels") !== names.length) {
    throw fields.refuse("num_labels", `but id2label names ${names.length}`);
  }
  return Object.fromEntries(names.map(([id, name]) => [Number(id), name as string]));
}
