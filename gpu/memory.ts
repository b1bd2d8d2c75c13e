// From lifetimes to memory: tensors whose lifetimes do not meet share one buffer.
// Each slot of the plan is a buffer of its own, not an offset in one arena: WebGPU refuses a dispatch that reads and writes
// the same buffer, whatever the offsets, so two tensors that live at once may never share one.

/** One thing to place: alive from command `first` to command `last`, both included. */
export interface Lifetime {
  bytes: number;
  first: number;
  last: number;
}

export interface Plan {
  /** Slot of each lifetime, in the order given. */
  slot: number[];
  /** Bytes of each slot. */
  slotBytes: number[];
}

/**
 * Places lifetimes in slots, largest first: each takes the smallest slot that is free all its life, which no later one makes
 * larger, or opens a new one. So a large tensor that lives shortly never keeps its memory from several small ones that
 * live long, as it may where slots are given out in order of time.
 */
export function planSlots(lifetimes: readonly Lifetime[]): Plan {
  const order = lifetimes.map((_, i) => i).sort((a, b) =>
    lifetimes[b].bytes - lifetimes[a].bytes || lifetimes[a].first - lifetimes[b].first
  );
  const slot = new Array<number>(lifetimes.length).fill(-1);
  const slotBytes: number[] = [], tenants: Lifetime[][] = [];
  for (const i of order) {
    const { bytes, first, last } = lifetimes[i];
    // Slots were opened largest first, so the last free one wastes least.
    let s = slotBytes.length - 1;
    while (s >= 0 && tenants[s].some((other) => other.first <= last && first <= other.last)) s--;
    if (s < 0) {
      s = slotBytes.push(bytes) - 1;
      tenants.push([]);
    }
    tenants[s].push(lifetimes[i]);
    slot[i] = s;
  }
  return { slot, slotBytes };
}
