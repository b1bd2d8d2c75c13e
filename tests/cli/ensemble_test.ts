// `ensemble` from the command line, on files made by hand.
import assert from "node:assert/strict";
import { inFolder, task } from "./command_line.ts";

const header = "id,winner_model_a,winner_model_b,winner_tie";
const outcomes = ["1,0,0", "0,1,0", "0,0,1"];
const battles = Array.from({ length: 30 }, (_, at) => `${at},prompt ${at % 10},x,y,${outcomes[at * 7 % 3]}`);
const data = ["id,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie", ...battles];

/** Right in `share` of the battles, by 0.7 for its choice. */
function predictions(ids: string[], share: number, offset: number): string[] {
  return ids.map((id, at) => {
    const right = Number(id) * 7 % 3, choice = (at + offset) % 10 < share * 10 ? right : (right + 1) % 3;
    return `${id},${[0, 1, 2].map((c) => c === choice ? 0.7 : 0.15).join(",")}`;
  });
}

const ids = battles.map((_, at) => String(at)), testIds = ["91", "90", "92"];

Deno.test("ensemble fits weights out of fold, beats the best single, and mixes the submissions with them", () =>
  inFolder(async (folder) => {
    const write = (name: string, lines: string[], head = header) =>
      Deno.writeTextFileSync(`${folder}/${name}`, [head, ...lines].join("\n") + "\n");
    write("train.csv", data.slice(1), data[0]);
    write("a.csv", predictions(ids, 0.8, 0));
    write("b.csv", predictions(ids, 0.7, 5));
    write("noise.csv", predictions(ids, 0.2, 0));
    write("a_sub.csv", predictions(testIds, 1, 0));
    write("b_sub.csv", predictions(testIds.toReversed(), 1, 0));
    Deno.mkdirSync(`${folder}/cv`);
    Deno.copyFileSync(`${folder}/a.csv`, `${folder}/cv/out_of_fold.csv`);
    Deno.copyFileSync(`${folder}/a_sub.csv`, `${folder}/cv/submission.csv`);

    const pairs = ["ensemble", "cv", "b.csv=b_sub.csv", "--data", "train.csv"];
    const mixed = await task([...pairs, "--out", "s.csv", "--out-of-fold", "o.csv"], folder);
    assert.equal(mixed.code, 0, mixed.err);
    assert.match(mixed.out, /^30 battles, mean of probabilities .*\ncv +0\.\d+ +0\.\d+\nb\.csv=b_sub\.csv +/);
    assert.match(mixed.out, /\nfitted by others +0\.\d+\nBetter than the best single, cv, by 0\.\d+\n/);
    assert.match(mixed.out, /\nFor submit with these models: --weights 0\.\d{4},0\.\d{4}\n/);
    const rows = Deno.readTextFileSync(`${folder}/s.csv`).trim().split("\n").slice(1).map((line) => line.split(","));
    assert.deepEqual(rows.map(([id]) => id), testIds);
    const scored = await task(["evaluate", "--data", "train.csv", "--predictions", "o.csv"], folder);
    assert.equal(
      scored.out.match(/log loss +([\d.]+)/)![1],
      mixed.out.match(/fitted, same battles +([\d.]+)/)![1],
    );

    const three = await task(
      ["ensemble", "a.csv", "b.csv", "noise.csv", "--data", "train.csv", "--on", "logits"],
      folder,
    );
    assert.match(three.out, /--weights [\d.]+,[\d.]+,0\.0000 --on logits\n/);
    assert.match(three.out, /\nnoise\.csv +[\d.]+ +0\.000\n/);
    const plain = await task(["ensemble", "a_sub.csv", "b_sub.csv", "--out", "mean.csv"], folder);
    assert.equal(plain.out, "mean.csv  3 rows\n", plain.err);

    write("other.csv", predictions(["90", "91", "93"], 1, 0));
    write("fewer.csv", predictions(ids.slice(3), 1, 0));
    const wrong: [string[], RegExp][] = [
      [["ensemble", "a.csv", "--data", "train.csv"], /ensemble of one/],
      [["ensemble", "a_sub.csv", "b_sub.csv"], /without --out/],
      [["ensemble", "a_sub.csv", "b_sub.csv", "--out", "mean.csv"], /mean\.csv: it exists/],
      [["ensemble", "a_sub.csv", "other.csv", "--out", "x.csv"], /id 92 is in only one of them/],
      [["ensemble", "a.csv", "fewer.csv", "--data", "train.csv"], /only the first holds id 0 of train\.csv row 2/],
      [["ensemble", "a.csv", "b_sub.csv", "--data", "train.csv"], /only the first holds|is not in train\.csv/],
      [["ensemble", "a.csv", "b.csv", "--data", "train.csv", "--out", "x.csv"], /a\.csv has no submission/],
    ];
    for (const [args, message] of wrong) {
      const { code, err } = await task(args, folder);
      assert.equal(code, 2, `${args.join(" ")}: ${err}`);
      assert.match(err, message);
    }
  }));
