// Uses the GPU: trains a tiny model from the command line, stops it in every way, and predicts with what it left.
import assert from "node:assert/strict";
import { inFolder, ownCacheIn, stopAt, task } from "./command_line.ts";
import { oddCsv, oddIds, writeTinyModel } from "./tiny_model.ts";
import { checkSame } from "../same.ts";

const read = (path: string) => Deno.readFileSync(path);
const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

async function withModel(test: (folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    await writeTinyModel(`${folder}/model`);
    await task(["sample", "--out", ".", "--battles", "60", "--test-battles", "20"], folder);
    Deno.writeTextFileSync(`${folder}/odd.csv`, oddCsv);
    await test(folder);
  });
}

const data = [
  "--data",
  "train.csv",
  "--valid",
  "valid.csv",
  "--model",
  "model",
  "--batch",
  "8",
  "--batch-tokens",
  "256",
];
const short = [
  "train",
  ...data,
  "--steps",
  "9",
  "--validate-every",
  "4",
  "--checkpoint-every",
  "2",
  "--log-every",
  "3",
];

// deno-lint-ignore no-explicit-any
function metrics(path: string): any[] {
  const rows = Deno.readTextFileSync(`${path}/metrics.jsonl`).trim().split("\n").map((line) => JSON.parse(line));
  return rows.map(({ ms: _ms, ...row }) => row);
}

Deno.test("train, evaluate and submit: a run folder that predicts, twice the same bytes, also after a kill", () =>
  withModel(async (folder) => {
    const { code, out, err } = await task([...short, "--out", "runs/a"], folder);
    assert.equal(code, 0, err);
    assert.match(err, /^adapter +\S/);
    assert.match(out, /^validation, 20 battles .*\nconstant prior .*\nlength only .*\nbag of words .*\nthis model /);
    assert.match(out, /\nThe model closes -?\d+ % of the gap from the constant prior to the truth \(.*\)\n$/);
    const files = ["config.json", "head.safetensors", "metrics.jsonl", "model.safetensors", "report.html", "run.json"];
    for (const name of [...files, "tokenizer.json"]) assert.ok(names(`${folder}/runs/a`).includes(name), name);
    assert.deepEqual(metrics(`${folder}/runs/a`).map(({ step }) => step), [1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 9]);
    const run = JSON.parse(Deno.readTextFileSync(`${folder}/runs/a/run.json`));
    assert.equal(run.settings.batchTokens, 256);
    assert.equal(run.data.battles, 60);
    assert.ok(run.adapter.name.length > 0);

    // Two runs may measure different schedules, which decide the last bits: the second begins with the first's run.json,
    // as if it had been killed before its first checkpoint.
    Deno.mkdirSync(`${folder}/runs/b`);
    Deno.copyFileSync(`${folder}/runs/a/run.json`, `${folder}/runs/b/run.json`);
    const again = ["train", "--out", "runs/b", "--resume", "--checkpoint-every", "2"];
    assert.equal((await stopAt(folder, again, 5, "SIGKILL")).ended, "SIGKILL");
    assert.match(names(`${folder}/runs/b/checkpoint`).join(), /step-\d/);
    const resumed = await task(again, folder);
    assert.equal(resumed.code, 0, resumed.err);
    for (const name of ["model.safetensors", "head.safetensors"]) {
      checkSame(name, read(`${folder}/runs/b/${name}`), read(`${folder}/runs/a/${name}`));
    }
    assert.deepEqual(metrics(`${folder}/runs/b`), metrics(`${folder}/runs/a`));

    const submitted = await task(["submit", "--data", "odd.csv", "--model", "runs/a", "--out", "sub.csv"], folder);
    assert.equal(submitted.code, 0, submitted.err);
    const rows = Deno.readTextFileSync(`${folder}/sub.csv`).trim().split("\n").map((line) => line.split(","));
    assert.deepEqual(rows[0], ["id", "winner_model_a", "winner_model_b", "winner_tie"]);
    assert.deepEqual(rows.slice(1).map(([id]) => id), oddIds);
    for (const [id, ...p] of rows.slice(1)) {
      assert.ok(p.every((value) => Number(value) >= 0 && Number(value) <= 1), id);
      assert.ok(Math.abs(p.reduce((sum, value) => sum + Number(value), 0) - 1) <= 1e-6, id);
    }
    const refused = await task(["submit", "--data", "odd.csv", "--model", "runs/a", "--out", "sub.csv"], folder);
    assert.equal(refused.code, 2);

    // The model's own score is that of its submission.
    const own = await task(["evaluate", "--data", "odd.csv", "--model", "runs/a"], folder);
    const file = await task(["evaluate", "--data", "odd.csv", "--predictions", "sub.csv"], folder);
    const logLoss = (text: string) => Number(text.match(/log loss +([\d.]+)/)![1]);
    assert.ok(Math.abs(logLoss(own.out) - logLoss(file.out)) < 2e-6, `${own.out}\n${file.out}`);

    const untrained = await task(["evaluate", "--data", "odd.csv", "--model", "model", "--no-tune"], folder);
    assert.equal(untrained.code, 2);
    assert.match(untrained.err, /was never trained on battles/);
  }));

