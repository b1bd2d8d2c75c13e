// The child's half of a comparison: prepares cases and times single runs as the parent asks, one line of JSON each way.
//   {"prepare":"block","size":{...}} -> {"ready":0}       the case's number; it has run once, which compiles
//   {"run":0}                        -> {"ms":123.4}      one run and the reading of all its results
//   whatever fails                   -> {"failed":"..."}
import { createInterface } from "node:readline";
import process from "node:process";

/** One run of a prepared case: awaited until its results are in the processor's memory, so that no work can be skipped. */
export type Run = () => Promise<void>;

export type Size = Readonly<Record<string, number>>;

/** How each case is prepared. */
export type Cases = Readonly<Record<string, (size: Size, file?: string) => Promise<Run>>>;

/** Answers until the parent closes. What a library prints goes to stderr. */
export async function serve(cases: Cases): Promise<void> {
  console.log = console.info = console.error;
  const answer = (value: unknown) => process.stdout.write(JSON.stringify(value) + "\n");
  const runs: Run[] = [];
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      const { prepare, size, file, run } = JSON.parse(line);
      if (prepare !== undefined) {
        if (!cases[prepare]) throw new Error(`there is no case ${prepare}`);
        const prepared = await cases[prepare](size, file);
        await prepared();
        answer({ ready: runs.push(prepared) - 1 });
        continue;
      }
      const start = performance.now();
      await runs[run]();
      answer({ ms: performance.now() - start });
    } catch (error) {
      answer({ failed: String(error instanceof Error ? error.message : error).split("\n")[0] });
    }
  }
}

/** Normal numbers; the same for the same seed. */
export function normal(count: number, seed: number, scale = 1): Float32Array<ArrayBuffer> {
  let state = seed * 2654435761 >>> 0 || 1;
  const uniform = () => {
    state ^= state << 13, state ^= state >>> 17, state ^= state << 5;
    return (state >>> 0) / 2 ** 32 + 2 ** -33;
  };
  return Float32Array.from(
    { length: count },
    () => scale * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}
