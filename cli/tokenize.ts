// `tokenize`: one JSON line for each sequence that a battle becomes, so that anyone can replay a step elsewhere.
import { readBattles } from "../data/battles.ts";
import { encodeAll, tokensLine, writeTokens } from "../data/dataset.ts";
import { UsageError } from "../errors.ts";
import { architectureOf } from "../model/registry.ts";
import { text, toggle } from "../train/flags.ts";
import { readModelFolder } from "../train/model_folder.ts";
import { resolveFeatures, resolveMaxTokens } from "../train/settings.ts";
import { trainFlags } from "../train/train_flags.ts";
import { parseCommand } from "./command.ts";
import { findModel } from "./model_source.ts";
import { checkWritable } from "./out_file.ts";

const { model, revision, offline, pairing, maxTokens, features } = trainFlags;

const description = {
  name: "tokenize",
  summary: "Prints what the model reads: one JSON line for each sequence, with the battle's id, side (ab, a or b), " +
    "input_ids, token_type_ids and label (0 A wins, 1 B wins, 2 tie). A run folder brings its own pairing and length.",
  flags: {
    data: text({ group: "Data", value: "FILE", help: "battles in Kaggle's layout" }),
    out: text({ group: "Data", value: "FILE", help: "write there", otherwise: "stdout" }),
    force: toggle({ group: "Data", help: "replace that file", default: false }),
    model,
    revision,
    offline,
    pairing,
    maxTokens,
    features,
  },
  examples: [
    ["deno task tokenize --data train.csv | head -n 2", "the first battle, both sides"],
    [
      "deno task tokenize --data train.csv --model runs/first --out tokens.jsonl",
      "as the run in runs/first reads them",
    ],
  ] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { settings } = parsed;
  if (settings.data === undefined) throw new UsageError("Cannot tokenize without battles: name a file with --data");
  if (settings.out !== undefined) await checkWritable(settings.out, "--out", settings);
  const folder = await findModel(settings);
  const { config, tokenizer, template } = await readModelFolder(folder);
  const pairing = settings.pairing ?? config.tiebreak?.pairing ?? architectureOf(config).pairing;
  const asked = settings.maxTokens ?? config.tiebreak?.max_tokens;
  const options = {
    pairing,
    maxTokens: resolveMaxTokens(asked, config, pairing, undefined),
    template,
    features: resolveFeatures(settings.features, config, pairing),
  };
  if (settings.out !== undefined) {
    const sequences = await writeTokens(settings.out, readBattles(settings.data), tokenizer, options);
    console.error(`${settings.out}  ${sequences} sequences`);
    return;
  }
  for await (const battle of readBattles(settings.data)) {
    const [encoded] = await encodeAll([battle], tokenizer, options);
    for (const sequence of encoded.sequences) await print(tokensLine(encoded, sequence));
  }
}

/** All of `text` to stdout; unlike console.log it tells when the reader has gone. */
async function print(text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await Deno.stdout.write(bytes.subarray(at));
}
