// What the engine promises beyond PyTorch's numbers: same bytes, places in a batch that do not matter, loud failures.
import assert from "node:assert/strict";
import { type PackedBatch } from "../../data/batch.ts";
import { type GpuEngine } from "../../train/gpu_engine.ts";
import { type Golden, loadGolden, packGolden } from "../golden.ts";
import { compare, testGpu } from "../kernels/harness.ts";
import { openGoldenEngine } from "./golden_engine.ts";
import { checkSame } from "../same.ts";
import { readState, stateOf } from "./state.ts";

const dropout = { hidden: 0.1, attention: 0.1, classifier: 0.1 };

async function withEngine<Result>(
  golden: Golden,
  run: (engine: GpuEngine) => Promise<Result>,
  changes: Parameters<typeof openGoldenEngine>[3] = {},
): Promise<Result> {
  const engine = await openGoldenEngine((await testGpu()).gpu, golden, golden.folder, changes);
  try {
    return await run(engine);
  } finally {
    engine.dispose();
  }
}

/** Parameters after each golden step, its micro-batches cut as `cut` says. */
async function trainedBytes(golden: Golden, engine: GpuEngine, cut: (all: number[]) => number[][]) {
  golden.steps.forEach(({ lr, microBatches }, i) => {
    const all = microBatches.flat();
    for (const indices of cut(all)) {
      engine.accumulate(packGolden(golden, indices), { step: i + 1, stepWeight: all.length });
    }
    engine.update({ step: i + 1, lr });
  });
  return (await readState(engine)).parameters;
}

for (const name of ["bert_tiles", "bert_wide_heads", "deberta_v3_concat"]) {
  const golden = await loadGolden(name);

  Deno.test(`GpuEngine gives the same bytes twice, dropout on: ${name}`, async () => {
    const run = () => withEngine(golden, (engine) => trainedBytes(golden, engine, (all) => [all]), { dropout });
    checkSame("parameters", await run(), await run());
  });

  Deno.test(`GpuEngine drops the same channels however a step is cut into micro-batches: ${name}`, async () => {
    const all = golden.steps[0].microBatches.flat();
    const run = (cut: number[][]) =>
      withEngine(golden, async (engine) => {
        for (const indices of cut) {
          engine.accumulate(packGolden(golden, indices), { step: 1, stepWeight: all.length });
        }
        const gradients = [];
        for (const { name } of engine.parameters.specs) gradients.push(...await engine.parameters.readGradient(name));
        engine.update({ step: 1, lr: 1e-3 });
        const [{ loss }] = await engine.readSteps();
        return { gradients, loss };
      }, { dropout });
    const whole = await run([all]), single = await run(all.map((index) => [index]));
    // Only the order of addition differs: a mask that depended on the cut would differ in the first digit.
    compare("gradients", single.gradients, whole.gradients, 1e-5);
    compare("loss", [single.loss], [whole.loss], 1e-6);
  });

  Deno.test(`GpuEngine trains on with the same bytes from a restored state, dropout on: ${name}`, async () => {
    const half = Math.floor(golden.steps.length / 2);
    const first = { ...golden, steps: golden.steps.slice(0, half) };
    const whole = await withEngine(golden, (engine) => trainedBytes(golden, engine, (all) => [all]), { dropout });
    const state = await withEngine(golden, async (engine) => {
      await trainedBytes(first, engine, (all) => [all]);
      return await readState(engine);
    }, { dropout });
    const resumed = await withEngine(golden, async (engine) => {
      await engine.writeState(stateOf(state));
      golden.steps.forEach(({ lr, microBatches }, i) => {
        if (i < half) return;
        const all = microBatches.flat();
        engine.accumulate(packGolden(golden, all), { step: i + 1, stepWeight: all.length });
        engine.update({ step: i + 1, lr });
      });
      return (await readState(engine)).parameters;
    }, { dropout });
    checkSame("parameters", resumed, whole);
  });

  Deno.test(`GpuEngine gives a battle the same logits to the bit, alone and among others: ${name}`, () =>
    withEngine(golden, async (engine) => {
      const all = golden.battles.map((_, i) => i).reverse();
      const together = await engine.logits(packGolden(golden, all));
      for (const [at, index] of all.entries()) {
        const alone = await engine.logits(packGolden(golden, [index]));
        assert.deepEqual([...alone], [...together.subarray(at * 3, at * 3 + 3)], `battle ${index}`);
      }
    }));
}

