// `train`: the user's words -> settings, data, engine; the loop does the rest; prints what came of it.
import { UsageError } from "../errors.ts";
import { trainFlags } from "../train/settings.ts";
import { parseCommand } from "./command.ts";

const description = {
  name: "train",
  summary: "Fine-tunes a pretrained language model to predict which of two answers a person prefers.",
  flags: trainFlags,
  examples: [
    ["deno task train", "MiniLM on the built-in sample, into runs/"],
    ["deno task train --data train.csv --out runs/first", "on Kaggle's file"],
    ["deno task train --out runs/first --resume", "go on after a stop"],
  ] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  await Promise.reject(new UsageError("Cannot train: nothing yet"));
}
