// The base of an adapter folder: found by base_model_name_or_path, as PEFT finds it.
import { isAbsolute, join } from "node:path";
import { InputError } from "../errors.ts";
import { isFolder } from "./model_files.ts";
import { type AdapterConfig, readAdapterConfig } from "./adapter_config.ts";
import { resolveModel, type ResolveOptions } from "./hub.ts";

/** The folder of the base's weights. A path that is not absolute counts from here, else from the adapter's folder.
 *  @throws {InputError} if there is none, or it holds adapters itself */
export async function findBase(adapter: AdapterConfig, options: ResolveOptions = {}): Promise<string> {
  const { folder, base, revision } = adapter;
  const beside = join(folder, base);
  const name = !isAbsolute(base) && !await isFolder(base) && await isFolder(beside) ? beside : base;
  let found: string;
  try {
    found = await resolveModel(name, { ...options, revision });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(`Cannot find the base of the adapters in ${folder}: ${error.message}`);
  }
  if (await readAdapterConfig(found)) {
    throw new InputError(
      `Cannot load ${folder}: its base ${base} holds adapters itself: merge them with deno task merge`,
    );
  }
  return found;
}
