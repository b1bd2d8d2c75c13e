// A model's folder before its weights are read: configuration, tokenizer and template, checked against each other.
import { type Template } from "../data/template.ts";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { InputError } from "../errors.ts";
import { type ModelConfig, readConfig } from "../model/config.ts";
import { architectureOf } from "../model/registry.ts";

export interface ModelFolder {
  config: ModelConfig;
  tokenizer: Tokenizer;
  template: Template;
}

/** @throws {InputError} if a file is missing or wrong, or the tokenizer is another model's */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  const config = await readConfig(folder);
  const { template } = architectureOf(config);
  const tokenizer = await loadTokenizer(folder);
  if (tokenizer.vocabSize > config.vocab_size) {
    throw new InputError(
      `Cannot use ${folder}: its tokenizer has ${tokenizer.vocabSize} ids, config.json's vocab_size is ${config.vocab_size}: use both from one folder`,
    );
  }
  return { config, tokenizer, template };
}
