// The files that tasks write, looked at before the work begins, which may take hours. A report replaces an earlier report; other
// files are replaced where --force says so.
import { dirname } from "node:path";
import { UsageError } from "../errors.ts";
import { generator } from "../report/page.ts";

/** @param flag that names the file, for messages
 *  @throws {UsageError} if `path` holds something else than a report, or there is no folder to hold it */
export async function checkReplaceable(path: string, flag: string): Promise<void> {
  let beginning: string;
  try {
    using file = await Deno.open(path, { read: true });
    const bytes = new Uint8Array(2000);
    const length = await file.read(bytes) ?? 0;
    beginning = new TextDecoder().decode(bytes.subarray(0, length));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      await checkFolder(path, flag);
      return await checkBeside(path, flag);
    }
    if (error instanceof Deno.errors.IsADirectory) {
      throw new UsageError(`Cannot write ${path}: it is a folder: name a file with ${flag}`);
    }
    throw error;
  }
  if (!beginning.includes(generator)) {
    throw new UsageError(`Cannot write ${path}: it exists and is no report: name another ${flag}`);
  }
  await checkBeside(path, flag);
}

/** @param flag that names the file, for messages
 *  @throws {UsageError} if `path` is there and not to be replaced, is a folder, or there is no folder to hold it */
export async function checkWritable(path: string, flag: string, { force }: { force: boolean }): Promise<void> {
  const found = await statOf(path);
  if (found?.isDirectory) throw new UsageError(`Cannot write ${path}: it is a folder: name a file with ${flag}`);
  // Writing ends with a rename, which would put a file in the place of a device.
  if (found && !found.isFile) throw new UsageError(`Cannot write ${path}: it is no plain file: name one with ${flag}`);
  if (found && !force) throw new UsageError(`Cannot write ${path}: it exists: add --force, or name another ${flag}`);
  if (!found) await checkFolder(path, flag);
  await checkBeside(path, flag);
}

/** Writes as the file will be written: beside its place. */
async function checkBeside(path: string, flag: string): Promise<void> {
  const partial = `${path}.partial`;
  try {
    (await Deno.open(partial, { write: true, create: true })).close();
    await Deno.remove(partial);
  } catch (error) {
    throw new UsageError(`Cannot write ${path}: ${(error as Error).message}: name another ${flag}`);
  }
}

async function checkFolder(path: string, flag: string): Promise<void> {
  if ((await statOf(dirname(path)))?.isDirectory) return;
  throw new UsageError(`Cannot write ${path}: there is no folder ${dirname(path)}: make it, or name another ${flag}`);
}

/** Undefined where there is nothing. */
async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}
