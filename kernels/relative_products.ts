// What attention's hook for relative positions multiplies: scores of rows with the embeddings of all columns they can need,
// and their gradients; see relative_products.wgsl. Recorded by attention alone, which makes the scores anew for its backward.
import source from "./relative_products.wgsl" with { type: "text" };
import { type Dispatch, type TextureOperand } from "../gpu/recorder.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { bandSource, columnSource, type RelativeColumns } from "./relative_positions.ts";
import { type RelativeProduct, relativeTextureGroups, relativeTextureKernel } from "./relative_products_texture.ts";
import { stepKernel } from "./step.ts";
import { type GradientTarget, type Tape } from "./tape.ts";

const tileKernel = stepKernel("relative_products", columnSource(false) + bandSource + source);

/** One side of a layer: its rows x, its embeddings, and the heads of one dispatch. */
export interface RelativeSide {
  /** Whether x are queries, whose distances fall along the keys; else keys. */
  queries: boolean;
  /** [T, xRow], head h at xFirst + h D. */
  x: Operand;
  xRow: number;
  xFirst: number;
  /** [columns, tableRow], head h at tableFirst + h D. */
  embeddings: Operand;
  tableRow: number;
  tableFirst: number;
  D: number;
  firstHead: number;
  headCount: number;
  scale: number;
  blocks: Tensor;
  columns: RelativeColumns;
  /** `columns.table` as the schedule reads it. */
  relative: Operand;
}

/** A tensor, or its copy in a texture: all of one dispatch alike. */
export type Operand = Tensor | TextureOperand;

/** out [T, headCount columns] = scale x . embeddings, over the columns of each block's band. */
export function recordRelativeScores(tape: Tape, side: RelativeSide, out: Tensor): void {
  const { x, embeddings } = side;
  record(tape, "scores", side, { read: { x, embeddings }, write: { out } });
}

/** dx += scale dout embeddings, where something lies in dx already. */
export function addRelativeRows(tape: Tape, side: RelativeSide, dout: Operand, dx: Tensor): void {
  const { embeddings } = side;
  record(tape, "rows", side, { read: { embeddings, dout }, write: { dx } });
}

/** The embeddings' gradient (+)= scale dout^T x, in the columns of these heads. */
export function recordRelativeTable(tape: Tape, side: RelativeSide, dout: Operand, target: GradientTarget): void {
  const { x } = side;
  record(tape, "table", side, { read: { x, dout }, write: { dembeddings: target.tensor } }, target.accumulate);
}

function record(
  tape: Tape,
  product: RelativeProduct,
  { queries, xRow, xFirst, tableRow, tableFirst, D, firstHead, headCount, scale, blocks, columns, relative }:
    RelativeSide,
  { read, write }: { read: Record<string, Operand>; write: Record<string, Tensor> },
  accumulate = 0,
): void {
  const N = columns.count;
  const at: Omit<Dispatch, "groups"> = {
    read: { ...read, relative, blocks },
    write,
    size: {
      queries: queries ? 1 : 0,
      D,
      tableRow,
      tableFirst,
      firstHead,
      headCount,
      columns: N,
      reach: columns.reach,
      xRow,
      xFirst,
      scale,
      accumulate,
    },
  };
  if ("source" in relative) {
    tape.run(relativeTextureKernel(product), "main", {
      ...at,
      groups: (step) => relativeTextureGroups(product, { blocks: step.blocks, columns: N, D, headCount }),
    });
    return;
  }
  const tiles = (count: number) => Math.ceil(count / 32);
  tape.run(tileKernel, product, {
    ...at,
    groups: (step) =>
      product === "table"
        ? [tiles(D), tiles(N), headCount]
        : [tiles(product === "scores" ? N : D), step.blocks, headCount],
  });
}
