// `memory`'s estimate against the bytes that an engine really asks WebGPU for, and what `train` says of a run that cannot fit.
import assert from "node:assert/strict";
import { type Gpu } from "../../gpu/device.ts";
import { usualGpu } from "../../gpu/planning.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { parseConfig } from "../../model/config.ts";
import { knownConfigs } from "../../model/known_configs.ts";
import { engineChoices } from "../../train/create_engine.ts";
import { type GpuEngineOptions } from "../../train/gpu_engine.ts";
import { estimateMemory, totalBytes } from "../../train/memory.ts";
import { checkMemory } from "../../train/memory_check.ts";
import { loadGolden, packGolden } from "../golden.ts";
import { testGpu } from "../kernels/harness.ts";
import { limitedGpu } from "../limited_gpu.ts";
import { goldenEngineOptions, openGoldenEngine } from "./golden_engine.ts";
import { checkSame } from "../same.ts";
import { readState } from "./state.ts";

/** The Gpu, with a count of the bytes of all storage buffers and textures made on it. */
function counting(gpu: Gpu): { gpu: Gpu; bytes: () => number } {
  let bytes = 0;
  const device = new Proxy(gpu.device, {
    get(device, name) {
      if (name === "createBuffer") {
        return (at: GPUBufferDescriptor) => {
          if (at.usage & GPUBufferUsage.STORAGE) bytes += at.size;
          return device.createBuffer(at);
        };
      }
      if (name === "createTexture") {
        return (at: GPUTextureDescriptor) => {
          const [width, height] = at.size as number[];
          bytes += width * height * 16;
          return device.createTexture(at);
        };
      }
      const value = Reflect.get(device, name, device);
      return typeof value === "function" ? value.bind(device) : value;
    },
  });
  return { gpu: { ...gpu, device }, bytes: () => bytes };
}

const lora = { rank: 4, alpha: 8, dropout: 0.1, rsLora: false, modules: ["layers.1.self_attn.v_proj"] };

const cases: [name: string, changes: Partial<GpuEngineOptions>][] = [
  ["bert_tiles", {}],
  ["bert_wide_heads", { checkpointLayers: true, dropout: { hidden: 0.1, attention: 0.1, classifier: 0.1 } }],
  ["decoder_gemma2", { checkpointLayers: true }],
  ["decoder_qwen3_swap", { method: "head" }],
  ["decoder_qwen3_swap", { method: "head", pooledOnce: true }],
  ["lora_nf4_qwen2", { method: "qlora", quant: "nf4", checkpointLayers: true, lora }],
  ["lora_qwen2", { method: "lora", precision: "f16", quant: "f16", lora }],
  ["lora_int8_llama", { method: "qlora", quant: "int8", lora: { ...lora, modules: ["layers.0.mlp.up_proj"] } }],
];

for (const [name, changes] of cases) {
  Deno.test(`estimateMemory() is what the engine allocates, to the byte: ${name} ${JSON.stringify(changes)}`, async () => {
    const golden = await loadGolden(name), counter = counting((await testGpu()).gpu);
    // Rows beyond the tile, so that textures take part.
    const capacity = { tokens: 512, segments: golden.pairing === "joint" ? 20 : 40, battles: 20 };
    const options = { ...await goldenEngineOptions(counter.gpu, golden, golden.folder), ...changes, capacity };
    const engine = await openGoldenEngine(counter.gpu, golden, golden.folder, { ...changes, capacity });
    try {
      await engine.record();
      if (changes.pooledOnce) await engine.pool(packGolden(golden, [0]));
      assert.deepEqual(estimateMemory(counter.gpu, options), engine.memory);
      assert.equal(totalBytes(engine.memory), counter.bytes());
    } finally {
      engine.dispose();
    }
  });
}

Deno.test("estimateMemory() is what the engine allocates where weights are bound in parts, and what is trained is many shards", async () => {
  const golden = await loadGolden("bert_tiles"), counter = counting((await testGpu()).gpu);
  // Below the weights of queries, keys and values, [192, 64], and above all activations.
  const gpu = limitedGpu(counter.gpu, { binding: 28 * 1024, buffer: 48 * 1024 });
  const capacity = { tokens: 32, segments: 4, battles: 2 };
  const options = { ...await goldenEngineOptions(gpu, golden, golden.folder), capacity };
  const engine = await openGoldenEngine(gpu, golden, golden.folder, { capacity });
  try {
    await engine.record();
    assert.deepEqual(estimateMemory(gpu, options), engine.memory);
    assert.equal(totalBytes(engine.memory), counter.bytes());
  } finally {
    engine.dispose();
  }
});

