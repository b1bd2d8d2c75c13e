// Uses the GPU: numbers beside the text, from the command line: they begin at the regression, are kept with the model, and
// exchanging A and B exchanges the probabilities.
import assert from "node:assert/strict";
import { writeBattles } from "../../data/write_battles.ts";
import { inFolder, task } from "./command_line.ts";
import { writeTinyModel } from "./tiny_model.ts";

const rowsOf = (path: string) => Deno.readTextFileSync(path).trim().split("\n").slice(1).map((line) => line.split(","));

Deno.test("train --features length: better than lengths alone from the first step, symmetric, the same model after a stop", () =>
  inFolder(async (folder) => {
    await writeTinyModel(`${folder}/model`);
    const battles = Array.from({ length: 90 }, (_, i) => {
      const long = "many words of one kind and of another ".repeat(1 + i * 7 % 5), short = "few ".repeat(1 + i % 3);
      const aIsLong = i % 2 === 0;
      // People prefer the longer answer, five times of six.
      const label = (aIsLong === (i % 6 !== 5) ? 0 : 1) as 0 | 1;
      const [responseA, responseB] = aIsLong ? [[long], [short]] : [[short], [long]];
      return { id: `${i}`, row: i + 2, prompt: [`question ${i * 7919 % 90}`], responseA, responseB, label };
    });
    await writeBattles(`${folder}/train.csv`, battles);
    const exchanged = battles.map((one) => ({ ...one, responseA: one.responseB, responseB: one.responseA }));
    await writeBattles(`${folder}/exchanged.csv`, exchanged);
    const train = [
      "train",
      "--data",
      "train.csv",
      "--model",
      "model",
      "--no-tune",
      "--max-tokens",
      "32",
      "--batch",
      "8",
    ];
    const lengths = [...train, "--features", "length", "--steps", "4", "--checkpoint-every", "2", "--out", "a"];
    const { code, err, out } = await task(lengths, folder);
    assert.equal(code, 0, err);
    const loss = (name: string) => Number(out.match(new RegExp(`^${name} +([\\d.]+)`, "m"))![1]);
    assert.ok(loss("this model") < loss("constant prior") - 0.1, out);
    assert.equal(JSON.parse(Deno.readTextFileSync(`${folder}/a/config.json`)).tiebreak.features, "length");

    // As if it had been killed before its first checkpoint.
    Deno.mkdirSync(`${folder}/b`);
    Deno.copyFileSync(`${folder}/a/run.json`, `${folder}/b/run.json`);
    const again = await task(["train", "--out", "b", "--resume"], folder);
    assert.equal(again.code, 0, again.err);
    const head = (run: string) => Deno.readFileSync(`${folder}/${run}/head.safetensors`);
    assert.deepEqual(head("b"), head("a"));

    for (const name of ["train", "exchanged"]) {
      const made = await task(["submit", "--data", `${name}.csv`, "--model", "a", "--out", `${name}-sub.csv`], folder);
      assert.equal(made.code, 0, made.err);
    }
    const plain = rowsOf(`${folder}/train-sub.csv`), swapped = rowsOf(`${folder}/exchanged-sub.csv`);
    assert.deepEqual(swapped, plain.map(([id, a, b, tie]) => [id, b, a, tie]));
    assert.ok(new Set(plain.map(([, a]) => a)).size > 10);

    const joint = await task([...train, "--features", "length", "--pairing", "joint", "--out", "x"], folder);
    assert.equal(joint.code, 2);
    assert.match(joint.err, /Cannot use --features length with joint pairs/);
  }));
