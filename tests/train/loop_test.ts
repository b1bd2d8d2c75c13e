// The loop with a small engine on the CPU: what it writes, when it stops, and that a killed run ends with the same bytes.
import assert from "node:assert/strict";
import { readCheckpoint } from "../../train/checkpoint.ts";
import { type LoopOptions, type LoopResult, runLoop } from "../../train/loop.ts";
import { openRunFolder } from "../../train/run_folder.ts";
import { root } from "../imports.ts";
import { fakeData, fakeValidate } from "./fake_data.ts";
import { FakeEngine } from "./fake_engine.ts";
import { fakeSettings } from "./fake_run.ts";

async function withFolder(test: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

async function run(path: string, options: Partial<LoopOptions> = {}): Promise<LoopResult & { engine: FakeEngine }> {
  const engine = (options.engine ?? new FakeEngine()) as FakeEngine;
  const folder = await openRunFolder(path, { resume: false, force: true });
  await folder.begin({}, { step: 0, validatedStep: 0 });
  try {
    const given = { data: fakeData, validate: fakeValidate, settings: fakeSettings, ...options };
    return { ...await runLoop({ ...given, engine, folder }), engine };
  } finally {
    folder.close();
  }
}

const parametersOf = async (engine: FakeEngine) => (await engine.readParameters())[0].data;

// deno-lint-ignore no-explicit-any
function metrics(path: string): any[] {
  return Deno.readTextFileSync(`${path}/metrics.jsonl`).trim().split("\n").map((line) => JSON.parse(line));
}

/** Metrics without what a clock decides. */
const timeless = (path: string) => metrics(path).map(({ ms: _ms, ...row }) => row);

Deno.test("runLoop() writes a row for each step and each validation, and learns", () =>
  withFolder(async (path) => {
    const { outcome, progress } = await run(path);
    assert.equal(outcome, "finished");
    const steps = metrics(path).filter((row) => "loss" in row);
    const validations = metrics(path).filter((row) => "validLogLoss" in row);
    assert.deepEqual(steps.map((row) => row.step), Array.from({ length: 20 }, (_, i) => i + 1));
    assert.deepEqual(Object.keys(steps[0]), ["step", "loss", "lr", "gradNorm", "accuracy", "tokens", "ms"]);
    assert.deepEqual(validations.map((row) => row.step), [4, 8, 12, 16, 20]);
    assert.equal(steps[0].lr, 0, "warm-up begins at 0");
    const mean = (from: number) => steps.slice(from, from + 5).reduce((sum, row) => sum + row.loss, 0) / 5;
    assert.ok(mean(15) < mean(0), `the loss went from ${mean(0)} to ${mean(15)}`);
    assert.equal(progress.bestLogLoss, Math.min(...validations.map((row) => row.validLogLoss)));
  }));

Deno.test("runLoop() keeps at most two steps in flight and does not read each one", () =>
  withFolder(async (path) => {
    const settings = { ...fakeSettings, logEvery: 10, validateEvery: 100, checkpointEvery: 100 };
    const { engine } = await run(path, { settings });
    assert.equal(engine.mostInFlight, 2);
    assert.ok(engine.reads < 7, `${engine.reads} reads in 20 steps`);
  }));

Deno.test("runLoop() ends with the parameters of the best validation", () =>
  withFolder(async (path) => {
    let call = 0;
    const seen: Float32Array[] = [];
    const engine = new FakeEngine();
    await run(path, {
      engine,
      validate: async () => {
        seen.push(await parametersOf(engine));
        return { logLoss: [1, 0.7, 0.9, 0.8, 0.75][call++], accuracy: 0.5 };
      },
    });
    assert.deepEqual(await parametersOf(engine), seen[1]);
    assert.notDeepEqual(await parametersOf(engine), seen[4]);
  }));

Deno.test("runLoop() stops when --patience validations brought nothing better", () =>
  withFolder(async (path) => {
    let call = 0;
    const scores = [1, 0.7, 0.9, 0.8, 0.75];
    const { outcome, progress } = await run(path, {
      settings: { ...fakeSettings, patience: 2 },
      validate: () => Promise.resolve({ logLoss: scores[call++], accuracy: 0.5 }),
    });
    assert.equal(outcome, "out of patience");
    assert.deepEqual([progress.step, progress.bestStep, progress.worseValidations], [16, 8, 2]);
  }));

Deno.test("runLoop() of --steps 0 changes nothing and validates nothing", () =>
  withFolder(async (path) => {
    const { engine, outcome } = await run(path, { settings: { ...fakeSettings, steps: 0 } });
    assert.equal(outcome, "finished");
    assert.deepEqual(await parametersOf(engine), await parametersOf(new FakeEngine()));
    assert.equal(Deno.readTextFileSync(`${path}/metrics.jsonl`), "");
  }));

Deno.test("runLoop() without a validation validates nothing and keeps the last parameters", () =>
  withFolder(async (path) => {
    const { progress } = await run(path, { validate: undefined });
    assert.deepEqual([progress.step, progress.bestLogLoss], [20, null]);
  }));

Deno.test("runLoop() advises against f16 where a run in it stops", () =>
  withFolder((path) =>
    assert.rejects(
      run(path, { engine: new FakeEngine({ breakAtStep: 8 }), settings: { ...fakeSettings, precision: "f16" } }),
      /: leave --precision f16 out, or lower --lr$/,
    )
  ));

Deno.test("runLoop() stops at a loss that is not finite and keeps the checkpoint before it", () =>
  withFolder(async (path) => {
    await assert.rejects(
      run(path, { engine: new FakeEngine({ breakAtStep: 8 }) }),
      /^Error: Cannot go on after step 7: the loss of step 8 is NaN, .*: the checkpoint of step 6 is kept: lower --lr$/,
    );
    assert.equal((await readCheckpoint(path))!.progress.step, 6);
    assert.deepEqual(metrics(path).filter((row) => "loss" in row).at(-1).step, 7);
  }));

async function spawn(path: string, ...flags: string[]): Promise<{ signal: string | null; out: string }> {
  const output = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-read",
      "--allow-write",
      "--allow-run",
      "tests/train/fake_run.ts",
      path,
      ...flags,
    ],
    cwd: root,
    stderr: "inherit",
  }).output();
  return { signal: output.signal, out: new TextDecoder().decode(output.stdout) };
}

