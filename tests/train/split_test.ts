// Models larger than what the adapter holds in one buffer or binding: the same training as where everything fits, to the bit where
// sums keep their order.
import assert from "node:assert/strict";
import { join } from "node:path";
import { readConfig } from "../../model/config.ts";
import { openSafetensors } from "../../model/safetensors.ts";
import { writeSafetensors } from "../../model/safetensors_write.ts";
import { newLora } from "../../train/lora_settings.ts";
import { type GpuEngine, type GpuEngineOptions } from "../../train/gpu_engine.ts";
import { readCheckpoint, startOfRun, writeCheckpoint } from "../../train/checkpoint.ts";
import { type Golden, loadGolden, norm, packGolden } from "../golden.ts";
import { compare, halfStep, testGpu } from "../kernels/harness.ts";
import { limitedGpu, type LoweredLimits } from "../limited_gpu.ts";
import { openGoldenEngine } from "./golden_engine.ts";
import { checkSame } from "../same.ts";
import { type Arrays, checkSameState, readState, stateOf } from "./state.ts";

/** Rows of words for one of the golden's. */
const SPREAD = 4;

/** The golden with short sequences, so that activations are smaller than weights, and with more words than one buffer holds. */
async function smallGolden(name: string, length: number): Promise<{ golden: Golden; folder: string }> {
  const golden = await loadGolden(name), folder = await Deno.makeTempDir(), words = "embeddings.word_embeddings.weight";
  globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  const config = JSON.parse(await Deno.readTextFile(join(golden.folder, "config.json")));
  config.vocab_size *= SPREAD;
  await Deno.writeTextFile(join(folder, "config.json"), JSON.stringify(config));
  const file = await openSafetensors(join(golden.folder, "model.safetensors"));
  const tensors = await Promise.all([...file.tensors].map(async ([name, { shape }]) => {
    const data = await file.readF32(name);
    if (name !== words) return { name, shape, data };
    const [rows, width] = shape, spread = new Float32Array(SPREAD * data.length);
    for (let i = 0; i < SPREAD * rows; i++) {
      const row = Math.floor(i / SPREAD);
      spread.set(data.subarray(row * width, (row + 1) * width).map((value) => value * (1 + i % SPREAD)), i * width);
    }
    return { name, shape: [SPREAD * rows, width], data: spread };
  }));
  file.close();
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  const battles = golden.battles.map((battle) => ({
    ...battle,
    sequences: battle.sequences.map(({ side, inputIds, tokenTypeIds }) => ({
      side,
      inputIds: inputIds.slice(0, length).map((id, i) => id * SPREAD + i % SPREAD),
      tokenTypeIds: tokenTypeIds.slice(0, length),
    })),
  }));
  return { golden: { ...golden, battles }, folder };
}

const steps = [[0, 2], [3, 4], [1, 3]];

/** Takes the steps from `first` to before `last`, a battle at a time. */
function train(engine: GpuEngine, golden: Golden, first = 0, last = steps.length): void {
  steps.slice(first, last).forEach((indices, i) => {
    const step = first + i + 1;
    for (const index of indices) {
      engine.accumulate(packGolden(golden, [index]), { step, stepWeight: indices.length });
    }
    engine.update({ step, lr: 1e-3 });
  });
}

async function withLimits<Result>(
  golden: Golden,
  limits: LoweredLimits,
  changes: Partial<GpuEngineOptions>,
  run: (engine: GpuEngine) => Promise<Result>,
): Promise<Result> {
  const { gpu } = await testGpu(), engine = await openGoldenEngine(limitedGpu(gpu, limits), golden, folder, changes);
  try {
    return await run(engine);
  } finally {
    engine.dispose();
  }
}

async function trained(golden: Golden, limits: LoweredLimits, changes: Partial<GpuEngineOptions>) {
  return await withLimits(golden, limits, changes, async (engine) => {
    const before = await readState(engine);
    train(engine, golden);
    const records = await engine.readSteps();
    const shards = engine.parameters.flat.length, parameters = await engine.readParameters();
    return { before, state: await readState(engine), records, shards, parameters, memory: engine.memory };
  });
}

/** 10 tokens a side: activations of 15 KiB at most, beside weights of 16 to 48. */
const { golden, folder } = await smallGolden("bert_tiles", 10), capacity = { tokens: 20, segments: 2, battles: 1 };
const optimizer = { weightDecay: 0.1, betas: [0.9, 0.999] as const, eps: 1e-8 };
/** Without clipping no parameter depends on the norm, whose sum is over other blocks where the shards are others. */
const unclipped = { capacity, optimizer: { ...optimizer, clip: 0 } };
let unsplit: ReturnType<typeof trained> | undefined;
const inOneBuffer = () => unsplit ??= trained(golden, {}, unclipped);
/** Those of the largest weight, so that no product is of parts; the table of words, 72 KiB, is in two buffers. */
const whole = { buffer: 192 * 64 * 4, binding: 192 * 64 * 4 };

