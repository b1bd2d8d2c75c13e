// A model's folder before its weights are read: configuration, tokenizer and template, checked against each other.
import { join } from "node:path";
import { type Template } from "../data/template.ts";
import { loadTokenizer, type Tokenizer, tokenizerForms } from "../data/tokenizer.ts";
import { InputError } from "../errors.ts";
import { type ModelConfig, readConfig } from "../model/config.ts";
import { type AdapterConfig, readAdapterConfig } from "../model/adapter_config.ts";
import { findBase } from "../model/base_model.ts";
import { isFile } from "../model/model_files.ts";
import { architectureOf } from "../model/registry.ts";

export interface ModelFolder {
  config: ModelConfig;
  tokenizer: Tokenizer;
  /** The folder of the tokenizer's files. */
  tokenizerFolder: string;
  template: Template;
  /** The folder of the weights: the base's where the folder holds adapters. */
  base: string;
  /** What the folder holds beside the base. */
  adapter?: AdapterConfig;
}

/** @throws {InputError} if a file is missing or wrong, or the tokenizer is another model's */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  const adapter = await readAdapterConfig(folder);
  const base = adapter ? await findBase(adapter, { offline: true }) : folder;
  // What adapters made elsewhere lack is their base's.
  const holder = async (...names: string[]) => {
    const found = await Promise.all(names.map((name) => isFile(join(folder, name))));
    return !adapter || found.includes(true) ? folder : base;
  };
  const config = await readConfig(await holder("config.json"));
  const { template } = architectureOf(config);
  const tokenizerFolder = await holder(...tokenizerForms.map(([name]) => name));
  const tokenizer = await loadTokenizer(tokenizerFolder);
  if (tokenizer.vocabSize > config.vocab_size) {
    throw new InputError(
      `Cannot use ${folder}: its tokenizer has ${tokenizer.vocabSize} ids, config.json's vocab_size is ${config.vocab_size}: use both from one folder`,
    );
  }
  return { config, tokenizer, tokenizerFolder, template, base, ...(adapter && { adapter }) };
}
