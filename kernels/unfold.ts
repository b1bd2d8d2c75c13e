// Neighbouring rows side by side, forward and right below backward; see unfold.wgsl. A convolution is this and a matmul.
import source from "./unfold.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { liveRows, liveSource, stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernel = stepKernel("unfold", source);

export interface UnfoldOptions {
  /** Rows side by side, odd: (kernel - 1) / 2 on each side, zeros beyond the segment. */
  kernel: number;
  /** [T] u32, rising by one from each segment's first row. */
  positions: Tensor;
}

/** x [T, W] -> [T, W kernel], column c * kernel + k from the k-th neighbour. @throws {ShapeError} if the kernel is even */
export function unfold(tape: Tape, x: Tensor, { kernel: K, positions }: UnfoldOptions): Tensor {
  const [rows, W] = shape2(x);
  if (K % 2 !== 1 || positions.size !== rows) {
    throw new ShapeError(
      `Cannot unfold [${x.shape}] by ${K} rows with ${positions.size} positions: it takes an odd number`,
    );
  }
  const y = tape.output([rows, W * K], x.live, [x], "unfolded");
  const size = { rows, W, K, rowSource: liveSource(x.live) };
  const groups = (columns: number) => (step: Readonly<Record<string, number>>) =>
    Math.ceil(liveRows(x.live, rows, step) * columns / 64);
  tape.run(kernel, "forward", {
    read: { x, positions },
    write: { y },
    size: { ...size, accumulate: 0 },
    groups: groups(W * K),
  });

  tape.onBackward(y, (dy) => {
    const dx = tape.grad(x);
    if (!dx) return;
    tape.run(kernel, "backward", {
      read: { positions, dy },
      write: { dx: dx.tensor },
      size: { ...size, accumulate: dx.accumulate },
      groups: groups(W),
    });
  });
  return y;
}
