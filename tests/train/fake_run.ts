// A run of the loop with the fake engine in a process of its own, so that a test can have it killed:
//   fake_run.ts FOLDER [--resume] [--kill STEP] [--during-checkpoint STEP] [--interrupt STEP]
// Prints the outcome and writes the final parameters to FOLDER/final.bin.
import { readCheckpoint } from "../../train/checkpoint.ts";
import { type LoopSettings, runLoop } from "../../train/loop.ts";
import { openRunFolder } from "../../train/run_folder.ts";
import { fakeData, fakeValidate } from "./fake_data.ts";
import { FakeEngine } from "./fake_engine.ts";

export const fakeSettings: LoopSettings = {
  schedule: "linear",
  lr: 0.05,
  warmup: 0.1,
  epochs: 4,
  validateEvery: 4,
  checkpointEvery: 3,
  logEvery: 3,
};

if (import.meta.main) {
  const [path, ...flags] = Deno.args;
  const at = (flag: string) => flags.includes(flag) ? Number(flags[flags.indexOf(flag) + 1]) : undefined;
  const die = () => Deno.kill(Deno.pid, "SIGKILL");
  const interrupt = new AbortController();
  const engine = new FakeEngine({
    beforeUpdate(step) {
      if (step === at("--kill")) die();
      if (step === at("--interrupt")) interrupt.abort();
    },
  });
  const folder = await openRunFolder(path, { resume: flags.includes("--resume"), force: false });
  const checkpoint = folder.earlier ? await readCheckpoint(path) : undefined;
  await folder.begin({ fake: true }, checkpoint?.progress ?? { step: 0, validatedStep: 0 });
  if (at("--during-checkpoint") !== undefined) {
    // The process dies when the checkpoint of that step is half written.
    const rename = Deno.rename;
    Deno.rename = async (from, to) => {
      if (String(from).endsWith(`step-${at("--during-checkpoint")}.partial`)) die();
      await rename(from, to);
    };
  }
  const result = await runLoop({
    engine,
    data: fakeData,
    validate: fakeValidate,
    settings: fakeSettings,
    folder,
    checkpoint,
    stop: interrupt.signal,
  });
  folder.close();
  const [{ data }] = await engine.readParameters();
  await Deno.writeFile(`${path}/final.bin`, new Uint8Array(data.buffer));
  console.log(JSON.stringify(result));
}
