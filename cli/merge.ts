// `merge`: adapters and their base as one model folder.
import { InputError, UsageError } from "../errors.ts";
import { mergeAdapter } from "../model/merge_adapter.ts";
import { text } from "../train/flags.ts";
import { readModelFolder } from "../train/model_folder.ts";
import { resolveMaxTokens } from "../train/settings.ts";
import { parseCommand } from "./command.ts";
import { findModel } from "./model_source.ts";
import { isFree } from "./out_folder.ts";
import { grouped } from "./progress.ts";

const description = {
  name: "merge",
  summary:
    "Adds the adapters of a folder to the weights of their base and writes the whole model: as large as the base, a " +
    "little faster to predict with, and loaded without PEFT.",
  argument: ["<folder>", "a run with --method lora, or a folder of PEFT"] as [string, string],
  flags: {
    out: text({ group: "Merge", value: "FOLDER", help: "where the model goes; made new" }),
  },
  examples: [
    ["deno task merge runs/lora --out runs/merged", "then: deno task evaluate --model runs/merged"],
  ] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { argument: named = "", settings: { out } } = parsed;
  if (out === undefined) throw new UsageError("Cannot merge without --out: name a folder for the model");
  if (!await isFree(out)) throw new UsageError(`Cannot write into ${out}: it holds something: name another --out`);
  const folder = await findModel({ model: named, offline: false });
  const { config, adapter, base, tokenizerFolder, template } = await readModelFolder(folder);
  if (!adapter) throw new InputError(`Cannot merge ${folder}: it holds no adapters: name a run with --method lora`);
  // What is merged are floats, whatever the adapters were trained on.
  const entry = config.tiebreak ? { ...config.tiebreak, quant: undefined } : {
    pairing: "joint" as const,
    template: template.name,
    max_tokens: resolveMaxTokens(undefined, config, "joint", undefined),
  };
  await Deno.mkdir(out, { recursive: true });
  try {
    const merged = await mergeAdapter({ adapter, base, config, entry, source: tokenizerFolder, out });
    console.log(`${out}  ${grouped(merged)} weights of ${base} with their adapters added`);
  } catch (error) {
    // Nothing else is lost: the folder was empty.
    await Deno.remove(out, { recursive: true });
    throw error;
  }
}
