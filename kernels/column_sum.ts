// Sums of columns over live rows: gradients of biases and of norm gains.
import source from "./column_sum.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { type Live, shape2, type Tensor } from "../gpu/tensor.ts";
import { rowKernel } from "./row_operands.ts";
import { liveRows, liveSource } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernels = rowKernel("column_sum", source, { rows: { x: [0, "X"] } });
const kernel = kernels.plain;

// 64 rows a chunk: 32 chunks x 6 groups at 2,048 x 384 fill any GPU, and the second pass reads 1/64 of the first.
const CHUNK = 64;

/** Rows of one partial sum; the wgsl files take it as `chunk`. */
export { CHUNK as columnSumChunk };

/** Records out[w] += sum over live rows t of x[t, w], see column_sum.wgsl. */
export function addColumnSums(tape: Tape, x: Tensor, out: Tensor): void {
  const [rows, W] = shape2(x);
  if (out.size !== W) throw new ShapeError(`Cannot sum columns of [${x.shape}] into [${out.shape}]`);
  const size = { rows, W, rowSource: liveSource(x.live), chunk: CHUNK, stride: W, offset: 0 };
  if (W % 4 !== 0) {
    tape.run(kernel, "narrow", { read: { xs: x }, write: { outs: out }, size, groups: Math.ceil(W / 64) });
    return;
  }
  const partial = tape.tensor([Math.ceil(rows / CHUNK), W]);
  const { kernel: chosen, read } = kernels.take(tape, { x });
  // As in layer_norm.ts.
  const four = !tape.schedules.rowPerGroup && W % 16 === 0, columns = Math.ceil(four ? W / 16 / 8 : W / 4 / 64);
  tape.run(chosen, four ? "sum_chunk_four" : "sum_chunk", {
    read,
    write: { partial },
    size,
    groups: (step) => [columns, Math.ceil(liveRows(x.live, rows, step) / CHUNK), 1],
  });
  addPartialSums(tape, { partial, rows, live: x.live, offset: 0 }, out);
}

/** Partial sums of chunks of rows, [chunks, stride], of which `out` takes the columns from `offset`. */
export interface PartialSums {
  partial: Tensor;
  rows: number;
  live: Live | undefined;
  offset: number;
  /** Rows of one partial sum. @default {columnSumChunk} */
  chunk?: number;
}

/** Records out[w] += sum over chunks g of partial[g, offset + w]. */
export function addPartialSums(
  tape: Tape,
  { partial, rows, live, offset, chunk = CHUNK }: PartialSums,
  out: Tensor,
): void {
  const W = out.size, stride = shape2(partial)[1];
  if (W % 4 !== 0 || offset + W > stride) {
    throw new ShapeError(
      `Cannot add columns ${offset} to ${offset + W} of [${partial.shape}]: widths must divide by 4`,
    );
  }
  const size = { rows, W, rowSource: liveSource(live), chunk, stride, offset };
  tape.run(kernel, "finish", { write: { partial, out }, size, groups: Math.ceil(W / 4 / 64) });
}
