// From recorded commands to memory: how long each operand lives, and which buffer or texture it gets.
import { type Kernel } from "./kernel.ts";
import { planSlots } from "./memory.ts";
import { type ProgramMemory } from "./program.ts";
import { type Dispatch, type TextureOperand } from "./recorder.ts";
import { type SharedMemory } from "./shared_memory.ts";
import { Tensor } from "./tensor.ts";

export type Operand = Tensor | TextureOperand;

/** A recorded command. */
export type Entry =
  & ({ kernel: Kernel; entry: string; at: Dispatch } | { texture: TextureOperand } | { clear: Tensor })
  & { ifRead?: boolean };

interface Lives {
  first: number;
  last: number;
}

/** Which memory each operand of the needed commands gets, and how much there is of it. */
export interface MemoryPlan {
  needed: readonly Entry[];
  /** Each in memory of its own. */
  kept: readonly Tensor[];
  /** The place of each in shared memory. */
  buffers: ReadonlyMap<Tensor, number>;
  /** By size: textures share memory only among equal ones. */
  textures: readonly { kind: string; sides: [width: number, height: number]; places: Map<TextureOperand, number> }[];
  /** What is not there yet. */
  bytes: ProgramMemory;
}

/** The kind of shared memory that holds tensors. */
export const BUFFERS = "slot";

/** @param kept tensors whose memory nothing else may use @param shared grows by what is not there yet */
export function planMemory(
  needed: readonly Entry[],
  kept: ReadonlySet<Tensor>,
  shared: SharedMemory,
): MemoryPlan {
  const lives = livesOf(needed);
  const tensors: Tensor[] = [], own: Tensor[] = [], bySize = new Map<string, TextureOperand[]>();
  for (const operand of lives.keys()) {
    if (operand instanceof Tensor) {
      if (operand.planned) (kept.has(operand) ? own : tensors).push(operand);
      continue;
    }
    const key = `${operand.rows}x${operand.texels}`;
    bySize.set(key, [...(bySize.get(key) ?? []), operand]);
  }
  const lifetimesOf = <O extends Operand>(operands: readonly O[], bytes: (operand: O) => number) =>
    operands.map((operand) => ({ bytes: bytes(operand), ...lives.get(operand)! }));
  const place = <O extends Operand>(kind: string, operands: readonly O[], bytes: (operand: O) => number) => {
    const { slot, slotBytes } = planSlots(lifetimesOf(operands, bytes));
    const { places, added } = shared.reserve(kind, slotBytes);
    return { places: new Map(operands.map((operand, i) => [operand, places[slot[i]]])), added };
  };
  const buffers = place(BUFFERS, tensors, alignedBytes);
  const textures = [...bySize].map(([kind, operands]) => {
    const sides = textureSides(operands[0]);
    return { kind, sides, ...place(kind, operands, () => sides[0] * sides[1] * 16) };
  });
  const total = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  return {
    needed,
    kept: own,
    buffers: buffers.places,
    textures,
    bytes: {
      buffers: buffers.added + total(own.map(alignedBytes)),
      textures: total(textures.map(({ added }) => added)),
    },
  };
}

export function alignedBytes({ bytes }: Tensor): number {
  return Math.ceil(bytes / 256) * 256;
}

export function operandsOf(entry: Entry): { reads: Operand[]; writes: Operand[] } {
  if ("texture" in entry) return { reads: [entry.texture.source], writes: [entry.texture] };
  if ("clear" in entry) return { reads: [], writes: [entry.clear] };
  return { reads: Object.values(entry.at.read ?? {}), writes: Object.values(entry.at.write ?? {}) };
}

/** The first and the last command that uses each operand. */
function livesOf(entries: readonly Entry[]): Map<Operand, Lives> {
  const lives = new Map<Operand, Lives>();
  entries.forEach((entry, now) => {
    const { reads, writes } = operandsOf(entry);
    for (const operand of [...reads, ...writes]) {
      const known = lives.get(operand);
      if (known) known.last = now;
      else lives.set(operand, { first: now, last: now });
    }
  });
  return lives;
}

/** Sides of the texture that holds an operand, in texels. */
function textureSides({ rows, texels }: TextureOperand): [width: number, height: number] {
  return [textureColumns(texels), besidePowerOfTwo(rows)];
}

/**
 * One unused cache line of 64 bytes, so that rows lie an odd number of lines apart: the rows that the lanes of a matmul
 * read side by side then spread over all sets of the first-level cache. Without it NT, whose rows of 384 and 1,536 floats
 * shared 8 and 2 of 64 sets, ran at 35 to 40 GFLOP/s in place of 43 to 45 (llvmpipe LLVM 15.0.6 256 bits, Mesa 22.3.6, AMD
 * EPYC, 2026-11-24). The width is never a power of two either, see below.
 */
export function textureColumns(texels: number): number {
  return texels + 4;
}

/**
 * llvmpipe compiles one variant of a shader for every combination of power-of-two and other sides among its textures
 * (a 16 x 4 matmul: 1 s each, and 3 s a test instead of 0.05, Mesa 22.3.6, 2026-11-24): an unused column or row avoids them.
 */
function besidePowerOfTwo(side: number): number {
  return (side & (side - 1)) === 0 ? side + 1 : side;
}
