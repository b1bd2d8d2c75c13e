// The file a report goes to: an earlier report may be replaced, nothing else.
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
    if (error instanceof Deno.errors.NotFound) return await checkFolder(path, flag);
    if (error instanceof Deno.errors.NotADirectory) return await checkFolder(path, flag);
    if (error instanceof Deno.errors.IsADirectory) {
      throw new UsageError(`Cannot write ${path}: it is a folder: name a file with ${flag}`);
    }
    throw error;
  }
  if (!beginning.includes(generator)) {
    throw new UsageError(`Cannot write ${path}: it exists and is no report: name another ${flag}`);
  }
}

async function checkFolder(path: string, flag: string): Promise<void> {
  try {
    if ((await Deno.stat(dirname(path))).isDirectory) return;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
  }
  throw new UsageError(`Cannot write ${path}: there is no folder ${dirname(path)}: make it, or name another ${flag}`);
}