Deno.test("programs share their memory: predictions between micro-batches change no byte of a step, nor the steps them", async () => {
  const golden = await loadGolden("bert_wide_heads"), { gpu } = await testGpu();
  const all = golden.battles.map((_, i) => i), half = [all.slice(0, 2), all.slice(2)];
  const run = async (predicts: boolean) => {
    const engine = await openGoldenEngine(gpu, golden, golden.folder);
    try {
      await engine.record();
      const predictions: number[][] = [];
      for (const step of [1, 2]) {
        for (const indices of half) {
          engine.accumulate(packGolden(golden, indices), { step, stepWeight: all.length });
          if (predicts) predictions.push([...await engine.predict(packGolden(golden, all))]);
        }
        engine.update({ step, lr: 1e-3 });
      }
      return { losses: await engine.readSteps(), parameters: (await readState(engine)).parameters, predictions };
    } finally {
      engine.dispose();
    }
  };
  const [plain, mixed] = [await run(false), await run(true)];
  assert.deepEqual(mixed.losses, plain.losses);
  checkSame("parameters", mixed.parameters, plain.parameters);
  assert.deepEqual(mixed.predictions[0], mixed.predictions[1]);
  assert.notDeepEqual(mixed.predictions[1], mixed.predictions[2]);
});

/** MiniLM as `train` would open it. */
function miniLm(gpu: Gpu, { batchTokens }: { batchTokens: number }) {
  const id = "sentence-transformers/all-MiniLM-L6-v2", config = parseConfig(JSON.stringify(knownConfigs[id]), id);
  const choices = { pairing: "siamese", head: "swap", method: "full" } as const;
  const asked = { ...choices, config, batch: 16, batchTokens, maxTokens: 512, weightDecay: 0.01, clip: 1 };
  return { ...asked, ...engineChoices(gpu, asked), schedules: defaultSchedules(gpu.report.isCpu) };
}

Deno.test("checkMemory() names the nearest flags that fit, with what they need", () => {
  const gpu = { ...usualGpu, check() {}, dispose() {} } as unknown as Gpu;
  const options = miniLm(gpu, { batchTokens: 4096 });
  const needed = totalBytes(estimateMemory(gpu, options)) / 2 ** 30;
  checkMemory(gpu, { ...options, memoryLimit: needed + 0.001 });
  const refusal = (memoryLimit: number) => {
    let message = "";
    assert.throws(() => checkMemory(gpu, { ...options, memoryLimit }), (error: Error) => {
      message = error.message;
      return error.name === "UsageError";
    });
    return message;
  };
  assert.match(
    refusal(needed - 0.001),
    /^Cannot train with \d\.\d GB of memory: --memory-limit allows [\d.]+ GB: use --checkpoint-layers \(0\.\d GB\)$/,
  );
  assert.match(refusal(0.42), /: use --checkpoint-layers --batch-tokens 1024 \(0\.4 GB\)$/);
  assert.match(refusal(0.3), /: use --checkpoint-layers --method \w+.* \(0\.\d GB\)$/);
  assert.match(refusal(0.01), /: no flag makes it fit: use a smaller model$/);
});

Deno.test("checkMemory() takes a CPU adapter's limit from the machine, and knows none of a GPU", () => {
  const gpu = { ...usualGpu, check() {}, dispose() {} } as unknown as Gpu;
  checkMemory(gpu, miniLm(gpu, { batchTokens: 2 ** 18 }));
  const cpu = { ...gpu, report: { ...gpu.report, isCpu: true } } as Gpu;
  const real = Deno.systemMemoryInfo;
  try {
    Deno.systemMemoryInfo = () => ({ ...real(), available: 2 ** 29 });
    assert.throws(() => checkMemory(cpu, miniLm(cpu, { batchTokens: 4096 })), /this machine has 0\.5 GB free: use /);
  } finally {
    Deno.systemMemoryInfo = real;
  }
});

Deno.test("checkMemory() refuses what must lie in one buffer and does not, by its name; a table of words may be split", () => {
  const gpu = { ...usualGpu, check() {}, dispose() {} } as unknown as Gpu;
  const check = (bytes: number) => {
    const limits = { ...usualGpu.limits, maxBufferSize: bytes, maxStorageBufferBindingSize: bytes };
    const small = { ...gpu, limits } as unknown as Gpu;
    checkMemory(small, miniLm(small, { batchTokens: 1024 }));
  };
  check(2 ** 25);
  assert.throws(() => check(2 ** 20), {
    name: "UsageError",
    message: 'Cannot place "encoder.layer.0.attention.self.query.weight" and what is fused with it of 1769472 bytes: ' +
      "one buffer of this adapter holds 1048576: no flag makes it fit: use a smaller model",
  });
});
