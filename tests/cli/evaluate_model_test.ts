// Uses the GPU: `evaluate --model`, on what a run held out and on other battles, beside baselines, with the report.
import assert from "node:assert/strict";
import { inFolder, succeedingIn, task } from "./command_line.ts";
import { oddCsv, writeTinyModel } from "./tiny_model.ts";

Deno.test("evaluate --model scores what the run held out, finds its training part, and exchanges A and B", () =>
  inFolder(async (folder) => {
    await writeTinyModel(`${folder}/model`);
    await task(["sample", "--out", ".", "--battles", "60", "--test-battles", "30"], folder);
    Deno.writeTextFileSync(`${folder}/odd.csv`, oddCsv);
    const run = succeedingIn(folder);
    const train = ["train", "--data", "train.csv", "--model", "model", "--steps", "3", "--lr", "0.01", "--no-tune"];
    const held = await run(...train, "--batch-tokens", "256", "--valid-fraction", "0.3", "--out", "a");
    const [, battles] = held.out.match(/^validation, (\d+) battles/)!;
    const own = await run("evaluate", "--model", "a", "--report", "report.html", "--no-tune");
    assert.match(own.out, new RegExp(`^battles +${battles}\n`));
    assert.match(own.err, new RegExp(`^baselines learned from ${60 - Number(battles)} battles of train\\.csv\n`));
    // The scores are those that the run printed, to the last digit.
    for (const name of ["this model", "constant prior", "length only", "bag of words"]) {
      const printed = (out: string) => out.match(new RegExp(`\n${name} +([\\d.]+) `))![1];
      assert.equal(printed(own.out), printed(held.out), name);
    }
    assert.match(
      own.out,
      /\nexchanging A and B +exactly 0 apart, by the swap head \(\d+ battles predicted both ways\)\n/,
    );
    assert.match(own.out, /\nreport +report\.html\n$/);
    assert.match(
      Deno.readTextFileSync(`${folder}/report.html`),
      /^<!DOCTYPE html>[^]*the largest difference found is 0\./,
    );
    const again = await run("evaluate", "--model", "a", "--report", "report.html", "--no-tune");
    assert.equal(again.out, own.out, "the same seed, the same intervals; the report is replaced");

    await run(...train, "--batch-tokens", "256", "--pairing", "joint", "--out", "b");
    const joint = await run("evaluate", "--model", "b", "--data", "valid.csv", "--no-tune", "--swap-check", "7");
    assert.match(joint.out, /\nexchanging A and B +0\.\d+ apart on average, .* \(7 battles predicted both ways\)\n/);
    const averaged = await run("evaluate", "--model", "b", "--data", "valid.csv", "--no-tune", "--swap-average");
    assert.match(averaged.out, /\(30 battles predicted both ways\)/);

    // Two models and a file of one's predictions side by side: the file's are the model's own.
    await run("submit", "--model", "a", "--data", "valid.csv", "--no-tune", "--out", "s.csv");
    const both = ["--model", "a", "--model", "b", "--predictions", "s.csv"];
    const beside = await run("evaluate", "--data", "valid.csv", ...both, "--no-tune", "--swap-check", "0");
    const lossOf = (name: string) => beside.out.match(new RegExp(`\n${name} +([\\d.]+) `))![1];
    assert.equal(lossOf("s\\.csv"), lossOf("a"));
    assert.equal(Number(joint.out.match(/log loss +([\d.]+)/)![1]).toFixed(4), lossOf("b"));
    assert.match(beside.out, /\ns\.csv .* 0\.0000 +0\.0000 to 0\.0000 +not clear\n/);
    const mixed = await run("evaluate", "--model", "a", "--model", "b", "--no-tune", "--no-baselines");
    assert.match(mixed.err, /b did not hold out the same battles as a: it may have learned from some of these\n/);

    // What changed or is gone costs the baselines, not the score; without --data it is an error.
    Deno.writeTextFileSync(`${folder}/train.csv`, oddCsv);
    const changed = await run("evaluate", "--model", "b", "--data", "valid.csv", "--no-tune");
    assert.match(changed.err, /No baselines: Cannot find what b learned from: .*train\.csv has changed since/);
    const wrong: [string[], RegExp][] = [
      [
        ["--model", "b"],
        /^Cannot find what b learned from: .* has changed since: name files with --data and --train\n$/,
      ],
      [
        ["--model", "model"],
        /^Cannot find what model held out: it has no run\.json of a run: name battles with --data/,
      ],
      [
        ["--model", "b", "--report", "odd.csv"],
        /^Cannot write odd\.csv: it exists and is no report: name another --report/,
      ],
    ];
    for (const [args, message] of wrong) {
      const { code, err } = await task(["evaluate", ...args], folder);
      assert.equal(code, 2, err);
      assert.match(err, message);
    }
    const named = await run("evaluate", "--model", "b", "--data", "valid.csv", "--train", "odd.csv", "--no-tune");
    assert.match(named.err, /baselines learned from 6 battles of odd\.csv/);
  }));
