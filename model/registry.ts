// The one registry of architectures: model_type of config.json -> what reads, records and exports the family.
// docs/new_architecture.md shows how to add one.
import { ShapeError } from "../errors.ts";
import { type Architecture } from "./architecture.ts";
import { bertArchitecture } from "./bert.ts";
import { debertaV2Architecture } from "./deberta_v2.ts";
import { llamaArchitecture } from "./llama.ts";
import { modernBertArchitecture } from "./modernbert.ts";
import { robertaArchitecture } from "./roberta.ts";

const architectures: ReadonlyMap<string, Architecture> = new Map([
  ["bert", bertArchitecture],
  ["roberta", robertaArchitecture("roberta", "Roberta")],
  ["xlm-roberta", robertaArchitecture("xlm-roberta", "XLMRoberta")],
  ["modernbert", modernBertArchitecture],
  ["deberta-v2", debertaV2Architecture],
  ["llama", llamaArchitecture("llama", "Llama")],
  ["mistral", llamaArchitecture("mistral", "Mistral")],
  ["qwen2", llamaArchitecture("qwen2", "Qwen2")],
  ["qwen3", llamaArchitecture("qwen3", "Qwen3")],
  ["gemma2", llamaArchitecture("gemma2", "Gemma2")],
  ["gemma3_text", llamaArchitecture("gemma3_text", "Gemma3Text")],
]);

/** Every supported model_type. */
export const modelTypes: readonly string[] = [...architectures.keys()];

/** The architecture of a model_type as it stands in a file; undefined where it is not supported. */
export function findArchitecture(modelType: unknown): Architecture | undefined {
  return typeof modelType === "string" ? architectures.get(modelType) : undefined;
}

/** The architecture of a checked configuration. @throws {ShapeError} if nobody could have parsed it */
export function architectureOf({ model_type }: { model_type: string }): Architecture {
  const architecture = architectures.get(model_type);
  if (!architecture) {
    throw new ShapeError(`Cannot use a model of type "${model_type}": no architecture is known for it`);
  }
  return architecture;
}
