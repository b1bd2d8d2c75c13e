// `explore`: looks at a file of battles and writes what it finds as one HTML file, with a summary in the terminal.
import { writeTextAtomically } from "../model/atomic_file.ts";
import { defaultModel, resolveModel } from "../model/hub.ts";
import { InputError, UsageError } from "../errors.ts";
import { collect, type TokenSource } from "../report/explore/collect.ts";
import { exploreReport, summaryLines } from "../report/explore/report.ts";
import { whole } from "../report/format.ts";
import { integer, text } from "../train/flags.ts";
import { readModelFolder } from "../train/model_folder.ts";
import { trainFlags } from "../train/train_flags.ts";
import { parseCommand } from "./command.ts";
import { findModel } from "./model_source.ts";
import { startProgress } from "./progress.ts";
import { checkReplaceable } from "./out_file.ts";

const { revision, offline } = trainFlags;

const description = {
  name: "explore",
  summary:
    "Looks at battles before training: outcomes, chatbots and their strengths, lengths, position, languages, repetition, " +
    "broken texts, and what truncation cuts. Writes one HTML file that opens offline. Works without outcomes too.",
  flags: {
    data: text({ group: "Data", value: "FILE", help: "battles in Kaggle's layout" }),
    out: text({
      group: "Data",
      value: "FILE",
      help: "the report; an earlier report is replaced",
      default: "report.html",
    }),
    model: text({
      group: "Tokens",
      value: "MODEL",
      help: "folder or Hub id whose tokenizer counts tokens",
      otherwise: `${defaultModel} if it is on this machine, else characters / 4`,
    }),
    revision,
    offline,
    tokenSample: integer({
      group: "Tokens",
      help: "battles whose tokens are counted, drawn at random",
      default: 2000,
      min: 1,
      max: 100_000,
    }),
    seed: integer({
      group: "Sampling",
      help: "of the sample and of the bootstrap",
      default: 42,
      min: 0,
      max: 2 ** 32 - 1,
    }),
  },
  examples: [
    ["deno task explore --data train.csv", "report.html beside you, and a summary here"],
    [
      "deno task explore --data test.csv --out test.html --model runs/first",
      "tokens as the run in runs/first counts them",
    ],
  ] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { settings } = parsed;
  const { data, out, seed, tokenSample } = settings;
  if (data === undefined) throw new UsageError("Cannot explore without battles: name a file with --data");
  await checkReplaceable(out, "--out");
  const tokens = await tokenSource(settings);
  const findings = await collectWithProgress(data, { seed, tokenSample, tokens });
  await writeTextAtomically(out, exploreReport(findings));
  for (const line of summaryLines(findings)) console.log(line);
  console.log(`${"report".padEnd(11)} ${out}`);
}

async function collectWithProgress(
  data: string,
  options: { seed: number; tokenSample: number; tokens: TokenSource | undefined },
) {
  const megabytes = (bytes: number) => Math.round(bytes / 1e6);
  const total = megabytes(await Deno.stat(data).then(({ size }) => size, () => 0));
  let progress = startProgress({ label: "read MB", total });
  let read = 0, tokensBegun = false;
  try {
    return await collect(data, {
      ...options,
      onBattle(battles, bytes) {
        // Whole megabytes only; the last one is announced when it is done, since files are read ahead.
        if (megabytes(bytes) === read || megabytes(bytes) >= total) return;
        progress.update(read = megabytes(bytes), `${whole(battles)} battles`);
      },
      onTokens(done, of) {
        if (!tokensBegun) {
          progress.update(total, "");
          progress.stop();
          progress = startProgress({ label: "count tokens", total: of });
          tokensBegun = true;
        }
        progress.update(done, "battles");
      },
    });
  } finally {
    progress.stop();
  }
}

/** The tokenizer asked for; else the default model's, if it is here already. */
async function tokenSource(
  { model, revision, offline }: { model?: string; revision?: string; offline: boolean },
): Promise<TokenSource | undefined> {
  let folder: string;
  try {
    folder = model === undefined
      ? await resolveModel(defaultModel, { offline: true })
      : await findModel({ model, revision, offline });
  } catch (error) {
    if (model === undefined && (error instanceof InputError || error instanceof UsageError)) return undefined;
    throw error;
  }
  const { tokenizer, template } = await readModelFolder(folder);
  return {
    name: model ?? defaultModel,
    count: (text) => tokenizer.encodeText(text).length,
    marks: (parts) => template.lay(tokenizer, new Array<number[]>(parts).fill([])).inputIds.length,
  };
}
