// The memory plan, held to its promise by random lifetimes.
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Lifetime, planSlots } from "../../gpu/memory.ts";

const lifetime = fc.record({ bytes: fc.integer({ min: 1, max: 1e6 }), first: fc.nat(50), length: fc.nat(50) })
  .map(({ bytes, first, length }): Lifetime => ({ bytes, first, last: first + length }));

Deno.test("planSlots() never lets two tensors that live at once share a slot, and every slot is large enough", () => {
  fc.assert(fc.property(fc.array(lifetime, { maxLength: 40 }), (lifetimes) => {
    const { slot, slotBytes } = planSlots(lifetimes);
    lifetimes.forEach((a, i) => {
      assert.ok(slotBytes[slot[i]] >= a.bytes);
      for (let j = 0; j < i; j++) {
        const b = lifetimes[j];
        assert.ok(slot[i] !== slot[j] || a.last < b.first || b.last < a.first, `${i} and ${j} share a slot`);
      }
    });
  }));
});

Deno.test("planSlots() gives a small tensor that lives long no slot that large ones come back to", () => {
  const large = (first: number) => ({ bytes: 1000, first, last: first + 1 });
  const plan = planSlots([large(0), { bytes: 500, first: 2, last: 9 }, large(3), large(5)]);
  assert.deepEqual(plan, { slot: [0, 1, 0, 0], slotBytes: [1000, 500] });
});

Deno.test("planSlots() needs two slots for a chain of any length, as each link reads the one before", () => {
  const chain = Array.from({ length: 30 }, (_, i) => ({ bytes: 1000, first: i, last: i + 1 }));
  assert.deepEqual(planSlots(chain).slotBytes, [1000, 1000]);
});
