// `average`: the mean of the weights of several runs of one model, as a model folder.
import { resolve } from "node:path";
import { UsageError } from "../errors.ts";
import { averageModels } from "../model/average.ts";
import { text } from "../train/flags.ts";
import { parseCommand } from "./command.ts";
import { isFree } from "./out_folder.ts";
import { grouped } from "./progress.ts";

const description = {
  name: "average",
  summary: "Averages the weights of runs of one model that began alike, e.g. with other seeds or as the folds of a " +
    "cross-validation, into one model folder.",
  argument: ["<folders...>", "two run folders or more"] as [string, string],
  flags: {
    out: text({ group: "Average", value: "FOLDER", help: "where the model goes; made new" }),
  },
  examples: [
    ["deno task average runs/a runs/b --out runs/mean", "then: deno task evaluate --model runs/mean"],
  ] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { positional: folders, settings: { out } } = parsed;
  if (new Set(folders.map((folder) => resolve(folder))).size < 2) {
    throw new UsageError("Cannot average one run: name two different folders or more");
  }
  if (out === undefined) throw new UsageError("Cannot average without --out: name a folder for the model");
  if (!await isFree(out)) throw new UsageError(`Cannot write into ${out}: it holds something: name another --out`);
  await Deno.mkdir(out, { recursive: true });
  try {
    const numbers = await averageModels(folders, out);
    console.log(`${out}  mean of ${folders.length} runs, ${grouped(numbers)} numbers`);
  } catch (error) {
    // Nothing else is lost: the folder was empty.
    await Deno.remove(out, { recursive: true });
    throw error;
  }
}
