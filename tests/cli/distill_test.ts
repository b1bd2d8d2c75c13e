// Uses the GPU: one model's predictions become what another learns from.
import assert from "node:assert/strict";
import { inFolder, succeedingIn, task } from "./command_line.ts";
import { oddCsv, oddIds, writeTinyModel } from "./tiny_model.ts";
import { readBattles } from "../../data/battles.ts";

Deno.test("submit --with-inputs writes battles that train --extra-data learns from, texts unchanged", () =>
  inFolder(async (folder) => {
    await writeTinyModel(`${folder}/model`);
    await task(["sample", "--out", ".", "--battles", "40", "--test-battles", "20"], folder);
    Deno.writeTextFileSync(`${folder}/odd.csv`, oddCsv);
    const run = succeedingIn(folder);
    const train = [
      "train",
      "--data",
      "train.csv",
      "--valid",
      "valid.csv",
      "--model",
      "model",
      "--no-tune",
      "--steps",
      "3",
    ];
    await run(...train, "--batch-tokens", "512", "--out", "judge");
    await run("submit", "--data", "odd.csv", "--model", "judge", "--with-inputs", "--out", "judged.csv");
    await run("submit", "--data", "odd.csv", "--model", "judge", "--out", "plain.csv");
    const before = await Array.fromAsync(readBattles(`${folder}/odd.csv`));
    const judged = await Array.fromAsync(readBattles(`${folder}/judged.csv`, { requireTargets: true }));
    assert.deepEqual(judged.map(({ id }) => id), oddIds);
    for (const [at, { prompt, responseA, responseB, modelA, label, target }] of judged.entries()) {
      const own = before[at];
      assert.deepEqual([prompt, responseA, responseB, modelA], [own.prompt, own.responseA, own.responseB, own.modelA]);
      assert.equal(label, undefined);
      assert.ok(target);
    }
    const rows = Deno.readTextFileSync(`${folder}/plain.csv`).trim().split("\n").slice(1);
    judged.forEach(({ target }, at) =>
      rows[at].split(",").slice(1).forEach((p, c) => assert.ok(Math.abs(Number(p) - target![c]) < 1e-8))
    );

    const extra = ["--extra-data", "judged.csv", "--extra-weight", "0.5", "--target-temperature", "2"];
    const student = await run(...train, ...extra, "--batch-tokens", "512", "--out", "student");
    assert.match(student.err, /46 to train on, 20 to validate/);
    const { settings, extra: record } = JSON.parse(Deno.readTextFileSync(`${folder}/student/run.json`));
    assert.deepEqual([settings.extraWeight, settings.targetTemperature, record.battles], [0.5, 2, 6]);
    const other = await task(["train", "--out", "student", "--resume", "--extra-data", "valid.csv"], folder);
    assert.equal(other.code, 2);
    assert.match(other.err, /is not what the run began with/);
  }));