Deno.test("GpuEngine with trained parameters in shards moves them to the same bytes as in one buffer", async () => {
  const [one, split] = [await inOneBuffer(), await trained(golden, whole, unclipped)];
  assert.deepEqual([one.shards, split.shards], [1, 8]);
  checkSameState(split.state, one.state);
  one.parameters.forEach(({ name, data }, i) => checkSame(name, split.parameters[i].data, data));
  assert.deepEqual(split.memory, one.memory);
  const lossesOf = ({ records }: typeof one) => records.map(({ loss }) => loss);
  const normsOf = ({ records }: typeof one) => records.map(({ gradNorm }) => gradNorm);
  assert.deepEqual(lossesOf(split), lossesOf(one));
  compare("norms", normsOf(split), normsOf(one), 1e-6);
});

/** Below the fused projections and the feed-forward weights; the table of words is in five buffers. */
const inParts = { buffer: 192 * 64 * 4, binding: 64 * 64 * 4 };

/** How far both have moved apart, as a share of the way from the start. */
function checkTogether(actual: Arrays, expected: Arrays, start: Arrays, rtol: number): void {
  const apart = norm(actual.parameters.map((value, i) => value - expected.parameters[i]));
  const way = norm(expected.parameters.map((value, i) => value - start.parameters[i]));
  assert.ok(apart < rtol * way, `parameters are ${apart / way} of their way apart, more than ${rtol}`);
}

Deno.test("GpuEngine with trained tensors bound in parts of rows trains as with whole ones", async () => {
  // An eps above the gradients that are zero but for rounding (BERT's key biases): AdamW would make whole steps of the rounding.
  const clipped = { capacity, optimizer: { ...optimizer, clip: 1, eps: 1e-3 } };
  const [one, split] = [await trained(golden, {}, clipped), await trained(golden, inParts, clipped)];
  assert.deepEqual([one.shards, split.shards], [1, 16]);
  // The forward pass keeps its order of sums; gradients of inputs are sums over rows in parts.
  assert.equal(split.records[0].loss, one.records[0].loss);
  for (const key of ["loss", "gradNorm"] as const) {
    compare(key, split.records.map((record) => record[key]), one.records.map((record) => record[key]), 1e-6);
  }
  checkTogether(split.state, one.state, one.before, 1e-5);
});

const config = await readConfig(folder);
const frozen: [base: string, rtol: number, changes: Partial<GpuEngineOptions>][] = [
  // Rounded once more: a gradient of inputs after each part, and what GELU is taken of, which waits for the adapters.
  ["f16", 2 * halfStep, { method: "lora", precision: "f16", quant: "f16" }],
  ["nf4", 1e-6, { method: "qlora", quant: "nf4" }],
  ["int8", 1e-6, { method: "qlora", quant: "int8" }],
];

for (const [base, rtol, changes] of frozen) {
  Deno.test(`adapters on weights in ${base} that are bound in parts of rows train as on whole ones`, async () => {
    const lora = newLora({ loraRank: 4, loraDropout: 0 }, { config, pairing: golden.pairing });
    const all = { ...changes, lora, capacity, optimizer: { ...optimizer, clip: 1, eps: 1e-3 } };
    const run = async (limits: LoweredLimits) => {
      const { gpu } = await testGpu();
      const engine = await openGoldenEngine(limitedGpu(gpu, limits), golden, folder, all);
      const logits = await engine.logits(packGolden(golden, [0])), start = await readState(engine);
      train(engine, golden, 0, 2);
      const records = await engine.readSteps(), state = await readState(engine);
      engine.dispose();
      return { logits, records, state, start };
    };
    const [one, split] = [await run({}), await run(inParts)];
    checkSame("logits", split.logits, one.logits);
    for (const key of ["loss", "gradNorm"] as const) {
      compare(key, split.records.map((record) => record[key]), one.records.map((record) => record[key]), rtol);
    }
    checkTogether(split.state, one.state, one.start, 5 * rtol);
  });
}

Deno.test("a checkpoint written by shards is that of one buffer to the byte, and either goes on from it", async () => {
  const runs = await Deno.makeTempDir();
  try {
    const written = async (limits: LoweredLimits, name: string) => {
      const path = join(runs, name);
      await withLimits(golden, limits, unclipped, async (engine) => {
        train(engine, golden, 0, 2);
        await writeCheckpoint(path, { state: engine.state, progress: { ...startOfRun(), step: 2 } });
      });
      return path;
    };
    const paths = [await written({}, "one"), await written(whole, "split")];
    const bytes = paths.map((path) => Deno.readFileSync(`${path}/checkpoint/step-2/state.safetensors`));
    checkSame("state.safetensors", bytes[1], bytes[0]);
    const { state: wanted } = await inOneBuffer();
    for (const limits of [{}, whole]) {
      await withLimits(golden, limits, unclipped, async (engine) => {
        const { state } = (await readCheckpoint(paths[1]))!;
        await engine.writeState(stateOf(await readState({ state })));
        train(engine, golden, 2);
        checkSameState(await readState(engine), wanted);
      });
    }
  } finally {
    await Deno.remove(runs, { recursive: true });
  }
});
