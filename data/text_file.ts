// Text files written line by line, which appear whole or not at all.
import { writeAtomically, writeFully } from "../model/atomic_file.ts";

/** Characters gathered before a write. */
const chunk = 1 << 16;

/** Writes `lines`, each of which ends as it wants to. After an error an earlier file at `path` stays as it was. */
export async function writeLines(path: string, lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
  const encoder = new TextEncoder();
  await writeAtomically(path, async (file) => {
    let waiting = "";
    for await (const line of lines) {
      waiting += line;
      if (waiting.length < chunk) continue;
      await writeFully(file, encoder.encode(waiting));
      waiting = "";
    }
    await writeFully(file, encoder.encode(waiting));
  });
}
