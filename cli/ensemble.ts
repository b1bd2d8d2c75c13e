// `ensemble`: one submission from several, with weights fitted on what their models predicted out of fold.
import { join } from "node:path";
import { quoted } from "../data/csv.ts";
import { readPredictions, writeSubmission } from "../data/predictions.ts";
import { InputError, UsageError } from "../errors.ts";
import { isFile, isFolder } from "../model/model_files.ts";
import { type Blend, blend, blends, fitWeights } from "../train/ensemble.ts";
import { choice, text, toggle } from "../train/flags.ts";
import { logLoss } from "../train/metrics.ts";
import { crossFittedLogLoss, type OutOfFold, readOutOfFold, rowsAt } from "../train/out_of_fold.ts";
import { outOfFoldName } from "../train/run_folder.ts";
import { parseCommand } from "./command.ts";
import { checkWritable } from "./out_file.ts";

const group = "Ensemble";

const description = {
  name: "ensemble",
  summary:
    "Mixes predictions of several models. A member is OUT_OF_FOLD.csv=SUBMISSION.csv, or a folder of crossvalidate (its " +
    "out_of_fold.csv, and its submission.csv where you put one). Weights are positive, add up to 1, and make the log loss " +
    "of the out-of-fold predictions least. Without --data members are submissions, weighted alike.",
  argument: ["<members...>", "two or more"] as [string, string],
  flags: {
    data: text({
      group,
      value: "FILE",
      help: "labelled battles of the out-of-fold predictions",
      otherwise: "equal weights",
    }),
    on: choice(blends, { group, help: "what is averaged", default: "probabilities" }),
    out: text({ group, value: "FILE", help: "where the submission goes" }),
    outOfFold: text({ group, value: "FILE", help: "write the mixed out-of-fold predictions there" }),
    force: toggle({ group, help: "replace those files", default: false }),
  },
  examples: [
    [
      "deno task ensemble a_oof.csv=a_sub.csv b_oof.csv=b_sub.csv --data train.csv --out submission.csv",
      "weights fitted on train.csv's outcomes, applied to the submissions",
    ],
    [
      "deno task ensemble runs/cv-a runs/cv-b --data train.csv --on logits",
      "how much two cross-validations gain together",
    ],
    ["deno task ensemble a.csv b.csv --out submission.csv", "the plain mean"],
  ] as [string, string][],
};

interface Member {
  name: string;
  outOfFold?: string;
  submission?: string;
}

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { data, on, out, outOfFold, force } = parsed.settings;
  const members = await Promise.all(parsed.positional.map((word) => findMember(word, data !== undefined)));
  if (members.length < 2) throw new UsageError("Cannot make an ensemble of one: name two members or more");
  const without = members.find(({ submission }) => submission === undefined);
  if (out !== undefined && without) {
    throw new UsageError(
      `Cannot write ${out}: ${without.name} has no submission: name it as OUT_OF_FOLD.csv=SUBMISSION.csv`,
    );
  }
  if (out === undefined && data === undefined) {
    throw new UsageError("Cannot mix submissions without --out: name a file");
  }
  if (outOfFold !== undefined && data === undefined) {
    throw new UsageError("Cannot mix out-of-fold predictions without --data: name the battles they speak of");
  }
  if (out !== undefined) await checkWritable(out, "--out", { force });
  if (outOfFold !== undefined) await checkWritable(outOfFold, "--out-of-fold", { force });
  let weights: ArrayLike<number> = members.map(() => 1 / members.length);
  if (data !== undefined) {
    const found = await readOutOfFold(data, members.map(({ outOfFold }) => outOfFold!));
    if (found.leftOut > 0) console.error(`${found.leftOut} battles of ${data} have no prediction and are left out`);
    weights = fitWeights(found.members, found.labels, on);
    print(members, found, weights, on);
    if (outOfFold !== undefined) await write(outOfFold, found.ids, blend(found.members, weights, on));
  }
  if (out === undefined) return;
  const { ids, predictions } = await readSubmissions(members.map(({ submission }) => submission!));
  await write(out, ids, blend(predictions, weights, on));
}

