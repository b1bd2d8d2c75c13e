// Which files make a model's folder, and whether all of them are there.
import { join } from "node:path";
import { tokenizerForms } from "../data/tokenizer.ts";
import { InputError } from "../errors.ts";
import { adapterConfigFile, adapterFile } from "./adapter_config.ts";
import { tokenizerFiles } from "./export.ts";
import { isIndex, parseIndex, weightsEntries, weightsFile } from "./weights.ts";

/** Fetched where the Hub has them; of these, config.json and the files of one form of tokenizer must be there. */
export const smallFiles = ["config.json", ...tokenizerFiles] as const;

/** What is missing of config.json and a tokenizer: tokenizer.json's name stands for any of its forms. */
export function missingSmallFiles(has: (name: string) => boolean): string[] {
  const hasTokenizer = tokenizerForms.some((names) => names.every(has));
  return [...(has("config.json") ? [] : ["config.json"]), ...(hasTokenizer ? [] : ["tokenizer.json"])];
}

/** What a model's folder lacks, shards of its index included; empty when it is whole. Links are followed. Adapters have what
 *  else they need in the folder of their base. */
export async function missingFiles(folder: string): Promise<string[]> {
  if (await isFile(join(folder, adapterConfigFile))) {
    return await isFile(join(folder, adapterFile)) ? [] : [adapterFile];
  }
  const found = new Set<string>();
  for (const name of smallFiles) if (await isFile(join(folder, name))) found.add(name);
  const missing = missingSmallFiles((name) => found.has(name));
  let entry: string | undefined;
  for (const name of weightsEntries) if (entry === undefined && await isFile(join(folder, name))) entry = name;
  if (entry === undefined) return [...missing, weightsFile];
  if (!isIndex(entry)) return missing;
  const index = join(folder, entry);
  const shards = new Set(parseIndex(await Deno.readTextFile(index), index).values());
  for (const shard of shards) if (!await isFile(join(folder, shard))) missing.push(shard);
  return missing;
}

/** Refuses a folder that is no whole model. */
export async function checkModelFolder(folder: string): Promise<void> {
  const missing = await missingFiles(folder);
  if (missing.length === 0) return;
  const advice = missing.includes("config.json")
    ? await isFile(join(folder, "run.json"))
      ? `its run has not ended: go on with deno task train --out ${folder} --resume`
      : "name the folder of a model or of a run"
    : missing.includes(weightsFile)
    ? "save the model with transformers' save_pretrained"
    : missing.includes(adapterFile)
    ? "save the adapters with PEFT's save_pretrained, as safetensors"
    : "name a whole model folder";
  throw new InputError(
    `Cannot load the model in ${folder}: ${missing.join(" and ")} ${
      missing.length > 1 ? "are" : "is"
    } missing: ${advice}`,
  );
}

export async function isFolder(path: string): Promise<boolean> {
  return await Deno.stat(path).then(({ isDirectory }) => isDirectory, () => false);
}

export async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}
