// Which copies into textures a tape makes: one of a tensor as long as its values stay, none that outlives what it saves.
import assert from "node:assert/strict";
import { ownedTensor, Recorder } from "../../gpu/recorder.ts";
import { add } from "../../kernels/add.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { Tape } from "../../kernels/tape.ts";
import { testGpu } from "./harness.ts";

async function open(checkpointLayers = false) {
  const { gpu } = await testGpu();
  const tape = new Tape(new Recorder(gpu), { schedules: defaultSchedules(true), checkpointLayers });
  const activation = (label: string) => tape.recorder.tensor([4, 64], { live: "tokens", label, requiresGrad: true });
  return { gpu, tape, activation };
}

Deno.test("Tape.texture() copies an activation once, and again after something was written to it", async () => {
  const { tape, activation } = await open();
  const x = activation("x"), y = add(tape, x, activation("a"));
  const [ofX, ofY] = [tape.texture(x), tape.texture(y)];
  tape.onBackward(y, (dy) => {
    assert.equal(tape.texture(x), ofX, "the backward pass reads the copy of the forward pass");
    const before = tape.texture(dy);
    add(tape, dy, dy);
    assert.equal(tape.texture(dy), before);
    tape.clear(dy);
    assert.notEqual(tape.texture(dy), before, "cleared");
  });
  tape.setGrad(y, activation("dy"));
  tape.adoptGrad(x, activation("dx"));
  const { tensor: dx } = tape.grad(x)!, ofGradient = tape.texture(dx);
  tape.backward(); // add's own adds dy to dx.
  assert.notEqual(tape.texture(dx), ofGradient, "added to");
  assert.equal(tape.texture(y), ofY);
});

Deno.test("Tape.texture() keeps no second copy of a large parameter past sharingTextures(), but of a small one", async () => {
  const { gpu, tape } = await open();
  const large = ownedTensor(gpu, [1024, 64]), small = ownedTensor(gpu, [16, 384]);
  const copies = () => tape.sharingTextures(() => [tape.texture(large), tape.texture(small), tape.texture(large)]);
  const [first, second] = [copies(), copies()];
  assert.equal(first[0], first[2]);
  assert.notEqual(first[0], second[0]);
  assert.equal(first[1], second[1]);
  for (const tensor of [large, small]) tensor.region!.buffer.destroy();
});

Deno.test("Tape.checkpoint() copies anew what its block reads, so that no copy lives from the first forward pass on", async () => {
  const { tape, activation } = await open(true);
  const x = activation("x"), a = activation("a"), copies = [] as unknown[];
  const y = tape.checkpoint(x, (x) => {
    copies.push(tape.texture(x));
    return add(tape, x, a);
  });
  tape.setGrad(y, activation("dy"));
  tape.backward();
  assert.equal(new Set([...copies, tape.texture(x)]).size, 3);
});
