// Text files written line by line, which appear whole or not at all: beside their place, synced, then renamed into it.

/** Characters gathered before a write. */
const chunk = 1 << 16;

/** Writes `lines`, each of which ends as it wants to. After an error an earlier file at `path` stays as it was. */
export async function writeLines(path: string, lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
  const partial = `${path}.partial`;
  const file = await Deno.open(partial, { write: true, create: true, truncate: true });
  const encoder = new TextEncoder();
  const write = async (text: string) => {
    const bytes = encoder.encode(text);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  };
  try {
    let waiting = "";
    for await (const line of lines) {
      waiting += line;
      if (waiting.length < chunk) continue;
      await write(waiting);
      waiting = "";
    }
    await write(waiting);
    await file.sync();
  } catch (error) {
    file.close();
    await Deno.remove(partial).catch(() => {});
    throw error;
  }
  file.close();
  await Deno.rename(partial, path);
}
