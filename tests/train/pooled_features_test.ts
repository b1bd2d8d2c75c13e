// Uses the GPU: a head trained on rows that were pooled once is the head trained through the backbone.
import assert from "node:assert/strict";
import type { EncodedBattle } from "../../data/dataset.ts";
import { answerCounts, type NumberSet } from "../../data/numbers.ts";
import { packBatch } from "../../data/packed_batch.ts";
import { poolAll } from "../../train/pooled_features.ts";
import { inFolder } from "../cli/command_line.ts";
import { loadGolden } from "../golden.ts";
import { testGpu } from "../kernels/harness.ts";
import { openGpuEngine } from "../../train/gpu_engine.ts";
import { goldenEngineOptions, openGoldenEngine } from "./golden_engine.ts";
import { readState } from "./state.ts";

const golden = await loadGolden("bert_long");

const battles = golden.battles.map(({ sequences }, index): EncodedBattle => ({
  index,
  id: `${index}`,
  row: index + 2,
  sequences: sequences.map(({ side, inputIds, tokenTypeIds }) => ({
    side,
    inputIds: Uint32Array.from(inputIds),
    tokenTypeIds: Uint8Array.from(tokenTypeIds),
    answerStarts: [1],
    wholeTokens: [1],
  })),
  tokens: sequences.reduce((sum, { inputIds }) => sum + inputIds.length, 0),
  segments: sequences.length,
  label: (index % 3) as 0 | 1 | 2,
}));

/** The parameters after three steps, and predictions; half of the battles exchanged. */
async function trained(pooledOnce: boolean, cache?: string, adapters?: string, features: NumberSet = "none") {
  const { gpu } = await testGpu();
  const changes = { method: "head", pooledOnce, features } as const;
  const engine = features === "none"
    ? await openGoldenEngine(gpu, golden, golden.folder, changes)
    : await openGpuEngine({ ...await goldenEngineOptions(gpu, golden, golden.folder), ...changes });
  try {
    const numbers = (row: number) =>
      Float32Array.from({ length: 2 * answerCounts.length + 1 }, (_, at) => (row + at) % 3);
    const own = battles.map((battle, row) => ({
      ...battle,
      sequences: battle.sequences.map((one) => ({ ...one })),
      ...(features === "length" && { numbers: numbers(row) }),
    }));
    const notices: string[] = [];
    if (pooledOnce) {
      const created = { engine, adapter: gpu.report };
      await poolAll(own, { base: golden.folder, adapters, created, cache, onNotice: (line) => notices.push(line) });
    }
    const places = own.map((_, at) => at);
    for (let step = 1; step <= 3; step++) {
      const batch = packBatch(own, { battles: places, swapped: places.map((at) => at % 2 === 0) });
      assert.equal(batch.pooled !== undefined, pooledOnce);
      engine.accumulate(batch, { step, stepWeight: own.length });
      engine.update({ step, lr: 0.1 });
    }
    const { parameters } = await readState(engine);
    const probabilities = await engine.predict(packBatch(own, { battles: places, swapped: places.map(() => false) }));
    return { notices: notices.length, parameters: [...parameters], probabilities: [...probabilities] };
  } finally {
    engine.dispose();
  }
}

Deno.test("a head trained on rows pooled once is the head trained through the backbone, to the bit, also from the cache", () =>
  inFolder(async (cache) => {
    const { notices: _, ...through } = await trained(false);
    const first = await trained(true, cache), second = await trained(true, cache);
    assert.deepEqual([first.notices, second.notices], [1, 0]);
    for (const { notices: _, ...once } of [first, second]) assert.deepEqual(once, through);
  }));

Deno.test("a head with numbers beside the text is the same too: the backbone that reads once knows of none", () =>
  inFolder(async (cache) => {
    const [through, once] = [
      await trained(false, cache, undefined, "length"),
      await trained(true, cache, undefined, "length"),
    ];
    assert.deepEqual({ ...once, notices: 0 }, through);
  }));

Deno.test("poolAll() computes rows again where the cache holds half of them", () =>
  inFolder(async (cache) => {
    const first = await trained(true, cache);
    const [{ name }] = Deno.readDirSync(`${cache}/pooled`);
    Deno.truncateSync(`${cache}/pooled/${name}`, 64);
    assert.deepEqual(await trained(true, cache), first);
  }));

Deno.test("poolAll() does not take the rows of a backbone for those of the same one with adapters", () =>
  inFolder(async (cache) => {
    Deno.mkdirSync(`${cache}/adapters`);
    Deno.writeTextFileSync(`${cache}/adapters/adapter_model.safetensors`, "weights");
    assert.equal((await trained(true, cache)).notices, 1);
    assert.equal((await trained(true, cache, `${cache}/adapters`)).notices, 1, "computed anew");
    Deno.writeTextFileSync(`${cache}/adapters/adapter_model.safetensors`, "other weights");
    assert.equal((await trained(true, cache, `${cache}/adapters`)).notices, 1, "computed anew");
  }));

Deno.test("poolAll() goes on where the cache cannot be written, and says so", () =>
  inFolder(async (cache) => {
    Deno.writeTextFileSync(`${cache}/file`, "");
    assert.equal((await trained(true, `${cache}/file`)).notices, 2);
  }));
