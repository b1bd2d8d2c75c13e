// `tune` as a user runs it. Uses the GPU.
import assert from "node:assert/strict";
import { join } from "node:path";
import { defaultSchedules, isSchedules } from "../../kernels/schedules.ts";
import { classProducts } from "../../kernels/shape_classes.ts";
import { schedulesFile, tunedSchedules } from "../../train/schedule_cache.ts";
import { usualClasses } from "../../train/usual_classes.ts";
import { testGpu } from "../kernels/harness.ts";
import { inFolder, ownCacheIn, task } from "./command_line.ts";

Deno.test("tune measures again, keeps what it found where runs look for it, and prints it as JSON", () =>
  inFolder(async (folder) => {
    const { gpu } = await testGpu(), cache = join(folder, "tiebreak"), kept = schedulesFile(cache);
    const entries = async () => Object.values<Record<string, unknown>>(JSON.parse(await Deno.readTextFile(kept)));
    // What an earlier run kept, as if measured: rates that no adapter has, and a class that only that run used.
    const usual = usualClasses(gpu), own = "TN M<=64 N<=64 K<=512", rates = { NT: 1e9, NN: 1e9, TN: 1e9 };
    assert.ok(classProducts.cpu.has(own) && !usual.includes(own));
    const known = defaultSchedules(gpu.report.isCpu);
    await tunedSchedules(gpu, {
      folder: cache,
      classes: [own],
      measure: {
        schedules: () => Promise.resolve({ schedules: known, rates }),
        classes: () => Promise.resolve({ [own]: { texture: known.texture && known.texture.TN, tile: known.tile.TN } }),
      },
    });
    const [before] = await entries();
    assert.deepEqual(before.rates, rates);

    const tune = await task(["tune", "--json"], folder, ownCacheIn(folder));
    assert.equal(tune.code, 0, tune.err);
    const schedules = JSON.parse(tune.out);
    assert.ok(isSchedules(schedules), tune.out);
    assert.deepEqual(Object.keys(schedules.classes!).sort(), [...new Set(usual)].sort());
    for (const what of ["NT", "TN M>512 N<=512 K>512", own]) {
      assert.ok(
        tune.err.split("\n").some((line) => line.startsWith(`${what}  `) && / \d+\.\d GFLOP\/s$/.test(line)),
        what,
      );
    }
    for (const name of usual) assert.match(tune.err, new RegExp(`\n${name} +(textures|tiles) \\d+ x \\d+`));
    assert.ok(tune.err.includes(`, kept in ${kept}\n`), tune.err);
    assert.match(tune.err, /\nMeasured in \d+\.\d s, /);

    const after = await entries();
    assert.equal(after.length, 1, "the entry of this adapter is replaced");
    const { classes = {}, ...found } = after[0].schedules as typeof schedules;
    assert.ok(own in classes, "classes of other runs are measured too");
    assert.deepEqual({ ...found, classes: { ...classes, [own]: undefined } }, {
      ...schedules,
      classes: { ...schedules.classes, [own]: undefined },
    });
    assert.notEqual(after[0].measured, before.measured);
    assert.notDeepEqual(after[0].rates, rates);
  }));
