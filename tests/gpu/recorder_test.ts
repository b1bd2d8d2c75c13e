// Recording, replaying, and the errors that WebGPU alone would swallow.
import assert from "node:assert/strict";
import { openGpu } from "../../gpu/device.ts";
import { kernel } from "../../gpu/kernel.ts";
import { PipelineCache } from "../../gpu/pipelines.ts";
import { ownedTensor, Recorder } from "../../gpu/recorder.ts";
import { readTensor, upload } from "../../gpu/transfer.ts";
import { testGpu } from "../kernels/harness.ts";

const stepFields = [{ name: "factor", type: "f32" as const }, { name: "rows", type: "u32" as const }];

const scale = kernel(
  "scale",
  `
struct Step { factor: f32, rows: u32 }
struct Size { offset: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> size: Size;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = group.y * groups.x + group.x;
  if (i < step.rows) { y[i] = x[i] * step.factor + size.offset; }
}
`,
);

Deno.test("Program replays with a changing step uniform what a fresh recording gives, past 65,535 groups", async () => {
  const { gpu, pipelines } = await testGpu();
  const rows = 70_001;
  const x = ownedTensor(gpu, [rows]), y = ownedTensor(gpu, [rows]);
  const recorder = new Recorder(gpu);
  const between = recorder.tensor([rows]);
  recorder.run(scale, "main", { read: { x }, write: { y: between }, size: { offset: 1 }, groups: (s) => s.rows });
  recorder.run(scale, "main", { read: { x: between }, write: { y }, size: { offset: 2 }, groups: (s) => s.rows });
  const program = recorder.build(pipelines, stepFields, { poison: true });
  upload(gpu, x, Float32Array.from({ length: rows }, (_, i) => i % 1000));
  for (const factor of [2, 3, 5]) {
    program.run({ factor, rows });
    const result = await readTensor(gpu, y);
    for (const i of [0, 1, 65_534, 65_535, 65_536, rows - 1]) {
      assert.equal(result[i], ((i % 1000) * factor + 1) * factor + 2, `row ${i} at factor ${factor}`);
    }
  }
  program.dispose();
  for (const tensor of [x, y]) tensor.region!.buffer.destroy();
});

Deno.test("Recorder.constant() holds its values in every replay, whatever else the memory plan places", async () => {
  const { gpu, pipelines } = await testGpu();
  const y = ownedTensor(gpu, [4]), recorder = new Recorder(gpu);
  const x = recorder.constant([4], Float32Array.of(1, 2, 3, 4), "x"), between = recorder.tensor([4]);
  const unread = recorder.constant([4], new Float32Array(4), "read by nobody");
  recorder.run(scale, "main", { read: { x }, write: { y: between }, size: { offset: 0 }, groups: (s) => s.rows });
  recorder.run(scale, "main", { read: { x: between }, write: { y }, size: { offset: 0 }, groups: (s) => s.rows });
  assert.deepEqual([x, between, y, unread].map((tensor) => recorder.uses(tensor)), [true, true, true, false]);
  const program = recorder.build(pipelines, stepFields, { poison: true });
  for (const factor of [2, 3]) {
    program.run({ factor, rows: 4 });
    assert.deepEqual([...await readTensor(gpu, y)], [1, 2, 3, 4].map((value) => value * factor * factor));
  }
  assert.throws(() => recorder.constant([4], new Float32Array(3), "x"), /with 3 values/);
  program.dispose();
  y.region!.buffer.destroy();
});

Deno.test("Recorder refuses a binding the kernel lacks, a wrong access, and a size field without value", async () => {
  const { gpu, pipelines } = await testGpu();
  const x = ownedTensor(gpu, [4]);
  const recorder = new Recorder(gpu);
  assert.throws(() => recorder.run(scale, "main", { read: { z: x }, groups: 1 }), /declares no binding "z"/);
  assert.throws(() => recorder.run(scale, "main", { read: { y: x }, groups: 1 }), /declared write, used as read/);
  recorder.run(scale, "main", { read: { x }, write: { y: recorder.tensor([4]) }, size: {}, groups: 1 });
  assert.throws(() => recorder.build(pipelines, stepFields), /field "offset" has no value/);
  x.region!.buffer.destroy();
});

Deno.test("Program refuses a step without one of its fields", async () => {
  const { gpu, pipelines } = await testGpu();
  const program = new Recorder(gpu).build(pipelines, stepFields);
  assert.throws(() => program.run({ factor: 1 }), /field "rows" has no value/);
  program.dispose();
});

Deno.test("Gpu.check() throws what WebGPU would have swallowed: a binding that nobody gave", async () => {
  const gpu = await openGpu();
  const x = ownedTensor(gpu, [4]);
  const recorder = new Recorder(gpu);
  // `main` reads `size`, which is not among the bindings of the layout.
  recorder.run(scale, "main", { read: { x }, write: { y: recorder.tensor([4]) }, groups: 1 });
  recorder.build(new PipelineCache(gpu), stepFields);
  await gpu.device.queue.onSubmittedWorkDone();
  assert.throws(() => gpu.check(), /WebGPU failed on .*/);
  gpu.dispose();
});

Deno.test("Gpu.check() throws once the device is lost, and not after dispose()", async () => {
  const lost = await openGpu();
  lost.device.destroy();
  await lost.device.lost;
  assert.throws(() => lost.check(), /the device was lost/);

  const disposed = await openGpu();
  disposed.dispose();
  await disposed.device.lost;
  disposed.check();
});

Deno.test("Recorder.tensor() refuses what one binding cannot hold and says which flag to lower", async () => {
  const { gpu } = await testGpu();
  const rows = gpu.limits.maxStorageBufferBindingSize / 4 + 1;
  assert.throws(() => new Recorder(gpu).tensor([rows, 1]), /lower --batch-tokens/);
});
