// `tune` as a user runs it. Uses the GPU.
import assert from "node:assert/strict";
import { join } from "node:path";
import { isSchedules } from "../../kernels/schedules.ts";
import { inFolder, ownCacheIn, task } from "./command_line.ts";

Deno.test("tune measures again, keeps what it found where runs look for it, and prints it as JSON", () =>
  inFolder(async (folder) => {
    const env = ownCacheIn(folder);
    const kept = join(folder, "tiebreak", "schedules.json");
    const entryOf = async () => Object.values(JSON.parse(await Deno.readTextFile(kept)))[0] as Record<string, unknown>;

    const first = await task(["tune", "--json"], folder, env);
    assert.equal(first.code, 0, first.err);
    const schedules = JSON.parse(first.out);
    assert.ok(isSchedules(schedules), first.out);
    const before = await entryOf();
    assert.deepEqual(before.schedules, schedules);
    for (const what of ["NT", "TN M>512 N<=512 K>512"]) {
      assert.ok(
        first.err.split("\n").some((line) => line.startsWith(`${what}  `) && / \d+\.\d GFLOP\/s$/.test(line)),
        what,
      );
    }
    const classes = Object.keys(schedules.classes ?? {});
    assert.ok(classes.length >= 10, classes.join());

    const second = await task(["tune"], folder, env);
    assert.equal(second.code, 0, second.err);
    for (const name of classes) assert.match(second.out, new RegExp(`\n${name} +(textures|tiles) \\d+ x \\d+`));
    assert.match(second.out, /\nMeasured in \d+\.\d s, kept in /);
    assert.notEqual((await entryOf()).measured, before.measured);
  }));
