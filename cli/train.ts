// `train`: the user's words -> a run; says what runs, how it goes and what came of it.
import { prepareRun } from "../train/prepare_run.ts";
import { trainFlags } from "../train/train_flags.ts";
import { parseCommand } from "./command.ts";
import { findModel } from "./model_source.ts";
import { printResults } from "./train_results.ts";
import { runPrepared } from "./train_run.ts";

const description = {
  name: "train",
  summary: "Fine-tunes a pretrained language model to predict which of two answers a person prefers.",
  flags: trainFlags,
  examples: [
    ["deno task train", "MiniLM on the built-in sample, into runs/"],
    ["deno task train --data train.csv --out runs/first", "on Kaggle's file, a tenth of its prompts held out"],
    ["deno task train --out runs/first --resume", "go on after a stop"],
    ["deno task train --data train.csv --method head --out runs/head", "only the head: fast, and less good"],
  ] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const onNotice = (line: string) => console.error(line);
  const prepared = await prepareRun({ flags: parsed.settings, given: parsed.given, findModel, onNotice });
  try {
    const { out, data, created } = prepared;
    const result = await runPrepared(prepared);
    if (result.outcome === "stopped") {
      throw new Error(
        `Stopped after step ${result.progress.step} of ${result.totalSteps}: go on with deno task train --out ${out} --resume`,
      );
    }
    await printResults({ out, data, result, engine: created.engine });
  } finally {
    prepared.dispose();
  }
}
