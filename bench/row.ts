// One line of the benchmark: what was measured, at which size, how long it took, and the share of the adapter's own ceiling.
import { ratio, type Timing } from "./interleave.ts";

/** Floating-point operations and bytes of one run, as the formula needs them: each operand read once, each result written once. */
export interface Work {
  flops?: number;
  bytes?: number;
}

export interface Row extends Timing {
  section: string;
  kernel: string;
  /** Shapes and variants; with the kernel's name they identify the row. */
  size: Readonly<Record<string, number | string>>;
  GFLOPs?: number;
  /** Bytes read plus bytes written. */
  GBps?: number;
  tokensPerSecond?: number;
  /** Shares of the multiply-add ceiling, of the copy ceiling, of the best measured matmul, of the training step. */
  ofFma?: number;
  ofCopy?: number;
  ofMatmul?: number;
  ofStep?: number;
  /** By how much time grew beyond what arithmetic grew by. */
  ofArithmetic?: number;
  /** Share of the step that trains everything. */
  ofFull?: number;
  /** How many times plain attention's time each operation takes. */
  ofPlain?: number;
  /** How long it takes in place of this project's 1. */
  timesOurs?: number;
  /** GPU memory. */
  MiB?: number;
  /** What the figure includes or lacks. */
  note?: string;
}

/** What shares are taken of: samples of the same rounds, ms. */
export interface Ceilings {
  fma: { flops: number; ms: readonly number[] };
  /** Of each size of copy; a kernel is held against the nearest. */
  copies: readonly { bytes: number; ms: readonly number[] }[];
}

/** GFLOP/s or GB/s of a timing: both, where the work has both. */
export function rates({ ms }: Pick<Timing, "ms">, { flops, bytes }: Work): Partial<Row> {
  return {
    ...(flops !== undefined && { GFLOPs: flops / ms / 1e6 }),
    ...(bytes !== undefined && { GBps: bytes / ms / 1e6 }),
  };
}

/** The same work's shares of the ceilings, round by round. */
export function shares(samples: readonly number[], { flops, bytes }: Work, { fma, copies }: Ceilings): Partial<Row> {
  const copy = bytes === undefined ? undefined : nearest(copies, bytes);
  return {
    ...(flops !== undefined && { ofFma: flops / fma.flops * ratio(fma.ms, samples) }),
    ...(copy && { ofCopy: bytes! / copy.bytes * ratio(copy.ms, samples) }),
  };
}

function nearest(copies: Ceilings["copies"], bytes: number): Ceilings["copies"][number] {
  const distance = (copy: { bytes: number }) => Math.abs(Math.log(copy.bytes / bytes));
  return copies.reduce((best, copy) => distance(copy) < distance(best) ? copy : best);
}

/** What two runs' rows must share to be compared. */
export function rowKey({ kernel, size }: Pick<Row, "kernel" | "size">): string {
  return `${kernel} ${sizeText(size)}`;
}

export function sizeText(size: Row["size"]): string {
  return Object.entries(size).map(([name, value]) => `${name} ${value}`).join(", ");
}
