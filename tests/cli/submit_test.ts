// Uses the GPU: one submission from several models, each read, calibrated and released before the next.
import assert from "node:assert/strict";
import { readPredictions } from "../../data/predictions.ts";
import { inFolder, succeedingIn, task } from "./command_line.ts";
import { oddCsv, oddIds, writeTinyModel } from "./tiny_model.ts";

const temperature = { method: "temperature", scale: [0.5, 0.5, 0.5], bias: [0, 0, 0] };

Deno.test("submit mixes what several models predict, each calibrated by its own, and refuses wrong weights", () =>
  inFolder(async (folder) => {
    await writeTinyModel(`${folder}/model`);
    await task(["sample", "--out", ".", "--battles", "24", "--test-battles", "10"], folder);
    Deno.writeTextFileSync(`${folder}/odd.csv`, oddCsv);
    const run = succeedingIn(folder);
    const train = ["train", "--data", "train.csv", "--model", "model", "--steps", "3", "--lr", "0.01", "--no-tune"];
    await run(...train, "--batch-tokens", "256", "--out", "a");
    await run(...train, "--batch-tokens", "256", "--seed", "7", "--pairing", "joint", "--out", "b");
    const config = JSON.parse(Deno.readTextFileSync(`${folder}/b/config.json`));
    const fitted = { source: "x.csv", sha256: "0", battles: 100, swap_average: false };
    config.tiebreak.calibration = { ...temperature, fitted_on: fitted };
    Deno.writeTextFileSync(`${folder}/b/config.json`, JSON.stringify(config));

    const predict = async (name: string, ...args: string[]) => {
      const { err } = await run("submit", "--data", "odd.csv", "--out", name, "--no-tune", ...args);
      const found = await readPredictions(`${folder}/${name}`);
      assert.deepEqual([...found.keys()], oddIds);
      return { err, p: [...found.values()].flatMap(({ probabilities }) => probabilities) };
    };
    const a = await predict("a.csv", "--model", "a"), b = await predict("b.csv", "--model", "b");
    const raw = await predict("raw.csv", "--model", "b", "--no-calibration");
    assert.ok(b.p.some((p, at) => Math.abs(p - raw.p[at]) > 0.01), "the calibration matters");
    assert.ok(a.p.some((p, at) => Math.abs(p - b.p[at]) > 0.01), "the models differ");
    const mean = await predict("mean.csv", "--model", "a", "--model", "b");
    assert.match(mean.err, /model 1 of 2: a\n(.*\n)*model 2 of 2: b\ncalibration temperature 2\.000/);
    const mixed = await predict("mixed.csv", "--model", "a", "--model", "b", "--weights", "3,1");
    const logits = await predict("logits.csv", "--model", "a", "--model", "b", "--on", "logits");
    for (let at = 0; at < a.p.length; at++) {
      const close = (found: number, wanted: number) =>
        assert.ok(Math.abs(found - wanted) < 5e-9, `${at}: ${found}, ${wanted}`);
      close(mean.p[at], (a.p[at] + b.p[at]) / 2);
      close(mixed.p[at], (3 * a.p[at] + b.p[at]) / 4);
      const row = at - at % 3, geometric = [0, 1, 2].map((c) => Math.sqrt(a.p[row + c] * b.p[row + c]));
      close(logits.p[at], geometric[at % 3] / geometric.reduce((x, y) => x + y));
    }
    for (const weights of ["1", "1,x", "1,-1", "0,0", "1,,1"]) {
      const args = ["--model", "a", "--model", "b", "--weights", weights, "--out", "none.csv"];
      const { code, err } = await task(["submit", "--data", "odd.csv", ...args], folder);
      assert.equal(code, 2, err);
      assert.match(err, /^Cannot read --weights ".*": must be 2 numbers of 0 or more[^\n]*\n$/);
    }
  }));

Deno.test("submit finds out before the first prediction that a later model cannot be read, or that there is no folder to write into", () =>
  inFolder(async (folder) => {
    await writeTinyModel(`${folder}/model`);
    Deno.writeTextFileSync(`${folder}/odd.csv`, oddCsv);
    Deno.mkdirSync(`${folder}/empty`);
    const args = ["submit", "--data", "odd.csv", "--model", "model", "--model", "empty"];
    for (
      const [out, message] of [["x.csv", /^Cannot [^\n]*empty[^\n]*\n$/], ["none/x.csv", /no folder none: make it/]]
    ) {
      const { code, err } = await task([...args, "--out", `${out}`], folder);
      assert.equal(code, 2, err);
      assert.match(err, message as RegExp);
    }
  }));
