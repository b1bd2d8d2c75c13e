// Where the time of a run goes: phases share the clock's time out, none of it twice.
import assert from "node:assert/strict";
import { TimeSpent } from "../../train/time_spent.ts";

Deno.test("TimeSpent gives every millisecond to one phase, the inner one of two", async () => {
  let clock = 100;
  const spent = new TimeSpent(() => clock);
  spent.add(1000, "prepare");
  clock += 1;
  await spent.within("validate", async () => {
    clock += 20;
    await spent.within("wait", () => void (clock += 300));
    clock += 5;
  });
  await spent.within("encode", () => void (clock += 50));
  spent.move(10, "encode", "upload");
  assert.deepEqual(spent.take(), { prepare: 1000, other: 1, validate: 25, wait: 300, encode: 40, upload: 10 });
  await assert.rejects(spent.within("export", () => {
    clock += 7;
    throw new Error("disk full");
  }));
  clock += 2;
  assert.deepEqual(spent.take(), { other: 2, export: 7 }, "taken once, and counted in spite of the error");
});
