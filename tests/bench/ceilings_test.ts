// The kernels that ceilings are measured with do what they claim, and the stopwatch agrees with the clock on the wall.
import assert from "node:assert/strict";
import copySource from "../../bench/copy.wgsl" with { type: "text" };
import { fmaVariants, recordFma } from "../../bench/fma.ts";
import { noStep, openBench } from "../../bench/runs.ts";
import { openStopwatch, wallClock } from "../../bench/stopwatch.ts";
import { kernel } from "../../gpu/kernel.ts";
import { ownedTensor, Recorder } from "../../gpu/recorder.ts";
import { readTensor, upload } from "../../gpu/transfer.ts";
import { stepFields } from "../../kernels/step.ts";
import { normal, testGpu } from "../kernels/harness.ts";

Deno.test("recordFma() multiplies and adds as often as its operations say, in every variant", async () => {
  const bench = await openBench((await testGpu()).gpu, 1);
  for (const variant of fmaVariants) {
    const run = recordFma(bench, variant);
    await run.check();
    run.dispose();
  }
});

for (const { entry, LANES, per } of [{ entry: "one", LANES: 64, per: 1 }, { entry: "four", LANES: 8, per: 4 }]) {
  Deno.test(`copy.wgsl ${entry} copies every vec4f of a count that no group divides`, async () => {
    const { gpu, pipelines } = await testGpu();
    const count = 1003, from_ = ownedTensor(gpu, [count, 4]), to = ownedTensor(gpu, [count, 4]);
    const data = normal(count * 4, 7);
    upload(gpu, from_, data);
    const recorder = new Recorder(gpu);
    recorder.run(kernel("copy", copySource), entry, {
      read: { from_ },
      write: { to },
      size: { count },
      constants: { LANES },
      groups: Math.ceil(count / LANES / per),
    });
    const program = recorder.build(pipelines, stepFields);
    program.run(noStep);
    assert.deepEqual(await readTensor(gpu, to), data);
    program.dispose();
    for (const tensor of [from_, to]) tensor.region!.buffer.destroy();
  });
}

Deno.test("openStopwatch() gives laps that add up to what the clock on the wall says", async () => {
  const { gpu } = await testGpu();
  const bench = await openBench(gpu, 1);
  const run = recordFma(bench, { accumulators: 3, unrolled: 24, form: "fma" });
  const work = Array.from({ length: 20 }, () => run.run);
  const all = () => work.forEach((enqueue) => enqueue());
  const stamps = await openStopwatch(gpu), clock = wallClock(gpu);
  await stamps.laps([all]);
  const ratios: number[] = [];
  for (let round = 0; round < 5; round++) {
    const [first, second] = await stamps.laps([all, all]);
    const [wall] = await clock.laps([all], 2);
    ratios.push((first + second) / 2 / wall);
  }
  run.dispose();
  // Wide: other work on the machine slows one and not the other. A unit or a lap gone wrong is off by far more.
  const ratio = ratios.sort((a, b) => a - b)[2];
  assert.ok(ratio > 0.3 && ratio < 3, `stamps / wall clock is ${ratio}`);
});
