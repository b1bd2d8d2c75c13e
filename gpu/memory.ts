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
 * Places lifetimes in slots: in order of their start, each takes the free slot that wastes least, or grows the largest
 * free one, or opens a new one. Greedy by start is optimal in slots when all sizes are equal (interval graph colouring),
 * and a transformer's activations come in three or four sizes.
 */
export function planSlots(lifetimes: readonly Lifetime[]): Plan {
  const order = lifetimes.map((_, i) => i).sort((a, b) =>
    lifetimes[a].first - lifetimes[b].first || lifetimes[b].bytes - lifetimes[a].bytes
  );
  const slot = new Array<number>(lifetimes.length).fill(-1);
  const slotBytes: number[] = [];
  const busyUntil: number[] = [];
  for (const i of order) {
    const { bytes, first, last } = lifetimes[i];
    let best = -1;
    for (let s = 0; s < slotBytes.length; s++) {
      if (busyUntil[s] >= first) continue;
      if (best < 0 || cost(slotBytes[s], bytes) < cost(slotBytes[best], bytes)) best = s;
    }
    // A much larger slot is worth more to a larger tensor: better to open a new one than to occupy it with a crumb.
    if (best >= 0 && slotBytes[best] > 4 * bytes + 65536) best = -1;
    if (best < 0) {
      best = slotBytes.length;
      slotBytes.push(bytes);
      busyUntil.push(last);
    }
    slotBytes[best] = Math.max(slotBytes[best], bytes);
    busyUntil[best] = last;
    slot[i] = best;
  }
  return { slot, slotBytes };
}

/** Bytes wasted if the slot is large enough, else bytes it must grow. */
function cost(slotBytes: number, bytes: number): number {
  return Math.abs(slotBytes - bytes);
}
