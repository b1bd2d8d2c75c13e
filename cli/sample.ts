// `sample`: writes the built-in battles as files in Kaggle's layout.
import { join } from "node:path";
import { InputError } from "../errors.ts";
import { generateSample, type SampleSplit } from "../data/sample.ts";
import { writeBattles } from "../data/write_battles.ts";
import { integer, text, toggle } from "../train/flags.ts";
import { parseCommand } from "./command.ts";
import { checkWritable } from "./out_file.ts";

const group = "Sample";

const description = {
  name: "sample",
  summary:
    "Writes the built-in battles in Kaggle's layout: train.csv, valid.csv, test.csv, and solution.csv with the " +
    "outcomes of test.csv. The true probabilities of each battle stand in the columns true_a, true_b and true_tie.",
  flags: {
    out: text({ group, value: "FOLDER", help: "where to write", default: "sample" }),
    battles: integer({ group, help: "battles of train.csv", default: 1000, min: 1, max: 1_000_000 }),
    testBattles: integer({
      group,
      help: "battles of valid.csv, and of test.csv",
      default: 200,
      min: 1,
      max: 1_000_000,
    }),
    seed: integer({ group, help: "another sample of the same kind", default: 42, min: 0, max: 2 ** 32 - 1 }),
    force: toggle({ group, help: "replace files of these names", default: false }),
  },
  examples: [
    ["deno task sample --out sample", "the files, to look at or to try the other tasks on"],
    ["deno task train --data sample/train.csv --valid sample/valid.csv --out runs/sample", "train on them"],
  ] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { out, battles, testBattles, seed, force } = parsed.settings;
  const files: { name: string; split: SampleSplit; battles: number; labels: boolean }[] = [
    { name: "train.csv", split: "train", battles, labels: true },
    { name: "valid.csv", split: "valid", battles: testBattles, labels: true },
    { name: "test.csv", split: "test", battles: testBattles, labels: false },
    { name: "solution.csv", split: "test", battles: testBattles, labels: true },
  ];
  await createFolder(out);
  for (const { name } of files) {
    await checkWritable(join(out, name), "--out", { force });
  }
  for (const { name, split, battles, labels } of files) {
    await writeBattles(join(out, name), generateSample({ battles, seed, split }), { labels });
    console.log(`${join(out, name)}  ${battles} battles`);
  }
}

async function createFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory)) throw error;
    throw new InputError(`Cannot write into ${path}: it is a file: name another --out`);
  }
}
