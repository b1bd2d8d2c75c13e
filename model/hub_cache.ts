// The layout of Hugging Face's shared cache, so that a model fetched here is found there and the other way round:
//   models--ORG--NAME/blobs/HASH              a file's bytes under the hash that the Hub gives
//   models--ORG--NAME/snapshots/COMMIT/FILE   a relative link to its blob
//   models--ORG--NAME/refs/REVISION           the commit that a branch or tag stood for when it was fetched
// @huggingface/hub's own downloadFileToCacheDir is not used: it spreads one model's files over the snapshots of each
// file's last commit, and takes whatever arrives for whole.
import { dirname, join } from "node:path";
import { InputError, UsageError } from "../errors.ts";
import { writeTextAtomically } from "./atomic_file.ts";
import { isFile, missingFiles } from "./model_files.ts";

const commitPattern = /^[0-9a-f]{40}$/;

/** Whether `name` can be a model of the Hub: `name` or `org/name`, nothing that could lead out of a folder. */
export function isModelId(name: string): boolean {
  const parts = name.split("/");
  return parts.length <= 2 && name.length <= 96 &&
    parts.every((part) => /^\w([\w.-]*\w)?$/.test(part) && !part.includes("--") && !part.includes(".."));
}

/** Refuses a revision that is no branch, tag, pull request or commit. */
export function checkRevision(revision: string): void {
  const isSound = revision.length <= 200 &&
    revision.split("/").every((part) => /^\w[\w.-]*$/.test(part) && !part.includes(".."));
  if (!isSound) {
    throw new UsageError(`Cannot use revision ${JSON.stringify(revision)}: name a branch, a tag or a commit`);
  }
}

export function isCommit(text: string): boolean {
  return commitPattern.test(text);
}

/** One model's folder inside the cache. */
function modelFolder(cache: string, id: string): string {
  return join(cache, `models--${id.replace("/", "--")}`);
}

/** The snapshot of a revision, and what it lacks; undefined where the cache does not know the revision. */
export async function findSnapshot(
  cache: string,
  id: string,
  revision: string,
): Promise<{ folder: string; missing: string[] } | undefined> {
  const model = modelFolder(cache, id);
  const commit = isCommit(revision) ? revision : await readRef(join(model, "refs", revision));
  if (commit === undefined) return undefined;
  const folder = join(model, "snapshots", commit);
  try {
    if (!(await Deno.stat(folder)).isDirectory) return undefined;
  } catch {
    return undefined;
  }
  return { folder, missing: await missingFiles(folder) };
}

async function readRef(path: string): Promise<string | undefined> {
  if (!await isFile(path)) return undefined;
  const commit = (await Deno.readTextFile(path)).trim();
  // Whatever stands in a ref becomes part of a path.
  if (!isCommit(commit)) throw new InputError(`Cannot read ${path}: it holds no commit: delete it`);
  return commit;
}

/** Where a file's bytes lie under `hash`, which must be the hex digits of a SHA-1 or SHA-256. */
export function blobPath(cache: string, id: string, hash: string): string {
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) {
    throw new InputError(`Cannot cache ${id}: "${hash}" is no hash: try again`);
  }
  return join(modelFolder(cache, id), "blobs", hash);
}

/** Links whole blobs into a snapshot and then names it, so that a snapshot with a name is a whole one. */
export async function publishSnapshot(
  cache: string,
  id: string,
  { commit, revision, blobs }: { commit: string; revision: string; blobs: Map<string, string> },
): Promise<string> {
  const model = modelFolder(cache, id), folder = join(model, "snapshots", commit);
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, hash] of blobs) {
    const path = join(folder, name);
    if (!await isFile(path)) await linkBlob(hash, blobPath(cache, id, hash), path);
  }
  if (!isCommit(revision)) {
    const ref = join(model, "refs", revision);
    await Deno.mkdir(dirname(ref), { recursive: true });
    await writeTextAtomically(ref, commit, uniquePartial(ref));
  }
  return folder;
}

async function linkBlob(hash: string, blob: string, path: string): Promise<void> {
  const partial = uniquePartial(path);
  try {
    await Deno.symlink(join("..", "..", "blobs", hash), partial);
  } catch {
    // Windows grants links only to some users, and Hugging Face's libraries copy there too.
    await Deno.copyFile(blob, partial);
  }
  await Deno.rename(partial, path);
}

/** Two runs may publish the same snapshot at the same time. */
function uniquePartial(path: string): string {
  return `${path}.${crypto.randomUUID()}.partial`;
}
