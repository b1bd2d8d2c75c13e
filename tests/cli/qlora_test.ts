// Uses the GPU: adapters on a quantised base from the command line: trained, stopped and resumed, predicted with, trained on.
import assert from "node:assert/strict";
import { inFolder, stopAt, succeedingIn, task } from "./command_line.ts";
import { writeTinyModel } from "./tiny_model.ts";

const short = "train --data train.csv --valid valid.csv --batch 8 --batch-tokens 256 --no-tune --lr 1e-2".split(" ");
const qlora = [...short, ..."--model model --method qlora --lora-rank 4 --steps 6 --checkpoint-every 2".split(" ")];

Deno.test("train --method qlora, then evaluate, submit and train on, always on the base as it was quantised", () =>
  inFolder(async (folder) => {
    const succeed = succeedingIn(folder), run = async (...args: string[]) => (await succeed(...args)).out;
    const json = (name: string) => JSON.parse(Deno.readTextFileSync(`${folder}/${name}`));
    await writeTinyModel(`${folder}/model`, { hidden_size: 64 });
    await run("sample", "--out", ".", "--battles", "40", "--test-battles", "12");
    await run(...qlora, "--out", "a");
    const { settings, parameters } = json("a/run.json");
    assert.deepEqual([settings.method, settings.quant, settings.checkpointLayers], ["qlora", "nf4", true]);
    assert.equal(json("a/config.json").tiebreak.quant, "nf4");
    // 2 layers of 4 x (4 squares of 64, and 64 and 64 twice), and the swap head.
    assert.equal(parameters.trained, 2 * 4 * (4 * 128 + 2 * 128) + 4 * 64 + 2);

    assert.equal((await stopAt(folder, [...qlora, "--out", "b"], 3, "SIGKILL")).ended, "SIGKILL");
    await run("train", "--out", "b", "--resume");
    for (const name of ["adapter_model.safetensors", "head.safetensors"]) {
      assert.deepEqual(Deno.readFileSync(`${folder}/a/${name}`), Deno.readFileSync(`${folder}/b/${name}`), name);
    }

    const submitted = async (model: string, data = "test.csv") => {
      await run("submit", "--data", data, "--model", model, "--no-tune", "--force", "--out", "submission.csv");
      const lines = Deno.readTextFileSync(`${folder}/submission.csv`).trim().split("\n").slice(1);
      return lines.flatMap((line) => line.split(",").slice(1).map(Number));
    };
    const own = await submitted("a");
    // The same adapters on the base as floats are another model.
    const config = Deno.readTextFileSync(`${folder}/a/config.json`);
    Deno.writeTextFileSync(`${folder}/b/config.json`, config.replace(/,\s*"quant": "nf4"/, ""));
    const floats = await submitted("b");
    assert.ok(own.some((p, i) => Math.abs(p - floats[i]) > 1e-4), "the base is quantised");
    Deno.writeTextFileSync(`${folder}/b/config.json`, config.replace('"nf4"', '"fp4"'));
    const refused = await task(["submit", "--data", "test.csv", "--model", "b", "--no-tune", "--force"], folder);
    assert.deepEqual([refused.code, /quant is "fp4"/.test(refused.err)], [2, true], refused.err);

    await run("merge", "a", "--out", "merged");
    assert.equal("quant" in json("merged/config.json").tiebreak, false);

    // Trained on, in the same form unless told otherwise: the same adapters at first.
    await run(...short, ..."--model a --steps 1 --warmup 1 --out on".split(" "));
    assert.deepEqual([json("on/run.json").settings.method, json("on/run.json").settings.quant], ["qlora", "nf4"]);
    assert.deepEqual(await submitted("on"), own);
    await run(...short, ..."--model model --method qlora --quant int8 --steps 0 --out eight".split(" "));
    assert.equal(json("eight/config.json").tiebreak.quant, "int8");
    const wrong = await task([...short, ..."--model model --quant int8 --out x".split(" ")], folder);
    assert.deepEqual([wrong.code, /--method qlora/.test(wrong.err)], [2, true], wrong.err);
  }));
