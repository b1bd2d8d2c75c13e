// Small files of battles, written by hand, for the tests of `explore`.
import { inFolder } from "../cli/command_line.ts";
import { collect, type CollectOptions, type Findings } from "../../report/explore/collect.ts";

/** A row: texts are arrays of turns, or cells as they stand. */
export interface HandRow {
  a?: string;
  b?: string;
  prompt: unknown[] | string;
  responseA: unknown[] | string;
  responseB: unknown[] | string;
  /** 0 A wins, 1 B wins, 2 tie. */
  label?: number;
}

const header = "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie";

/** The file's text; ids are 1, 2, ... */
export function csv(rows: readonly HandRow[]): string {
  const cell = (value: unknown[] | string) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `"${text.replaceAll('"', '""')}"`;
  };
  const lines = rows.map(({ a = "", b = "", prompt, responseA, responseB, label }, index) =>
    [index + 1, cell(a), cell(b), cell(prompt), cell(responseA), cell(responseB)].join(",") + "," +
    [0, 1, 2].map((outcome) => label === undefined ? "" : Number(outcome === label)).join(",")
  );
  return [header, ...lines].join("\n") + "\n";
}

/** What `collect` finds in a file of these rows. */
export async function findingsOf(rows: readonly HandRow[], options: Partial<CollectOptions> = {}): Promise<Findings> {
  let findings: Findings | undefined;
  await inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/battles.csv`, csv(rows));
    findings = await collect(`${folder}/battles.csv`, { tokenSample: 100, seed: 1, ...options });
  });
  return findings!;
}
