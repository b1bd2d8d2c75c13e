// The file of measured schedules: measured once, damaged files replaced, other adapters' entries kept.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Gpu } from "../../gpu/device.ts";
import { defaultSchedules, isSchedules } from "../../kernels/schedules.ts";
import { shapeClass } from "../../kernels/shape_classes.ts";
import { tunedSchedules } from "../../train/schedule_cache.ts";

const adapter = (name: string) => ({ report: { name, driver: "1", isCpu: true, features: [] } }) as unknown as Gpu;
const answer = { schedules: defaultSchedules(true), rates: { NT: 1.5, NN: 2.5, TN: 3.5 } };

async function inFolder(run: (folder: string, path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(join(folder, "cache"), join(folder, "cache", "schedules.json"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const tile = answer.schedules.tile.NT;
const small = shapeClass("NT", [32, 384, 384]), large = shapeClass("NT", [2048, 384, 384]);

/** Runs and counts measurements and notices. */
async function tune(name: string, folder: string | undefined, fresh = false) {
  const { measured, notices } = await tuneClasses(name, folder, [], fresh);
  return { measured, notices };
}

/** The same, and tells which classes were measured. */
async function tuneClasses(name: string, folder: string | undefined, classes: readonly string[], fresh = false) {
  let measured = 0;
  const notices: string[] = [], measuredClasses: string[] = [];
  const choice = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, { texture: null, tile }]));
  const { kept, ...result } = await tunedSchedules(adapter(name), {
    folder,
    fresh,
    classes,
    onNotice: (line) => notices.push(line),
    measure: {
      schedules: () => Promise.resolve((measured++, answer)),
      classes: (_, names) => Promise.resolve((measuredClasses.push(...names), choice(names))),
    },
  });
  assert.deepEqual(result, { ...answer, schedules: { ...answer.schedules, classes: choice(classes) } });
  assert.equal(kept, folder !== undefined && existsSync(join(folder, "schedules.json")));
  return { measured, notices, classes: measuredClasses };
}

Deno.test("tunedSchedules() measures an adapter once, and again when told to or when it is another", () =>
  inFolder(async (folder) => {
    assert.deepEqual(await tune("one", folder), { measured: 1, notices: [] });
    assert.deepEqual(await tune("one", folder), { measured: 0, notices: [] });
    assert.deepEqual(await tune("two", folder), { measured: 1, notices: [] });
    assert.deepEqual(await tune("one", folder), { measured: 0, notices: [] });
    assert.deepEqual(await tune("one", folder, true), { measured: 1, notices: [] });
  }));

Deno.test("tunedSchedules() measures a class of products once, keeps it beside the others, and all of them again when told to", () =>
  inFolder(async (folder) => {
    assert.deepEqual(await tuneClasses("one", folder, [small]), { measured: 1, notices: [], classes: [small] });
    assert.deepEqual(await tuneClasses("one", folder, [large]), { measured: 0, notices: [], classes: [large] });
    assert.deepEqual(await tuneClasses("one", folder, [large, small]), { measured: 0, notices: [], classes: [] });
    const again = await tuneClasses("one", folder, [small], true);
    assert.deepEqual([again.measured, new Set(again.classes)], [1, new Set([small, large])]);
  }));

Deno.test("tunedSchedules() replaces a damaged file with a note and goes on", () =>
  inFolder(async (folder, path) => {
    await tune("one", folder);
    for (const text of ["", "{", "[]", "null"]) {
      await Deno.writeTextFile(path, text);
      const { measured, notices } = await tune("one", folder);
      assert.equal(measured, 1, text);
      assert.match(notices.join(), /is damaged and will be replaced/);
      assert.deepEqual(await tune("one", folder), { measured: 0, notices: [] });
    }
  }));

Deno.test("tunedSchedules() measures anew where an entry is not one of ours, and keeps those of other adapters", () =>
  inFolder(async (folder, path) => {
    await tune("one", folder);
    await tune("two", folder);
    const entries = JSON.parse(await Deno.readTextFile(path));
    const key = Object.keys(entries).find((name) => name.startsWith("one"))!;
    const { schedules } = entries[key];
    const wrong = [
      { ...schedules, texture: { ...schedules.texture, NT: { ...schedules.texture.NT, rows: 7 } } },
      { ...schedules, classes: { [small]: { texture: null } } },
      { ...schedules, classes: { "NT M<=63 N>512 K>512": { texture: null, tile } } },
    ];
    for (const schedules of wrong) {
      await Deno.writeTextFile(path, JSON.stringify({ ...entries, [key]: { ...entries[key], schedules } }));
      const { measured, notices } = await tune("one", folder);
      assert.equal(measured, 1);
      assert.match(notices.join(), /no schedules for this adapter that can be read/);
    }
    assert.deepEqual(await tune("two", folder), { measured: 0, notices: [] });
  }));

Deno.test("tunedSchedules() without a folder measures every time and writes nothing", async () => {
  assert.deepEqual(await tune("one", undefined), { measured: 1, notices: [] });
  assert.deepEqual(await tune("one", undefined), { measured: 1, notices: [] });
});

Deno.test("isSchedules() takes what defaultSchedules() gives and refuses tiles that no kernel has", () => {
  const schedules = defaultSchedules(true);
  assert.ok(isSchedules(schedules));
  assert.ok(isSchedules(JSON.parse(JSON.stringify(defaultSchedules(false)))));
  for (const tile of [null, {}, { rows: 6, columns: 4, group: [8, 1] }, { rows: 16, columns: 4, group: [8] }]) {
    assert.ok(!isSchedules({ ...schedules, texture: { ...schedules.texture, TN: tile } }), JSON.stringify(tile));
  }
});

Deno.test("tunedSchedules() goes on where its file cannot be written, and says so", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(folder, "no folder");
    const { measured, notices } = await tune("one", folder);
    assert.equal(measured, 1);
    assert.match(notices.at(-1)!, /^The schedules are not kept for other runs: /);
  }));
