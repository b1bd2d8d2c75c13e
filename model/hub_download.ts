// One file from a hub to disk: streamed into HASH.partial, resumed where it broke off, hashed, and only then renamed.
import { createHash, type Hash } from "node:crypto";
import { dirname } from "node:path";
import { writeFully } from "./atomic_file.ts";
import { HubError, ModelRefusedError, reasonOf, within } from "./hub_fetch.ts";
import { isFile } from "./model_files.ts";

/** A file as the Hub's listing describes it. */
export interface RemoteFile {
  path: string;
  bytes: number;
  /** `sha256` of files in large-file storage, else the hash that git gives a blob. */
  algorithm: "sha256" | "git";
  /** Hex digits. */
  hash: string;
}

export interface DownloadOptions {
  fetch: typeof fetch;
  /** Called with the bytes of this file that have arrived. */
  onBytes?: (bytes: number) => void;
  /** Longest silence within a body. @default {30000} */
  stallMs?: number;
  /** Tries before giving up, each going on where the last one ended. @default {4} */
  attempts?: number;
  /** Wait before the second try, doubled for each further one. @default {500} */
  retryMs?: number;
}

/** Fetches `url` into `target`, which afterwards exists and has the promised hash. @throws {HubError} */
export async function downloadVerified(
  url: string,
  file: RemoteFile,
  target: string,
  options: DownloadOptions,
): Promise<void> {
  await Deno.mkdir(dirname(target), { recursive: true });
  const partial = `${target}.partial`;
  const handle = await Deno.open(partial, { read: true, write: true, create: true });
  try {
    // A second run that wants the same file waits here, then finds it.
    await handle.lock(true);
    if (await isFile(target)) {
      await Deno.remove(partial).catch(() => {});
      options.onBytes?.(file.bytes);
      return;
    }
    await fillWithRetries(handle, url, file, options);
    await handle.sync();
  } finally {
    handle.close();
  }
  try {
    await Deno.rename(partial, target);
  } catch (error) {
    if (!await isFile(target)) throw error;
  }
}

/** Whether the bytes at `path` have the promised hash. */
export async function hasHash(path: string, file: Pick<RemoteFile, "bytes" | "algorithm" | "hash">): Promise<boolean> {
  using handle = await Deno.open(path, { read: true });
  if ((await handle.stat()).size !== file.bytes) return false;
  return (await hashOf(handle, file)).digest("hex") === file.hash;
}

async function fillWithRetries(
  handle: Deno.FsFile,
  url: string,
  file: RemoteFile,
  options: DownloadOptions,
): Promise<void> {
  const { attempts = 4, retryMs = 500 } = options;
  for (let attempt = 1;; attempt++) {
    const wasResumed = (await handle.stat()).size > 0;
    try {
      const found = await fill(handle, url, file, options);
      if (found === file.hash) return;
      // Never go on from bytes that proved wrong.
      await handle.truncate(0);
      throw new WrongHashError(
        `${file.path} has hash ${found}, must be ${file.hash}: the transfer was damaged or altered`,
      );
    } catch (error) {
      const isFinal = error instanceof ModelRefusedError || (error instanceof WrongHashError && !wasResumed);
      if (isFinal || attempt >= attempts) throw error;
      await new Promise((resolve) => setTimeout(resolve, retryMs * 2 ** (attempt - 1)));
    }
  }
}

/** All bytes arrived and are not the promised ones. */
class WrongHashError extends HubError {}

/** Brings the partial file to its full length and gives its hash. */
async function fill(handle: Deno.FsFile, url: string, file: RemoteFile, options: DownloadOptions): Promise<string> {
  let have = (await handle.stat()).size;
  if (have > file.bytes) {
    await handle.truncate(0);
    have = 0;
  }
  let hash = await hashOf(handle, file);
  if (have === file.bytes) return hash.digest("hex");
  const range = have > 0 ? { range: `bytes=${have}-` } : undefined;
  // Not compressed: ranges and lengths are meant in the file's own bytes.
  const response = await options.fetch(url, { headers: { "accept-encoding": "identity", ...range } });
  const isTail = response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${have}-`);
  if (!isTail && response.status !== 200) {
    await response.body?.cancel();
    // What we have is no beginning of what the server has: the next try starts over.
    if (response.status === 206 || response.status === 416) await handle.truncate(0);
    throw refusal(response.status, `${new URL(url).host} answers ${response.status} for ${file.path}`);
  }
  if (!isTail) {
    // The server gives the whole file, asked for its tail or not.
    await handle.truncate(0);
    have = 0;
    hash = newHash(file);
  }
  await handle.seek(have, Deno.SeekMode.Start);
  const reader = response.body!.getReader();
  try {
    for (;;) {
      const { done, value } = await within(options.stallMs ?? 30_000, reader.read(), () => new URL(url).host);
      if (done) break;
      if (have + value.length > file.bytes) {
        await handle.truncate(0);
        throw new HubError(`${file.path} is longer than the ${file.bytes} bytes that the Hub lists`);
      }
      await writeFully(handle, value);
      hash.update(value);
      have += value.length;
      options.onBytes?.(have);
    }
  } catch (error) {
    await reader.cancel().catch(() => {});
    throw error instanceof HubError
      ? error
      : new HubError(`the transfer of ${file.path} broke off (${reasonOf(error)})`);
  }
  if (have < file.bytes) throw new HubError(`the transfer of ${file.path} ended after ${have} of ${file.bytes} bytes`);
  return hash.digest("hex");
}

function refusal(status: number, what: string): HubError {
  if (status === 401 || status === 403) {
    return new ModelRefusedError(`${what}: set HF_TOKEN to a token that may read it`);
  }
  return [404, 410].includes(status) ? new ModelRefusedError(what) : new HubError(what);
}

/** The running hash of all bytes in the file so far. */
async function hashOf(handle: Deno.FsFile, file: Pick<RemoteFile, "bytes" | "algorithm">): Promise<Hash> {
  const hash = newHash(file), chunk = new Uint8Array(1 << 20);
  await handle.seek(0, Deno.SeekMode.Start);
  for (let count = await handle.read(chunk); count !== null; count = await handle.read(chunk)) {
    hash.update(chunk.subarray(0, count));
  }
  return hash;
}

function newHash({ algorithm, bytes }: Pick<RemoteFile, "bytes" | "algorithm">): Hash {
  return algorithm === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${bytes}\0`);
}
