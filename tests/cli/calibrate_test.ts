// Uses the GPU: calibrates a tiny trained model in every way, and sees that evaluate and submit apply it.
import assert from "node:assert/strict";
import { inFolder, succeedingIn, task } from "./command_line.ts";
import { oddCsv, writeTinyModel } from "./tiny_model.ts";

const tiebreakOf = (folder: string) => JSON.parse(Deno.readTextFileSync(`${folder}/config.json`)).tiebreak;
const logLossOf = (text: string) => Number(text.match(/^log loss +([\d.]+)/m)![1]);

Deno.test("calibrate saves what evaluate and submit apply, and nothing is judged on what it was fitted on", () =>
  inFolder(async (folder) => {
    await writeTinyModel(`${folder}/model`);
    await task(["sample", "--out", ".", "--battles", "200", "--test-battles", "60"], folder);
    Deno.writeTextFileSync(`${folder}/odd.csv`, oddCsv);
    const run = succeedingIn(folder);
    const refuse = async (message: RegExp, ...args: string[]) => {
      const { code, err } = await task(args, folder);
      assert.equal(code, 2, `${args.join(" ")}: ${err}`);
      assert.match(err, message);
    };
    // Under this seed the tiny model learns enough for its held-out part to say so: a scale far above 0, on any adapter.
    const train = [
      "train",
      "--data",
      "train.csv",
      "--model",
      "model",
      "--steps",
      "30",
      "--lr",
      "3e-3",
      "--no-tune",
      "--seed",
      "1",
    ];
    await run(...train, "--valid-fraction", "0.4", "--batch-tokens", "512", "--out", "a");
    const before = tiebreakOf(`${folder}/a`);
    const raw = await run("evaluate", "--data", "solution.csv", "--model", "a");
    assert.doesNotMatch(raw.out, /uncalibrated/);

    // What the run held out, by default.
    const own = await run("calibrate", "--model", "a", "--method", "vector");
    assert.match(
      own.out,
      /as the model predicts +[\d.]+ .*\ncalibrated, same battles +[\d.]+ .*\ncalibrated by others/,
    );
    const { calibration, ...rest } = tiebreakOf(`${folder}/a`);
    assert.deepEqual(rest, before);
    assert.equal(calibration.fitted_on.source, "train.csv");
    assert.ok(calibration.fitted_on.battles > 40 && calibration.fitted_on.battles < 120);
    assert.equal(calibration.scale[0], calibration.scale[1], "a swap head stays symmetric");
    assert.equal(calibration.bias[0], calibration.bias[1]);
    await refuse(/its calibration was fitted on these battles/, "evaluate", "--data", "train.csv", "--model", "a");

    // Applied, unless switched off.
    const applied = await run("evaluate", "--data", "solution.csv", "--model", "a");
    assert.match(applied.err, /calibration vector scale .* of train\.csv/);
    assert.equal(Number(applied.out.match(/uncalibrated +([\d.]+)/)![1]), logLossOf(raw.out));
    const off = await run("evaluate", "--data", "solution.csv", "--model", "a", "--no-calibration");
    assert.equal(off.out, raw.out);
    await run("submit", "--data", "test.csv", "--model", "a", "--out", "with.csv");
    await run("submit", "--data", "test.csv", "--model", "a", "--out", "without.csv", "--no-calibration");
    const scored = async (file: string) =>
      logLossOf((await run("evaluate", "--data", "solution.csv", "--predictions", file)).out);
    assert.ok(Math.abs(await scored("with.csv") - logLossOf(applied.out)) < 2e-6);
    assert.ok(Math.abs(await scored("without.csv") - logLossOf(raw.out)) < 2e-6);

    // Other battles, and predictions of them.
    await run("submit", "--data", "valid.csv", "--model", "a", "--out", "oof.csv", "--no-calibration");
    const prior = ["calibrate", "--model", "a", "--data", "valid.csv", "--method", "prior"];
    const fromModel = await run(...prior);
    const fromFile = await run(...prior, "--predictions", "oof.csv");
    assert.equal(fromFile.out, fromModel.out);
    assert.equal(tiebreakOf(`${folder}/a`).calibration.method, "prior");
    assert.match(fromFile.out, /a: prior shift .*, fitted on 60 battles of valid\.csv\n$/);

    await refuse(/the battles the model learned from/, "calibrate", "--model", "a", "--data", "train.csv");
    await refuse(
      /id \S+ is not in odd\.csv/,
      "calibrate",
      "--model",
      "a",
      "--data",
      "odd.csv",
      "--predictions",
      "oof.csv",
    );
    await refuse(/its swap head exchanges A and B exactly/, "calibrate", "--model", "a", "--no-symmetric");
    await refuse(/Tiebreak did not write it/, "calibrate", "--model", "model");
    await refuse(/without a model/, "calibrate");
    await refuse(/on predictions alone/, "calibrate", "--model", "a", "--predictions", "oof.csv");
  }));
