// Checkpoints and run folders: everything comes back, nothing half written counts, nobody's run is overwritten.
import assert from "node:assert/strict";
import { InputError, UsageError } from "../../errors.ts";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "../../train/checkpoint.ts";
import { atHand, readStored } from "../../train/engine.ts";
import { keptMetrics, openRunFolder } from "../../train/run_folder.ts";
import { readState, stateOf } from "./state.ts";

const at = (step: number, withBest = true): Checkpoint => ({
  progress: { step, validatedStep: 4, bestStep: 4, bestLogLoss: withBest ? 0.98 : null, worseValidations: 2 },
  state: stateOf({
    parameters: Float32Array.of(1, -2, step),
    firstMoments: Float32Array.of(0.1, 1e-30, 3),
    secondMoments: Float32Array.of(1e-38, 5, 6),
  }),
  ...(withBest && { best: atHand(Float32Array.of(7, 8, 9)) }),
});

async function assertRead(path: string, wanted: Checkpoint): Promise<void> {
  const arrays = async (
    { progress, state, best }: Checkpoint,
  ) => [progress, await readState({ state }), best && await readStored(best)];
  assert.deepEqual(await arrays((await readCheckpoint(path))!), await arrays(wanted));
}

async function withFolder(test: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

Deno.test("writeCheckpoint() and readCheckpoint() give back every number, with and without a best model", () =>
  withFolder(async (path) => {
    assert.equal(await readCheckpoint(path), undefined);
    await writeCheckpoint(path, at(5, false));
    await assertRead(path, at(5, false));
    await writeCheckpoint(path, at(12));
    await assertRead(path, at(12));
    assert.deepEqual(names(`${path}/checkpoint`), ["step-12"], "the earlier one is gone");
  }));

Deno.test("writeCheckpoint() replaces a checkpoint of the same step", () =>
  withFolder(async (path) => {
    await writeCheckpoint(path, at(5, false));
    await writeCheckpoint(path, at(5));
    await assertRead(path, at(5));
    assert.deepEqual(names(`${path}/checkpoint`), ["step-5"]);
  }));

Deno.test("readCheckpoint() ignores one that is half written, and finds the one that stepped aside", () =>
  withFolder(async (path) => {
    await writeCheckpoint(path, at(9));
    await Deno.mkdir(`${path}/checkpoint/step-10.partial`);
    await Deno.rename(`${path}/checkpoint/step-9`, `${path}/checkpoint/step-9.old`);
    await assertRead(path, at(9));
    await writeCheckpoint(path, at(10));
    assert.deepEqual(names(`${path}/checkpoint`), ["step-10"]);
  }));

Deno.test("readCheckpoint() refuses a damaged checkpoint with one line that names the file", () =>
  withFolder(async (path) => {
    const folder = `${path}/checkpoint/step-9`;
    const damage: [string, () => void, RegExp][] = [
      ["no JSON", () => Deno.writeTextFileSync(`${folder}/progress.json`, "{"), /progress\.json: it is no JSON/],
      ["a missing field", () => Deno.writeTextFileSync(`${folder}/progress.json`, "{}"), /step is undefined/],
      ["no progress", () => Deno.removeSync(`${folder}/progress.json`), /progress\.json: /],
      ["a torn state", () => Deno.truncateSync(`${folder}/state.safetensors`, 200), /state\.safetensors/],
      ["no state", () => Deno.removeSync(`${folder}/state.safetensors`), /state\.safetensors/],
    ];
    for (const [what, break_, message] of damage) {
      await writeCheckpoint(path, at(9));
      break_();
      await assert.rejects(readCheckpoint(path), (error: Error) => {
        assert.ok(error instanceof InputError, `${what}: ${error}`);
        assert.match(error.message, message, what);
        assert.doesNotMatch(error.message, /\n/, what);
        return true;
      });
    }
  }));

Deno.test("openRunFolder() refuses a folder that holds a run, and --force removes the run and nothing else", () =>
  withFolder(async (path) => {
    const fresh = await openRunFolder(`${path}/new/deep`, { resume: false, force: false });
    await fresh.begin({ seed: 1 }, { step: 0, validatedStep: 0 });
    await fresh.appendMetrics([{ step: 1, loss: 1 }]);
    fresh.close();
    Deno.writeTextFileSync(`${path}/new/deep/notes.txt`, "mine");
    await assert.rejects(openRunFolder(`${path}/new/deep`, { resume: false, force: false }), UsageError);
    await assert.rejects(openRunFolder(`${path}/new/deep`, { resume: true, force: true }), UsageError);
    const forced = await openRunFolder(`${path}/new/deep`, { resume: false, force: true });
    assert.ok(names(`${path}/new/deep`).includes("run.json"), "opening changes nothing");
    await forced.begin({ seed: 2 }, { step: 0, validatedStep: 0 });
    forced.close();
    assert.deepEqual(names(`${path}/new/deep`), ["metrics.jsonl", "notes.txt", "run.json"]);
    assert.equal(Deno.readTextFileSync(`${path}/new/deep/metrics.jsonl`), "");
  }));

Deno.test("openRunFolder() resumes a run only, and refuses a file in the folder's place, or what it cannot write to", () =>
  withFolder(async (path) => {
    await assert.rejects(openRunFolder(path, { resume: true, force: false }), /holds no run\.json/);
    Deno.writeTextFileSync(`${path}/run.json`, '{"seed": 3}');
    assert.deepEqual({ ...(await openRunFolder(path, { resume: true, force: false })).earlier }, { seed: 3 });
    await assert.rejects(openRunFolder(`${path}/run.json`, { resume: false, force: false }), InputError);
    const { makeTempDir } = Deno;
    Deno.makeTempDir = () =>
      Promise.reject(new Deno.errors.PermissionDenied("Permission denied (os error 13): tmpdir"));
    try {
      const opened = openRunFolder(`${path}/new/deep`, { resume: false, force: false });
      await assert.rejects(opened, (error: Error) => {
        assert.equal(
          error.message,
          `Cannot train into ${path}/new/deep: Permission denied (os error 13) in ${path}: name another --out`,
        );
        return error instanceof UsageError;
      });
    } finally {
      Deno.makeTempDir = makeTempDir;
    }
  }));

Deno.test("RunFolder.begin() of a resumed run drops lines that a kill tore, and what follows stands on lines of its own", () =>
  withFolder(async (path) => {
    Deno.writeTextFileSync(`${path}/run.json`, "{}");
    Deno.writeTextFileSync(`${path}/metrics.jsonl`, '{"step":1,"loss":1}\n{"step":2,"loss":1}\n{"step":3,"lo');
    Deno.writeTextFileSync(`${path}/times.jsonl`, '{"wait":1}\n{"wai');
    const folder = await openRunFolder(path, { resume: true, force: false });
    await folder.begin({}, { step: 1, validatedStep: 0 });
    await folder.appendMetrics([{ step: 2, loss: 3 }]);
    await folder.appendTimes({ wait: 2 });
    folder.close();
    assert.equal(Deno.readTextFileSync(`${path}/metrics.jsonl`), '{"step":1,"loss":1}\n{"step":2,"loss":3}\n');
    assert.equal(Deno.readTextFileSync(`${path}/times.jsonl`), '{"wait":1}\n{"wait":2}\n');
  }));

Deno.test("keptMetrics() cuts back to the checkpoint, its validation included only if it was done", () => {
  const lines = [
    '{"step":3,"loss":1}',
    '{"step":4,"loss":1}',
    '{"step":4,"validLogLoss":1}',
    '{"step":5,"loss":1}',
  ];
  const text = lines.join("\n") + '\n{"step":6,"lo';
  assert.equal(keptMetrics(text, { step: 4, validatedStep: 4 }), lines.slice(0, 3).join("\n") + "\n");
  assert.equal(keptMetrics(text, { step: 4, validatedStep: 2 }), lines.slice(0, 2).join("\n") + "\n");
  assert.equal(keptMetrics(text, { step: 0, validatedStep: 0 }), "");
});

Deno.test("RunFolder.begin() refuses a folder that another process trains into, and takes it once that has ended", () =>
  withFolder(async (path) => {
    const first = await openRunFolder(path, { resume: false, force: false });
    await first.begin({}, { step: 0, validatedStep: 0 });
    await first.appendMetrics([{ step: 1, loss: 1 }]);
    const second = await openRunFolder(path, { resume: false, force: true });
    const begin = () => second.begin({}, { step: 0, validatedStep: 0 });
    await assert.rejects(
      begin(),
      /^UsageError: Cannot train into .*: another process does: wait for it, or name another/,
    );
    assert.notEqual(Deno.readTextFileSync(`${path}/metrics.jsonl`), "", "nothing of it was touched");
    first.close();
    await begin();
    second.close();
  }));
