// Memory that several programs use in turn.
import assert from "node:assert/strict";
import { SharedMemory } from "../../gpu/shared_memory.ts";

Deno.test("SharedMemory gives the smallest that is large enough, each once, and grows by what is missing", () => {
  const memory = new SharedMemory();
  assert.deepEqual(memory.reserve("slot", [100, 300, 200]), { places: [2, 0, 1], added: 600 });
  // 150 takes that of 200, 300 its own; 300 and 50 more: one is new, one takes that of 100.
  assert.deepEqual(memory.reserve("slot", [150, 300, 300, 50]), { places: [1, 0, 3, 2], added: 300 });
  assert.deepEqual(memory.reserve("slot", [300, 300, 200, 100]), { places: [0, 3, 1, 2], added: 0 });
});

Deno.test("SharedMemory never gives one place to two of a program, nor to another kind", () => {
  const memory = new SharedMemory();
  memory.reserve("slot", [10]);
  assert.deepEqual(memory.reserve("texture", [10]), { places: [0], added: 10 });
  const { places, added } = memory.reserve("slot", [10, 10, 10]);
  assert.deepEqual([new Set(places).size, added], [3, 20]);
});
