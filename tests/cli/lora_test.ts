// Uses the GPU: adapters from the command line: trained, stopped and resumed, merged, averaged, trained on, predicted with.
import assert from "node:assert/strict";
import { openSafetensors } from "../../model/safetensors.ts";
import { inFolder, stopAt, succeedingIn, task } from "./command_line.ts";
import { writeTinyModel } from "./tiny_model.ts";
import { checkSame } from "../same.ts";

const short = "train --data train.csv --valid valid.csv --batch 8 --batch-tokens 256 --no-tune --lr 1e-2".split(" ");
const lora = [...short, ..."--model model --method lora --lora-rank 4 --steps 6 --checkpoint-every 2".split(" ")];

async function weightsOf(folder: string): Promise<Map<string, Float32Array>> {
  const file = await openSafetensors(`${folder}/model.safetensors`);
  const found = new Map<string, Float32Array>();
  for (const name of file.tensors.keys()) found.set(name, await file.readF32(name));
  file.close();
  return found;
}

function nearest(one: Float32Array, other: Float32Array): number {
  return one.reduce((worst, value, at) => Math.max(worst, Math.abs(value - other[at])), 0);
}

Deno.test("train --method lora, then evaluate, submit, merge, average and train on: one model in all its forms", () =>
  inFolder(async (folder) => {
    const succeed = succeedingIn(folder), run = async (...args: string[]) => (await succeed(...args)).out;
    const json = (name: string) => JSON.parse(Deno.readTextFileSync(`${folder}/${name}`));
    await writeTinyModel(`${folder}/model`);
    await run("sample", "--out", ".", "--battles", "40", "--test-battles", "12");
    await run(...lora, "--out", "a");
    const { r, target_modules, base_model_name_or_path: base } = json("a/adapter_config.json");
    assert.deepEqual([r, base], [4, `${folder}/model`]);
    assert.deepEqual(target_modules, ["intermediate.dense", "key", "output.dense", "query", "value"]);
    const { settings, parameters } = json("a/run.json");
    assert.deepEqual([settings.loraAlpha, settings.loraDropout, settings.loraTargets], [32, 0.05, "all-linear"]);
    // 2 layers of 4 x (4 squares of 32 + 64 and 32 twice), and the swap head.
    assert.equal(parameters.trained, 2 * 4 * (4 * 64 + 2 * 96) + 4 * 32 + 2);

    // Stopped and resumed: dropout of the adapters too depends on the step alone.
    assert.equal((await stopAt(folder, [...lora, "--out", "b"], 3, "SIGKILL")).ended, "SIGKILL");
    await run("train", "--out", "b", "--resume");
    for (const name of ["adapter_model.safetensors", "head.safetensors"]) {
      checkSame(name, Deno.readFileSync(`${folder}/a/${name}`), Deno.readFileSync(`${folder}/b/${name}`));
    }

    await run(...lora, "--seed", "7", "--out", "c");
    for (const name of ["a", "c"]) await run("merge", name, "--out", `${name}-merged`);
    const predicted = async (model: string) => {
      await run("submit", "--data", "test.csv", "--model", model, "--no-tune", "--force", "--out", "submission.csv");
      const lines = Deno.readTextFileSync(`${folder}/submission.csv`).trim().split("\n").slice(1);
      return Float32Array.from(lines.flatMap((line) => line.split(",").slice(1).map(Number)));
    };
    const live = await predicted("a");
    assert.ok(nearest(await predicted("a-merged"), live) < 1e-6);
    assert.ok(nearest(await predicted("c"), live) > 1e-4, "the seeds differ");

    // The mean of the products, which neither mean of A nor of B is.
    await run("average", "a", "c", "--out", "mean");
    await run("merge", "mean", "--out", "mean-merged");
    const [a, c, mean, start] = await Promise.all(
      ["a-merged", "c-merged", "mean-merged", "model"].map((name) => weightsOf(`${folder}/${name}`)),
    );
    assert.equal(json("mean/adapter_config.json").r, 8);
    for (const [name, values] of mean) {
      const wanted = values.map((_, at) => (a.get(name)![at] + c.get(name)![at]) / 2);
      assert.ok(nearest(values, wanted) < 1e-6, name);
      if (/dense\.weight|query\.weight/.test(name)) {
        assert.ok(nearest(values, start.get(name)!) > 1e-4, `${name} moved`);
      }
    }
    await run(...short, ..."--model model --method lora --lora-rank 8 --steps 1 --out other".split(" "));
    const refused = await task(["average", "a", "other", "--out", "x"], folder);
    assert.deepEqual(
      [refused.code, refused.err],
      [2, "Cannot average a with other: rank is 4 in one, 8 in the other: name runs of one model\n"],
    );

    // Trained on: the same adapters at first, and their numbers cannot change.
    await run(...short, ..."--model a --steps 1 --warmup 1 --out on".split(" "));
    assert.equal(json("on/adapter_config.json").base_model_name_or_path, base);
    assert.deepEqual(await predicted("on"), live);
    const changed = await task([...short, ..."--model a --lora-rank 8 --out x".split(" ")], folder);
    assert.deepEqual([changed.code, /rank, scale or targets/.test(changed.err)], [2, true], changed.err);
    await run(...short, ..."--model a --method full --steps 0 --out full".split(" "));
    const full = await weightsOf(`${folder}/full`);
    for (const [name, values] of a) assert.ok(nearest(values, full.get(name)!) < 1e-7, name);
    const none = await task([...short, ..."--model model --lora-rank 8 --out x".split(" ")], folder);
    assert.deepEqual([none.code, /--method lora/.test(none.err)], [2, true], none.err);
  }));
