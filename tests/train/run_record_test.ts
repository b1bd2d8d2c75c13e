// What a resumed run takes from run.json, and what it refuses.
import assert from "node:assert/strict";
import { InputError, UsageError } from "../../errors.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { checkSameData, fileSha256, resumedChoices, resumedFlags, textSha256 } from "../../train/run_record.ts";
import { resolveSettings } from "../../train/settings.ts";
import { type TrainFlags, trainFlags } from "../../train/train_flags.ts";

const defaults = Object.fromEntries(
  Object.entries(trainFlags).map(([field, flag]) => [field, flag.default]),
) as unknown as TrainFlags;

/** run.json as it comes back from the disk. */
function written(flags: Partial<TrainFlags>) {
  const settings = resolveSettings({ ...defaults, ...flags }, { max_position_embeddings: 512 }, "siamese");
  return JSON.parse(JSON.stringify({ settings: { ...settings, batchTokens: 2048 } }));
}

Deno.test("resumedFlags() gives a resumed run the settings it began with", () => {
  const run = written({ lr: 1e-4, steps: 30, shuffle: false, data: "/data/train.csv" });
  const flags = resumedFlags(
    { ...defaults, resume: true, logEvery: 5 },
    new Set(["resume", "logEvery"]),
    "runs/a",
    run,
  );
  const settings = resolveSettings(flags, { max_position_embeddings: 512 }, "siamese");
  assert.deepEqual(JSON.parse(JSON.stringify(settings)), { ...run.settings, logEvery: 5 });
  assert.deepEqual([flags.resume, flags.lr, flags.steps, flags.shuffle, flags.batchTokens], [
    true,
    1e-4,
    30,
    false,
    2048,
  ]);
});

Deno.test("resumedFlags() refuses a flag that contradicts run.json, and takes one that agrees", () => {
  const run = written({ lr: 1e-4 });
  assert.doesNotThrow(() => resumedFlags({ ...defaults, lr: 1e-4 }, new Set(["lr"]), "runs/a", run));
  assert.throws(
    () => resumedFlags({ ...defaults, lr: 2e-4 }, new Set(["lr"]), "runs/a", run),
    new UsageError("Cannot resume runs/a with --lr 0.0002: its run.json says 0.0001: leave the flag out"),
  );
  assert.throws(() => resumedFlags({ ...defaults, steps: 3 }, new Set(["steps"]), "runs/a", run), /says nothing/);
});

Deno.test("resumedChoices() refuses a run.json whose schedules this version does not know", () => {
  const run = { adapter: {}, schedules: defaultSchedules(true), data: {} };
  assert.doesNotThrow(() => resumedChoices("runs/a", run));
  assert.throws(
    () => resumedChoices("runs/a", { ...run, schedules: { texture: null } }),
    new InputError("Cannot resume runs/a: its run.json has no schedules that can be read: start again with --force"),
  );
});

Deno.test("resumedFlags() refuses a run.json that was edited into nonsense", () => {
  for (const settings of [{ lr: "fast" }, { batch: 0 }, { pairing: "both" }]) {
    assert.throws(() => resumedFlags(defaults, new Set(), "runs/a", { settings }), InputError);
  }
  assert.throws(() => resumedFlags(defaults, new Set(), "runs/a", {}), /run\.json has no settings/);
});

Deno.test("checkSameData() tells by the bytes, not by the name", () => {
  const then = { source: "/a/train.csv", sha256: "1".repeat(64), battles: 3 };
  assert.doesNotThrow(() => checkSameData("runs/a", { ...then, source: "/b/other.csv" }, then));
  assert.doesNotThrow(() => checkSameData("runs/a", undefined, undefined));
  assert.throws(() => checkSameData("runs/a", { ...then, sha256: "2".repeat(64) }, then), InputError);
  assert.throws(() => checkSameData("runs/a", undefined, then), InputError);
});

Deno.test("fileSha256() is the hash of the file's bytes", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "abc");
  assert.equal(await fileSha256(path), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert.equal(textSha256("abc"), await fileSha256(path));
  await Deno.remove(path);
  await assert.rejects(fileSha256(path), InputError);
});
