// The page of results: what `bench --write` makes of a run, so that no figure is typed by hand.
import { goalLines } from "./goals.ts";
import { bySection, factLines, legend, markdownTable, type RunFacts } from "./report.ts";
import { type Row } from "./row.ts";

/** Markdown: circumstances, goals, one table a section. */
export function resultsPage(rows: readonly Row[], facts: RunFacts): string {
  const list = (lines: readonly string[]) => lines.map((line) => `- ${line}`).join("\n");
  const goals = goalLines(rows);
  return [
    "# Results",
    "Written by `deno task bench --write docs/results.md`; figures of one machine, never to be compared with another's: " +
    "the shares are. Log losses on people's battles stand in docs/preferences.md.",
    list(factLines(facts)),
    ...(goals.length > 0 ? ["## Goals", list(goals)] : []),
    "## How to read it",
    list(legend),
    ...bySection(rows).map(([title, part]) => markdownTable(title, part)),
  ].join("\n\n") + "\n";
}
