// Uses the GPU: averages two runs of a tiny model, and what cannot be averaged is refused.
import assert from "node:assert/strict";
import { openSafetensors } from "../../model/safetensors.ts";
import { writeSafetensors } from "../../model/safetensors_write.ts";
import { inFolder, task } from "./command_line.ts";
import { oddCsv, writeTinyModel } from "./tiny_model.ts";

async function tensorsOf(path: string): Promise<Map<string, { shape: number[]; data: Float32Array }>> {
  const file = await openSafetensors(path);
  const found = new Map<string, { shape: number[]; data: Float32Array }>();
  for (const [name, { shape }] of file.tensors) found.set(name, { shape, data: await file.readF32(name) });
  file.close();
  return found;
}

Deno.test("average writes the mean of all tensors as a model that predicts, and refuses other shapes and pairings", () =>
  inFolder(async (folder) => {
    await writeTinyModel(`${folder}/model`);
    Deno.writeTextFileSync(`${folder}/odd.csv`, oddCsv);
    const data = [
      "--data",
      "odd.csv",
      "--model",
      "model",
      "--no-tune",
      "--valid-fraction",
      "0",
      "--batch-tokens",
      "256",
    ];
    const train = async (...args: string[]) => {
      const { code, err } = await task(["train", ...data, ...args], folder);
      assert.equal(code, 0, err);
    };
    await train("--steps", "2", "--out", "a");
    await train("--steps", "2", "--seed", "7", "--out", "b");
    await train("--steps", "0", "--pairing", "joint", "--out", "joint");
    const { code, out, err } = await task(["average", "a", "b", "--out", "runs/mean"], folder);
    assert.equal(code, 0, err);
    assert.match(out, /^runs\/mean {2}mean of 2 runs, [\d,]+ numbers\n$/);
    for (const name of ["model.safetensors", "head.safetensors"]) {
      const [a, b, mean] = await Promise.all(
        ["a", "b", "runs/mean"].map((run) => tensorsOf(`${folder}/${run}/${name}`)),
      );
      assert.deepEqual([...mean.keys()], [...a.keys()]);
      let moved = 0;
      for (const [tensor, { data }] of mean) {
        const one = a.get(tensor)!.data, other = b.get(tensor)!.data;
        assert.deepEqual(data, Float32Array.from(data, (_, at) => (one[at] + other[at]) / 2), tensor);
        if (one.some((value, at) => value !== other[at])) moved++;
      }
      assert.ok(moved > 0, "the runs differ");
    }
    const scored = await task(["evaluate", "--data", "odd.csv", "--model", "runs/mean", "--no-tune"], folder);
    assert.equal(scored.code, 0, scored.err);

    // A copy of one run with another shape.
    Deno.mkdirSync(`${folder}/other`);
    for (const { name } of Deno.readDirSync(`${folder}/a`)) {
      if (/\.(json|safetensors)$/.test(name)) Deno.copyFileSync(`${folder}/a/${name}`, `${folder}/other/${name}`);
    }
    const head = await tensorsOf(`${folder}/a/head.safetensors`);
    const wider = [...head].map(([name, { shape, data }]) =>
      name === "head.t" ? { name, shape: [33], data: new Float32Array(33) } : { name, shape, data }
    );
    await writeSafetensors(`${folder}/other/head.safetensors`, wider);
    const wrong: [string[], RegExp][] = [
      [["average", "a", "other", "--out", "x"], /tensor "head\.t": it is \[32\] in one, \[33\] in the other/],
      [["average", "a", "joint", "--out", "x"], /pairing is siamese in one, joint in the other/],
      [["average", "a", "model", "--out", "x"], /model: its config\.json has no tiebreak entry/],
      [["average", "a", "--out", "x"], /name two different folders/],
      [["average", "a", "./a", "--out", "x"], /name two different folders/],
      [["average", "a", "b"], /without --out/],
      [["average", "a", "b", "--out", "runs"], /it holds something/],
    ];
    for (const [args, message] of wrong) {
      const { code, err } = await task(args, folder);
      assert.equal(code, 2, `${args.join(" ")}: ${err}`);
      assert.match(err, message);
    }
    assert.ok(![...Deno.readDirSync(folder)].some(({ name }) => name === "x"), "a refused average leaves no folder");
  }));
