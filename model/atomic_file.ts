// Files that appear whole or not at all: written beside their place, synced, then renamed into it.
import { dirname } from "node:path";

/**
 * Writes `path` through `write`; after an error, or when killed, an earlier file at `path` stays as it was.
 * @param partial another name where several writers may meet; the usual one leaves no second copy after a kill
 */
export async function writeAtomically(
  path: string,
  write: (file: Deno.FsFile) => Promise<void>,
  partial = `${path}.partial`,
): Promise<void> {
  const file = await Deno.open(partial, { write: true, create: true, truncate: true });
  try {
    await write(file);
    await file.sync();
  } catch (error) {
    file.close();
    await Deno.remove(partial).catch(() => {});
    throw error;
  }
  file.close();
  await Deno.rename(partial, path);
  await syncFolder(dirname(path));
}

/** `writeAtomically` for a text that stands in memory. */
export function writeTextAtomically(path: string, text: string, partial?: string): Promise<void> {
  return writeAtomically(path, (file) => writeFully(file, new TextEncoder().encode(text)), partial);
}

/** Writes all of `bytes`; one call of `FsFile.write` may write less. */
export async function writeFully(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** Makes renames in a folder last through a power cut; systems that cannot sync folders (Windows) go without. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    using handle = await Deno.open(folder, { read: true });
    await handle.sync();
  } catch {
    // The rename itself is atomic; only its survival of a power cut is not guaranteed here.
  }
}
