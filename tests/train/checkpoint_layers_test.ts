// `--checkpoint-layers`: the same bytes as without it, from less memory.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ownedTensor, Recorder } from "../../gpu/recorder.ts";
import { add } from "../../kernels/add.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { stepFields } from "../../kernels/step.ts";
import { Tape } from "../../kernels/tape.ts";
import { tanh } from "../../kernels/tanh.ts";
import { loadGolden, packGolden } from "../golden.ts";
import { testGpu } from "../kernels/harness.ts";
import { openGoldenEngine } from "./golden_engine.ts";
import { readState } from "./state.ts";

const dropout = { hidden: 0.1, attention: 0.1, classifier: 0.1 };

/** A failure names the tensor; the difference of two large arrays would take a minute to print. */
function digest(values: Float32Array): string {
  return createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex").slice(0, 12);
}

/** Everything a run computes from two optimizer steps of two micro-batches each. */
async function train(name: string, checkpointLayers: boolean) {
  const golden = await loadGolden(name);
  const changes = { dropout, checkpointLayers };
  const engine = await openGoldenEngine((await testGpu()).gpu, golden, golden.folder, changes);
  try {
    const all = golden.battles.map((_, i) => i), half = Math.ceil(all.length / 2);
    const gradients: Record<string, string> = {};
    for (const step of [1, 2]) {
      for (const indices of [all.slice(0, half), all.slice(half)]) {
        engine.accumulate(packGolden(golden, indices), { step, stepWeight: all.length });
      }
      for (const { name } of engine.parameters.specs) {
        gradients[`${step} ${name}`] = digest(await engine.parameters.readGradient(name));
      }
      engine.update({ step, lr: 1e-3 });
    }
    const losses = await engine.readSteps();
    return { losses, gradients, parameters: digest((await readState(engine)).parameters) };
  } finally {
    engine.dispose();
  }
}

// Post-norm with dropout everywhere; pre-norm with causal, capped attention and its own dropout; a siamese pair; tables that all layers share.
for (const name of ["bert_tiles", "bert_wide_heads", "decoder_gemma2", "decoder_qwen3_swap", "deberta_v2_xlarge"]) {
  Deno.test(`--checkpoint-layers gives the same losses, gradients and weights to the bit, dropout on: ${name}`, async () => {
    const [plain, checkpointed] = [await train(name, false), await train(name, true)];
    assert.deepEqual(checkpointed, plain);
  });
}

/** Bytes of a backward pass through `layers` blocks of two tanh and a residual on [1024, 64], and its dispatches. */
async function planned(layers: number, checkpointLayers: boolean) {
  const { gpu, pipelines } = await testGpu();
  const recorder = new Recorder(gpu), shape = [1024, 64];
  const [input, gradient, seed] = [1, 2, 3].map(() => ownedTensor(gpu, shape));
  const parameterGradients = new Map([[input, gradient]]);
  const schedules = defaultSchedules(gpu.report.isCpu);
  const tape = new Tape(recorder, { schedules, parameterGradients, checkpointLayers });
  let x = input;
  for (let layer = 0; layer < layers; layer++) {
    x = tape.checkpoint(x, (x) => add(tape, x, tanh(tape, tanh(tape, x))));
  }
  tape.setGrad(x, seed);
  tape.backward();
  const program = recorder.build(pipelines, stepFields);
  program.dispose();
  for (const tensor of [input, gradient, seed]) tensor.region!.buffer.destroy();
  return { tensors: program.bytes / (1024 * 64 * 4), dispatches: program.dispatches };
}

Deno.test("Tape.checkpoint() keeps one tensor a block, and computes nothing again that no gradient needs", async () => {
  const [plain, checkpointed] = [await planned(12, false), await planned(12, true)];
  // Both tanh of each block stay for their backward; the sums do not.
  assert.ok(plain.tensors >= 24, `${plain.tensors} tensors without`);
  assert.ok(checkpointed.tensors <= 12 + 6, `${checkpointed.tensors} tensors with checkpoints`);
  // Again: two tanh a block, not their sum, which only the next block reads.
  assert.equal(checkpointed.dispatches - plain.dispatches, 24);
});