async function findMember(word: string, fitted: boolean): Promise<Member> {
  const at = word.indexOf("=");
  if (at > 0) {
    const submission = word.slice(at + 1);
    if (submission === "") throw new UsageError(`Cannot use member ${word}: name a submission after the =`);
    return { name: word, outOfFold: word.slice(0, at), submission };
  }
  if (!await isFolder(word)) return fitted ? { name: word, outOfFold: word } : { name: word, submission: word };
  const submission = join(word, "submission.csv");
  return {
    name: word,
    outOfFold: join(word, outOfFoldName),
    ...(await isFile(submission) && { submission }),
  };
}

/** Reads submissions of the same ids, rows in the order of the first. */
async function readSubmissions(files: string[]): Promise<{ ids: string[]; predictions: Float64Array[] }> {
  const all = await Promise.all(files.map(readPredictions));
  const ids = [...all[0].keys()];
  const predictions = all.map((file, at) => {
    const missing = ids.find((id) => !file.has(id)) ?? [...file.keys()].find((id) => !all[0].has(id));
    if (missing !== undefined) {
      throw new InputError(
        `Cannot mix ${files[0]} with ${files[at]}: id ${
          quoted(missing)
        } is in only one of them: give submissions of one test file`,
      );
    }
    return Float64Array.from(ids.flatMap((id) => {
      const { row, probabilities } = file.get(id)!, sum = probabilities.reduce((total, p) => total + p, 0);
      if (sum > 0) return probabilities.map((p) => p / sum);
      throw new InputError(`Cannot mix ${files[at]} row ${row}: its probabilities are all 0: predict again`);
    }));
  });
  return { ids, predictions };
}

async function write(file: string, ids: string[], p: Float64Array): Promise<void> {
  await writeSubmission(file, ids.map((id, row) => ({ id, probabilities: p.subarray(row * 3, row * 3 + 3) })));
  console.log(`${file}  ${ids.length} rows`);
}

function print(
  members: Member[],
  { members: p, labels, keys }: OutOfFold,
  weights: ArrayLike<number>,
  on: Blend,
): void {
  const width = Math.max(24, ...members.map(({ name }) => name.length));
  const line = (name: string, loss: number, weight = "") =>
    console.log(`${name.padEnd(width)}  ${loss.toFixed(6)}  ${weight.padStart(6)}`.trimEnd());
  const equal = members.map(() => 1 / members.length);
  const crossFitted = crossFittedLogLoss(keys, labels, (places) => {
    const part = fitWeights(p.map((member) => rowsAt(member, places)), places.map((place) => labels[place]), on);
    return (held) => blend(p.map((member) => rowsAt(member, held)), part, on);
  });
  const singles = p.map((member) => logLoss(member, labels)), best = singles.indexOf(Math.min(...singles));
  console.log(`${`${labels.length} battles, mean of ${on}`.padEnd(width)}  log loss  weight`);
  for (const [at, { name }] of members.entries()) line(name, singles[at], weights[at].toFixed(3));
  const mixed = logLoss(blend(p, weights, on), labels);
  line("equal weights", logLoss(blend(p, equal, on), labels));
  line("fitted, same battles", mixed);
  if (crossFitted !== undefined) line("fitted by others", crossFitted);
  const gain = singles[best] - (crossFitted ?? mixed);
  console.log(
    `${gain > 0 ? "Better" : "No better"} than the best single, ${members[best].name}, by ${gain.toFixed(6)}${
      crossFitted === undefined ? " (on the battles it was fitted on)" : ""
    }`,
  );
  const words = Array.from(weights, (weight) => weight.toFixed(4)).join(",");
  console.log(`For submit with these models: --weights ${words}${on === "logits" ? " --on logits" : ""}`);
}
