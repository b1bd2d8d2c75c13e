// `bench` as a user runs it. Uses the GPU.
import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder, task } from "./command_line.ts";

Deno.test("bench measures what a word chooses, prints JSON lines, compares and writes a page", () =>
  inFolder(async (folder) => {
    const first = await task(["bench", "layer_norm", "--rounds", "1", "--tokens", "512", "--json"], folder);
    assert.equal(first.code, 0, first.err);
    const rows = first.out.trimEnd().split("\n").map((line) => JSON.parse(line));
    const kernels = rows.map(({ kernel }) => kernel);
    assert.deepEqual(kernels.slice(0, 4), ["fma", "copy", "copy", "copy_to_texture"]);
    assert.deepEqual(kernels.slice(4), ["layer_norm.forward", "layer_norm.backward"]);
    for (const row of rows) assert.ok(row.adapter !== "" && row.deno === Deno.version.deno && row.n === 1);
    assert.ok(rows[0].GFLOPs > 0 && rows[4].ofCopy > 0);

    await Deno.writeTextFile(join(folder, "before.json"), first.out);
    const flags = ["--rounds", "1", "--tokens", "512", "--compare", "before.json", "--write", "page.md"];
    const second = await task(["bench", "layer_norm.forward", ...flags], folder);
    assert.equal(second.code, 0, second.err);
    assert.match(second.out, /Row kernels and attention\n.*\n {2}layer_norm\.forward +T 512, W 384/);
    assert.match(second.out, /Against before\.json\n {2}kernel +size +ms before/);
    assert.match(await Deno.readTextFile(join(folder, "page.md")), /\| layer_norm\.forward \| T 512, W 384 \|/);
  }));

Deno.test("bench answers wrong words with one line and exit code 2, before it measures", () =>
  inFolder(async (folder) => {
    const wrong: [string[], RegExp][] = [
      [["bench", "nonsense"], /^Cannot measure "nonsense": use a part of fma, copy, /],
      [["bench", "norm", "--compare", "none.json"], /^Cannot open none\.json: there is no such file/],
      [
        ["bench", "--against", "tfjs,numpy"],
        /^Cannot compare with "numpy": use one of tfjs, jax, onnx, torch, or several/,
      ],
      [
        ["bench", "norm", "--against", "tfjs"],
        /^Cannot use --against with "norm": use "against", or a part of against\./,
      ],
      [
        ["bench", "against.block"],
        /^Cannot measure "against\.block" alone: say beside whom with --against, e\.g\. tfjs,/,
      ],
      [["bench", "norm", "--rounds", "0"], /^Cannot read --rounds "0": must be a whole number from 1 to 1000$/],
      [
        ["bench", "train", "--model", "no-such-folder"],
        /^Cannot measure with no-such-folder: it is not on this disk: train/,
      ],
    ];
    for (const [args, message] of wrong) {
      const { code, out, err } = await task(args, folder);
      assert.deepEqual([code, out], [2, ""], args.join(" "));
      assert.match(err, /^[^\n]+\n$/, args.join(" "));
      assert.match(err.trimEnd(), message);
    }
  }));