Deno.test("GpuEngine with the swap head exchanges the winners' probabilities to the bit when A and B are exchanged", async () => {
  const golden = await loadGolden("bert_long");
  await withEngine(golden, async (engine) => {
    const batch = packGolden(golden, golden.battles.map((_, i) => i));
    const exchanged: PackedBatch = { ...batch, sides: batch.sides.map((_, i, sides) => sides[i ^ 1]) };
    const [p, q] = [await engine.predict(batch), await engine.predict(exchanged)];
    for (let b = 0; b < batch.battles; b++) {
      assert.deepEqual([q[b * 3], q[b * 3 + 1], q[b * 3 + 2]], [p[b * 3 + 1], p[b * 3], p[b * 3 + 2]], `battle ${b}`);
      assert.ok(Math.abs(p[b * 3] + p[b * 3 + 1] + p[b * 3 + 2] - 1) < 1e-6);
    }
  });
});

Deno.test("GpuEngine of --method head leaves the backbone as it was and moves the head", async () => {
  const golden = await loadGolden("bert_long");
  await withEngine(golden, async (engine) => {
    const before = new Map((await engine.readParameters()).map(({ name, data }) => [name, data]));
    golden.steps.forEach(({ lr, microBatches }, i) => {
      const all = microBatches.flat();
      engine.accumulate(packGolden(golden, all), { step: i + 1, stepWeight: all.length });
      engine.update({ step: i + 1, lr });
    });
    for (const { name, data } of await engine.readParameters()) {
      if (name.startsWith("head.")) assert.notDeepEqual(data, before.get(name), name);
      else assert.deepEqual(data, before.get(name), name);
    }
  }, { method: "head" });
});

Deno.test("GpuEngine stops moving parameters at a step that is not finite and names the first layer", async () => {
  const golden = await loadGolden("bert_long");
  await withEngine(golden, async (engine) => {
    const batch = packGolden(golden, [0, 1]);
    engine.accumulate(batch, { step: 1, stepWeight: 2 });
    engine.update({ step: 1, lr: 1e-3 });
    const gain = "encoder.layer.1.attention.output.LayerNorm.weight";
    engine.parameters.write(gain, new Float32Array(engine.parameters.tensor(gain).size).fill(3e38));
    const { parameters } = await readState(engine);
    for (const step of [2, 3]) {
      engine.accumulate(batch, { step, stepWeight: 2 });
      engine.update({ step, lr: 1e-3 });
    }
    const records = await engine.readSteps();
    assert.deepEqual(records.map(({ finite }) => finite), [true, false, false]);
    checkSame("parameters", (await readState(engine)).parameters, parameters);
    assert.equal(await engine.firstNonFinite(batch, { step: 2 }), "encoder.layer.1.attention");
  });
});

Deno.test("GpuEngine refuses a micro-batch beyond its capacity before anything is uploaded", async () => {
  const golden = await loadGolden("bert_long");
  await withEngine(golden, async (engine) => {
    const twice = golden.battles.flatMap((_, i) => [i, i]);
    assert.throws(
      () => engine.accumulate(packGolden(golden, twice), { step: 1, stepWeight: 1 }),
      /raise --batch-tokens/,
    );
    assert.throws(() => engine.update({ step: 1, lr: 1 }), /nothing was accumulated/);
    assert.equal((await engine.readSteps()).length, 0);
  });
});

Deno.test("GpuEngine.record() refuses a micro-batch that the adapter cannot bind, and says which flag to lower", async () => {
  const golden = await loadGolden("bert_long");
  const { gpu } = await testGpu();
  const tokens = Math.floor(gpu.limits.maxStorageBufferBindingSize / 4 / 32) + 1;
  await withEngine(golden, async (engine) => {
    await assert.rejects(engine.record(), { name: "UsageError", message: /lower --batch-tokens/ });
  }, { capacity: { tokens, segments: 8, battles: 4 }, poison: false });
});