Deno.test("train ends with a checkpoint on Ctrl-C, and refuses to overwrite, mix or lose a run", () =>
  withModel(async (folder) => {
    const stopped = await stopAt(folder, [...short, "--out", "runs/c"], 3, "SIGINT");
    assert.equal(stopped.code, 1, stopped.err);
    assert.match(stopped.err, /Stopped after step \d of 9: go on with deno task train --out runs\/c --resume\n$/);
    assert.match(Deno.readTextFileSync(`${folder}/runs/c/report.html`), /Where the time went/);
    const wrong: [string[], RegExp][] = [
      [[...short, "--out", "runs/c"], /holds run\.json already: add --resume .* --force/],
      [["train", "--out", "runs/c", "--resume", "--lr", "1"], /with --lr 1: its run\.json says 0\.00005/],
      [["train", "--out", "runs/c", "--resume", "--data", "valid.csv"], /is not what the run began with/],
      [["train", "--resume"], /Cannot resume without --out/],
      [["train", "--out", "runs/none", "--resume"], /holds no run\.json/],
      [[...short, "--out", "x", "--max-tokens", "65"], /the model has 64 positions/],
      [
        ["train", "--data", "odd.csv", "--model", "none", "--out", "x", "--offline"],
        /^Cannot load none with --offline: /,
      ],
      [["train", "--data", "test.csv", "--model", "model", "--out", "x"], /test\.csv/],
      [["evaluate", "--data", "valid.csv", "--model", "runs/c"], /run has not ended: go on with .* runs\/c --resume$/],
      [["train", "--data", "train.csv", "--model", "model", "--out", "train.csv"], /it is a file/],
      [
        ["train", "--data", "train.csv", "--model", "model", "--out", "./model", "--force"],
        /the model is read from there/,
      ],
    ];
    // A checkpoint beside another model than it began with.
    await copyFolder(`${folder}/runs/c`, `${folder}/runs/w`);
    await writeTinyModel(`${folder}/wide`, { hidden_size: 64 });
    const record = Deno.readTextFileSync(`${folder}/runs/w/run.json`).replace(`${folder}/model"`, `${folder}/wide"`);
    Deno.writeTextFileSync(`${folder}/runs/w/run.json`, record);
    wrong.push([
      ["train", "--out", "runs/w", "--resume"],
      /holds \d+ parameters, this model has \d+: use the model that/,
    ]);
    const before = names(`${folder}/runs/c`);
    for (const [args, message] of wrong) {
      const { code, err } = await task(args, folder);
      assert.equal(code, 2, `${args.join(" ")}: ${err}`);
      assert.match(err.trimEnd().split("\n").at(-1)!, message, args.join(" "));
    }
    assert.deepEqual(names(`${folder}/runs/c`), before);
    assert.equal(Deno.readTextFileSync(`${folder}/runs/w/run.json`), record, "a refused run changes nothing");
    assert.ok(!names(folder).includes("x"), "a refused run leaves no folder");
    const own = ["--data", "train.csv", "--model", "model"];
    const resumed = await task(["train", "--out", "runs/c", "--resume", ...own], folder);
    assert.equal(resumed.code, 0, resumed.err);
    const { settings } = JSON.parse(Deno.readTextFileSync(`${folder}/runs/c/run.json`));
    assert.deepEqual([settings.data, settings.model], [`${folder}/train.csv`, `${folder}/model`]);
  }));

