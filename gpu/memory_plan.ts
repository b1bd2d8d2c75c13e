// From recorded commands to memory: how long each operand lives, and which buffer or texture it gets.
import { type Kernel } from "./kernel.ts";
import { type Plan, planSlots } from "./memory.ts";
import { type ProgramMemory } from "./program.ts";
import { type Dispatch, type TextureOperand } from "./recorder.ts";
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
  buffers: Plan & { tensors: readonly Tensor[] };
  /** By size: textures share memory only among equal ones. */
  textures: readonly (Plan & { operands: readonly TextureOperand[] })[];
  bytes: ProgramMemory;
}

/** @param kept tensors whose memory nothing else may use */
export function planMemory(needed: readonly Entry[], kept: ReadonlySet<Tensor>): MemoryPlan {
  const lives = livesOf(needed), end = needed.length;
  const tensors: Tensor[] = [], bySize = new Map<string, TextureOperand[]>();
  for (const operand of lives.keys()) {
    if (operand instanceof Tensor) {
      if (operand.planned) tensors.push(operand);
      continue;
    }
    const key = `${operand.rows}x${operand.texels}`;
    bySize.set(key, [...(bySize.get(key) ?? []), operand]);
  }
  const lifetimes = tensors.map((tensor) => ({
    bytes: Math.ceil(tensor.bytes / 256) * 256,
    ...(kept.has(tensor) ? { first: 0, last: end } : lives.get(tensor)!),
  }));
  const buffers = { tensors, ...planSlots(lifetimes) };
  const textures = [...bySize.values()].map((operands) => {
    const [width, height] = textureSides(operands[0]), bytes = width * height * 16;
    return { operands, ...planSlots(operands.map((operand) => ({ bytes, ...lives.get(operand)! }))) };
  });
  const total = (plans: readonly Plan[]) => plans.flatMap(({ slotBytes }) => slotBytes).reduce((a, b) => a + b, 0);
  return { needed, buffers, textures, bytes: { buffers: total([buffers]), textures: total(textures) } };
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
export function textureSides({ rows, texels }: TextureOperand): [width: number, height: number] {
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
