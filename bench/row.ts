// One line of the benchmark: what was measured, at which size, how long it took, and the share of the adapter's own ceiling.
import { type Timing } from "./interleave.ts";

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

/** What shares are taken of. */
export interface Ceilings {
  /** GFLOP/s. */
  fma: number;
  /** Of each size of copy; a kernel is held against the nearest. */
  copies: readonly { bytes: number; GBps: number }[];
}

/** GFLOP/s or GB/s of a timing, and its share of the ceiling: of both, where the work has both. */
export function rates({ ms }: Timing, { flops, bytes }: Work, ceilings?: Ceilings): Partial<Row> {
  const GFLOPs = flops === undefined ? undefined : flops / ms / 1e6;
  const GBps = bytes === undefined ? undefined : bytes / ms / 1e6;
  return {
    ...(GFLOPs !== undefined && { GFLOPs, ...(ceilings && { ofFma: GFLOPs / ceilings.fma }) }),
    ...(GBps !== undefined && { GBps, ...(ceilings && { ofCopy: GBps / nearestCopy(ceilings, bytes!) }) }),
  };
}

function nearestCopy({ copies }: Ceilings, bytes: number): number {
  const distance = (copy: { bytes: number }) => Math.abs(Math.log(copy.bytes / bytes));
  return copies.reduce((best, copy) => distance(copy) < distance(best) ? copy : best).GBps;
}

/** What two runs' rows must share to be compared. */
export function rowKey({ kernel, size }: Pick<Row, "kernel" | "size">): string {
  return `${kernel} ${sizeText(size)}`;
}

export function sizeText(size: Row["size"]): string {
  return Object.entries(size).map(([name, value]) => `${name} ${value}`).join(", ");
}