Deno.test("runLoop() killed at any moment and resumed ends with the same bytes", () =>
  withFolder(async (path) => {
    await spawn(`${path}/whole`);
    const expected = Deno.readFileSync(`${path}/whole/final.bin`);
    const deaths = [["--kill", "1"], ["--kill", "3"], ["--kill", "7"], ["--kill", "13"], ["--kill", "20"]];
    for (const death of [...deaths, ["--during-checkpoint", "3"], ["--during-checkpoint", "12"]]) {
      const folder = `${path}/${death.join("")}`;
      assert.equal((await spawn(folder, ...death)).signal, "SIGKILL", death.join(" "));
      const { out } = await spawn(folder, "--resume");
      assert.equal(JSON.parse(out).outcome, "finished");
      assert.deepEqual(Deno.readFileSync(`${folder}/final.bin`), expected, death.join(" "));
      assert.deepEqual(timeless(folder), timeless(`${path}/whole`), death.join(" "));
      assert.deepEqual([...Deno.readDirSync(`${folder}/checkpoint`)].map(({ name }) => name), ["step-20"]);
    }
  }));

Deno.test("runLoop() interrupted, three times even, ends with a checkpoint from which it goes on to the same bytes", () =>
  withFolder(async (path) => {
    await spawn(`${path}/whole`);
    const folder = `${path}/interrupted`;
    // At step 8 a validation is due, at step 20 the last one: they are left to the resumed run.
    for (const [step, ...flags] of [["5"], ["8", "--resume"], ["20", "--resume"]]) {
      const { out } = await spawn(folder, "--interrupt", step, ...flags);
      const { outcome, progress } = JSON.parse(out);
      assert.deepEqual([outcome, progress.step], ["stopped", Number(step)]);
      assert.equal((await readCheckpoint(folder))!.progress.step, Number(step));
    }
    await spawn(folder, "--resume");
    assert.deepEqual(Deno.readFileSync(`${folder}/final.bin`), Deno.readFileSync(`${path}/whole/final.bin`));
    assert.deepEqual(timeless(folder), timeless(`${path}/whole`));
  }));
