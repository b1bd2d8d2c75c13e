// `memory` as a user runs it.
import assert from "node:assert/strict";
import { join } from "node:path";
import { knownConfigs } from "../../model/known_configs.ts";
import { inFolder, task } from "./command_line.ts";

Deno.test("memory needs config.json alone, and --checkpoint-layers needs less", () =>
  inFolder(async (folder) => {
    const config = knownConfigs["sentence-transformers/all-MiniLM-L6-v2"];
    await Deno.mkdir(join(folder, "model"));
    await Deno.writeTextFile(join(folder, "model", "config.json"), JSON.stringify(config));
    const { code, out, err } = await task(["memory", "--model", "model", "--method", "full"], folder);
    assert.equal(code, 0, err);
    const [, header, kept, recomputed] = out.split("\n").filter((line) => line !== "").map((line) =>
      line.split(/\s{2,}/)
    );
    assert.deepEqual(header.slice(0, 4), ["method", "layers", "parameters", "frozen"]);
    const at = (row: string[], column: string) => Number(row[header.indexOf(column)].replaceAll(",", ""));
    assert.deepEqual([kept.slice(0, 2), recomputed.slice(0, 2)], [["full", "kept"], ["full", "recomputed"]]);
    // 22.7 million parameters of 4 bytes.
    assert.deepEqual(["parameters", "gradients", "moments"].map((column) => at(kept, column)), [87, 87, 173]);
    assert.ok(at(recomputed, "activations") < 0.5 * at(kept, "activations"));
    assert.ok(at(recomputed, "total") < at(kept, "total"));
  }));

Deno.test("train refuses what --memory-limit does not hold, before it loads or writes anything", () =>
  inFolder(async (folder) => {
    const { writeTinyModel } = await import("./tiny_model.ts");
    await writeTinyModel(join(folder, "model"));
    const args = [
      "train",
      "--model",
      "model",
      "--max-tokens",
      "32",
      "--no-tune",
      "--out",
      "run",
      "--memory-limit",
      "0.001",
    ];
    const { code, err } = await task(args, folder);
    assert.equal(code, 2);
    assert.match(err, /^Cannot train with 0\.\d GB of memory: --memory-limit allows 0\.001 GB: /m);
    await assert.rejects(Deno.stat(join(folder, "run")), Deno.errors.NotFound);
  }));
