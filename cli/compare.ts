// `compare`: several runs side by side, as a table in the terminal and as plots in one HTML file.
import { UsageError } from "../errors.ts";
import { writeTextAtomically } from "../model/atomic_file.ts";
import { compareRuns, comparisonLines, comparisonReport } from "../report/run/comparison.ts";
import { readRunFolder } from "../report/run/read_run.ts";
import { text } from "../train/flags.ts";
import { parseCommand } from "./command.ts";
import { checkReplaceable } from "./out_file.ts";

const description = {
  name: "compare",
  summary:
    "Puts runs side by side: validation scores, losses, speed, and the settings that differ. Reads run.json and " +
    "metrics.jsonl of each folder; a run that still goes on is read as far as it has come.",
  argument: ["<runs...>", "run folders, two or more"] as [string, string],
  flags: {
    out: text({
      group: "Report",
      value: "FILE",
      help: "the plots; an earlier report is replaced",
      default: "compare.html",
    }),
  },
  examples: [["deno task compare runs/a runs/b", "a table here, and plots in compare.html"]] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { out } = parsed.settings;
  if (parsed.positional.length < 2) throw new UsageError("Cannot compare one run: name two run folders or more");
  await checkReplaceable(out, "--out");
  const runs = await Promise.all(parsed.positional.map(readRunFolder)), comparison = compareRuns(runs);
  for (const note of runs.flatMap(({ notes }) => notes)) console.error(`note  ${note}`);
  await writeTextAtomically(out, comparisonReport(comparison));
  for (const line of comparisonLines(comparison)) console.log(line);
  console.log(`\nplots  ${out}`);
}
