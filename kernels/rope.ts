// Rotary position embedding in place, forward and right below backward, which turns back; see rope.wgsl.
import source from "./rope.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { liveRows, liveSource, stepKernel } from "./step.ts";
import { type Tape } from "./tape.ts";

const kernel = stepKernel("rope", source);

export interface RopeOptions {
  /** How many heads, from the left, are turned: queries and keys of the fused q | k | v. */
  heads: number;
  /** [T] u32 */
  positions: Tensor;
  /** [P, D], see `turnTable`. */
  turns: Tensor;
}

/**
 * Turns pairs of channels of `x` [T, columns] by their token's position and gives `x` back, changed.
 *
 * In place: what made `x` must not need its result in backward, and nothing may have read `x` before. A projection is so.
 *
 * @throws {ShapeError} if the head width is not a multiple of 8, or the heads do not fit into the columns
 */
export function rope(tape: Tape, x: Tensor, { heads, positions, turns }: RopeOptions): Tensor {
  const [rows, columns] = shape2(x), D = shape2(turns)[1];
  if (D % 8 !== 0 || columns % 4 !== 0 || heads * D > columns || positions.size !== rows) {
    throw new ShapeError(
      `Cannot turn ${heads} heads of ${D} columns in [${x.shape}] by ${positions.size} positions: heads have 8n columns ` +
        "that lie in x, and each row has a position",
    );
  }
  const turn = (tensor: Tensor, sign: 1 | -1) =>
    tape.run(kernel, "rotate", {
      read: { positions, turns },
      write: { x: tensor },
      size: { rows, columns, heads, D, rowSource: liveSource(x.live), sign },
      constants: { LANES: tape.schedules.rowPerGroup ? 64 : 8 },
      groups: (step) => liveRows(x.live, rows, step),
    });
  turn(x, 1);
  tape.onBackward(x, (dx) => turn(dx, -1));
  return x;
}

/**
 * cos | sin of `inverseFrequencies` [D / 2] times each position: [positions, D], rounded where PyTorch rounds in float32.
 *
 * @param scale of both, as long-context variants of the table have it
 */
export function turnTable(
  inverseFrequencies: Float32Array,
  positions: number,
  scale = 1,
): Float32Array<ArrayBuffer> {
  const half = inverseFrequencies.length, table = new Float32Array(positions * 2 * half);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(position * inverseFrequencies[i]);
      table[position * 2 * half + i] = Math.cos(angle) * scale;
      table[position * 2 * half + half + i] = Math.sin(angle) * scale;
    }
  }
  return table;
}
