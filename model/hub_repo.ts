// A model on the Hub: its commit, its listing with hashes, and the fetching of what we need of it into the shared cache.
import { InputError } from "../errors.ts";
import { parseConfig } from "./config.ts";
import { blobPath, isCommit, publishSnapshot } from "./hub_cache.ts";
import { downloadVerified, hasHash, type RemoteFile } from "./hub_download.ts";
import { hubApiFetch, HubError, hubFetch, ModelRefusedError, reasonOf } from "./hub_fetch.ts";
import { isFile, missingSmallFiles, smallFiles } from "./model_files.ts";
import { isIndex, parseIndex, weightsEntries, weightsFile } from "./weights.ts";

/** How far a download is; `total` grows once, when an index names its shards. */
export interface DownloadProgress {
  file: string;
  /** Of all files together. */
  bytes: number;
  total: number;
}

export interface HubRequest {
  id: string;
  revision: string;
  /** Folder of the shared cache. */
  cache: string;
  endpoint: string;
  token?: string;
  onProgress?: (progress: DownloadProgress) => void;
  /** Longest wait for an answer of the API, so that a missing network is noticed soon. @default {6000} */
  answerMs?: number;
  /** Longest wait for a file to begin, and for its next bytes. @default {30000} */
  stallMs?: number;
  retryMs?: number;
}

/** Fetches config, weights and tokenizer of one commit. @returns the snapshot's folder @throws {HubError} @throws {InputError} */
export async function fetchFromHub(request: HubRequest): Promise<string> {
  const { id, revision, cache } = request;
  const { commit, files } = await listRepo(request);
  const wanted = new Map<string, RemoteFile>();
  const counts = new Map<string, number>();
  const get = (name: string): Promise<string> =>
    fetchBlob(request, { commit, name, file: wanted.get(name)! }, (bytes) => {
      counts.set(name, bytes);
      request.onProgress?.({
        file: name,
        bytes: sum(counts.values()),
        total: sum([...wanted.values()].map((file) => file.bytes)),
      });
    });
  const want = (name: string): void => {
    const file = files.get(name);
    if (!file) throw new InputError(`Cannot load ${id}: ${name} is not on the Hub: ${adviceFor(name)}`);
    wanted.set(name, file);
  };
  missingSmallFiles((name) => files.has(name)).forEach(want);
  smallFiles.filter((name) => files.has(name)).forEach(want);
  const entry = weightsEntries.find((name) => files.has(name)) ?? weightsFile;
  want(entry);
  // A model that we cannot compute is refused before its weights are fetched.
  parseConfig(await Deno.readTextFile(await get("config.json")), `${id}/config.json`);
  if (isIndex(entry)) {
    const shards = parseIndex(await Deno.readTextFile(await get(entry)), `${id}/${entry}`);
    new Set(shards.values()).forEach(want);
  }
  for (const name of wanted.keys()) if (!counts.has(name)) await get(name);
  const blobs = new Map([...wanted].map(([name, file]) => [name, file.hash]));
  return await publishSnapshot(cache, id, { commit, revision, blobs });
}

/** The text of config.json alone. @throws {HubError} @throws {InputError} */
export async function fetchConfig(request: HubRequest): Promise<string> {
  const name = "config.json";
  const { commit, files } = await listRepo(request), file = files.get(name);
  if (!file) throw new InputError(`Cannot load ${request.id}: ${name} is not on the Hub: ${adviceFor(name)}`);
  return await Deno.readTextFile(await fetchBlob(request, { commit, name, file }, () => {}));
}

/** A file in the cache, fetched if it is not there. @throws {InputError} if what is there is not the Hub's */
async function fetchBlob(
  { id, cache, endpoint, token, stallMs = 30_000, retryMs }: HubRequest,
  { commit, name, file }: { commit: string; name: string; file: RemoteFile },
  onBytes: (bytes: number) => void,
): Promise<string> {
  const blob = blobPath(cache, id, file.hash);
  if (await isFile(blob)) {
    if (!await hasHash(blob, file)) {
      throw new InputError(`Cannot use ${blob}: its bytes are not those of ${name} on the Hub: delete it`);
    }
    onBytes(file.bytes);
    return blob;
  }
  const fetch = hubFetch({ endpoint, token, answerMs: stallMs });
  await downloadVerified(`${endpoint}/${id}/resolve/${commit}/${name}`, file, blob, {
    fetch,
    onBytes,
    stallMs,
    retryMs,
  });
  return blob;
}

/** The commit behind the revision, and the files at the top of the repository. */
async function listRepo(request: HubRequest): Promise<{ commit: string; files: Map<string, RemoteFile> }> {
  const { id, revision, endpoint, token, answerMs = 6000 } = request;
  // Imported here: a local folder needs none of it.
  const { HubApiError, listFiles, modelInfo } = await import("@huggingface/hub");
  // The library is given no token: our fetch adds it, and only where it belongs.
  const options = { hubUrl: endpoint, fetch: hubApiFetch({ endpoint, token, answerMs }) };
  const host = new URL(endpoint).host;
  try {
    const { sha } = await modelInfo({ name: id, revision, additionalFields: ["sha"], ...options });
    if (typeof sha !== "string" || !isCommit(sha)) throw new HubError(`${host} names no commit for ${id}`);
    const files = new Map<string, RemoteFile>();
    for await (const entry of listFiles({ repo: id, revision: sha, ...options })) {
      const file = entry.type === "file" ? describe(entry) : undefined;
      if (file) files.set(file.path, file);
    }
    return { commit: sha, files };
  } catch (error) {
    if (error instanceof HubError || error instanceof InputError) throw error;
    if (!(error instanceof HubApiError)) throw new HubError(`${host} gives no sound answer (${reasonOf(error)})`);
    const status = error.statusCode;
    if (status === 401 || status === 403 || status === 404) {
      const hint = token
        ? "check the name, and that your token may read it"
        : "check the name, or set HF_TOKEN if it is private or gated";
      throw new ModelRefusedError(`${host} answers ${status} for ${id} at ${revision}: ${hint}`);
    }
    throw new HubError(`${host} answers ${status}`);
  }
}

/** A listed file with a hash that can be checked; others are left out, and missed by name where they are needed. */
function describe(
  entry: { path: string; size: number; oid?: string; lfs?: { oid: string; size: number } },
): RemoteFile | undefined {
  const bytes = entry.lfs?.size ?? entry.size, hash = entry.lfs?.oid ?? entry.oid;
  const algorithm = entry.lfs ? "sha256" : "git";
  if (!Number.isSafeInteger(bytes) || bytes < 0 || typeof hash !== "string") return undefined;
  if (!(algorithm === "sha256" ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hash)) return undefined;
  return { path: entry.path, bytes, algorithm, hash };
}

function adviceFor(name: string): string {
  return name === weightsFile
    ? "use a model that is published as safetensors or pytorch_model.bin"
    : `use a model that has it, or save a folder with transformers' save_pretrained`;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