Deno.test("train --steps 0 writes the untrained model, joint, and --method head leaves the backbone as it was", () =>
  withModel(async (folder) => {
    const joint = await task(["train", ...data, "--steps", "0", "--pairing", "joint", "--out", "joint"], folder);
    assert.equal(joint.code, 0, joint.err);
    assert.equal(JSON.parse(Deno.readTextFileSync(`${folder}/joint/config.json`)).tiebreak.pairing, "joint");
    assert.equal(
      (await task(["evaluate", "--data", "odd.csv", "--model", "joint", "--swap-average", "--no-tune"], folder)).code,
      0,
    );

    const head = await task(
      ["train", ...data, "--steps", "3", "--method", "head", "--profile", "--out", "head"],
      folder,
    );
    assert.equal(head.code, 0, head.err);
    const { kernels } = JSON.parse(Deno.readTextFileSync(`${folder}/head/kernels.json`));
    // The frozen backbone has run before: a step is the head, the loss and their gradients.
    const labels = kernels.map(({ kernel }: { kernel: string }) => kernel);
    for (const label of ["swap_head.forward", "cross_entropy.loss"]) assert.ok(labels.includes(label), labels.join());
    assert.ok(kernels[0].ms >= kernels[1].ms && kernels.at(-1).ms > 0, JSON.stringify(kernels));
    assert.match(Deno.readTextFileSync(`${folder}/head/report.html`), /<section id="kernels">/);
    const { openWeights } = await import("../../model/weights.ts");
    const before = await openWeights(`${folder}/model`), after = await openWeights(`${folder}/head`);
    for (const name of before.names()) checkSame(name, await after.readF32(name), await before.readF32(name));
    before.close();
    after.close();
  }));

Deno.test("train --method head, killed and resumed, ends with the same bytes, from the cache of pooled rows and without it", () =>
  withModel(async (folder) => {
    const env = ownCacheIn(`${folder}/cache`);
    const steps = "--steps 90 --validate-every 30 --checkpoint-every 7 --log-every 1".split(" ");
    const head = ["train", ...data, ...steps, "--method", "head", "--no-tune", "--out"];
    const whole = await task([...head, "whole"], folder, env);
    assert.equal(whole.code, 0, whole.err);
    assert.match(whole.err, /^The backbone reads \d+ sequences once/);
    const [pooled] = names(`${folder}/cache/tiebreak/pooled`);

    const killed = await stopAt(folder, [...head, "killed"], 12, "SIGKILL", env);
    assert.equal(killed.ended, "SIGKILL", killed.err);
    assert.doesNotMatch(killed.err, /backbone reads/);
    const [checkpoint] = names(`${folder}/killed/checkpoint`);
    assert.match(checkpoint, /^step-\d+/);
    await copyFolder(`${folder}/killed`, `${folder}/again`);

    for (const [out, isCached] of [["killed", true], ["again", false]] as const) {
      if (!isCached) Deno.removeSync(`${folder}/cache/tiebreak/pooled/${pooled}`);
      const resumed = await task(["train", "--out", out, "--resume"], folder, env);
      assert.equal(resumed.code, 0, resumed.err);
      assert.equal(/backbone reads/.test(resumed.err), !isCached, resumed.err);
      assert.match(resumed.err, /\nsteps +90 of 8 battles, \d+ of them done\n/);
      for (const name of ["head.safetensors", "model.safetensors"]) {
        checkSame(name, read(`${folder}/${out}/${name}`), read(`${folder}/whole/${name}`));
      }
      assert.deepEqual(metrics(`${folder}/${out}`), metrics(`${folder}/whole`));
    }
  }));

async function copyFolder(from: string, to: string): Promise<void> {
  Deno.mkdirSync(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    await (isDirectory ? copyFolder : Deno.copyFile)(`${from}/${name}`, `${to}/${name}`);
  }
}
