// Relative positions of attention, recorded group of heads by group of heads: the scores of all columns that a block can
// need go before attention's kernels, the gradients of what they were made of after them. Both passes make the scores anew,
// so that none outlives its group.
import { type Tensor } from "../gpu/tensor.ts";
import { type Recording } from "./attention.ts";
import {
  addRelativeRows,
  type Operand,
  recordRelativeScores,
  recordRelativeTable,
  type RelativeSide,
} from "./relative_products.ts";
import { type GradientTarget, type Tape } from "./tape.ts";

/** Heads of one dispatch. */
export interface HeadGroup {
  firstHead: number;
  headCount: number;
}

/** The most bytes of one half of a group's scores: four such tensors live at once. */
const GROUP_BYTES = 2 ** 25;

/** All heads at once, but with relative positions as many as fit. */
export function headGroups({ T, size: { heads, columns } }: Pick<Recording, "T" | "size">): HeadGroup[] {
  if (columns === 0) return [{ firstHead: 0, headCount: heads }];
  const most = Math.max(1, Math.floor(GROUP_BYTES / (T * columns * 4)));
  const count = Math.ceil(heads / Math.ceil(heads / most)), groups: HeadGroup[] = [];
  for (let firstHead = 0; firstHead < heads; firstHead += count) {
    groups.push({ firstHead, headCount: Math.min(count, heads - firstHead) });
  }
  return groups;
}

/** The scores of one group, for attention's kernels and for their own gradients. */
export interface RelativeScores {
  /** c2p, p2c and the columns, as the schedule reads them. */
  read: Record<string, Operand>;
  /** Of queries and of keys, where there are such. */
  sides: { c2p?: RelativeSide; p2c?: RelativeSide };
  textured: boolean;
  /** Room for the gradients of c2p and p2c. */
  gradients(): { dc2p?: Tensor; dp2c?: Tensor };
}

/** Records the scores of a group of heads; undefined without relative positions. Textures of one `tape.sharingTextures` are copied once
 *  for all groups. @param textured whether operands are read as textures */
export function relativeScores(
  tape: Tape,
  { qkv, relative, blocks, T, D, size: { heads, scale } }: Recording,
  group: HeadGroup,
  textured: boolean,
): RelativeScores | undefined {
  if (!relative) return undefined;
  const { keys, queries, columns } = relative, W = heads * D;
  const width = relative.embeddings.shape[1];
  const operand = (tensor: Tensor): Operand => textured ? tape.texture(tensor) : tensor;
  const common = { x: operand(qkv), xRow: 3 * W, tableRow: width, D, ...group, scale, blocks, columns };
  const room = (label: string) => tape.tensor([T, group.headCount * columns.count], qkv.live, label);
  const read: Record<string, Operand> = { relative: operand(columns.table) };
  const embeddings = operand(relative.embeddings);
  const half = (name: string, tableFirst: number | undefined, queries: boolean): RelativeSide | undefined => {
    if (tableFirst === undefined) return undefined;
    const { relative } = read;
    const side = { ...common, queries, xFirst: queries ? 0 : W, embeddings, tableFirst, relative };
    const scores = room(name);
    recordRelativeScores(tape, side, scores);
    read[name] = operand(scores);
    return side;
  };
  const sides = { c2p: half("c2p", keys, true), p2c: half("p2c", queries, false) };
  return {
    read,
    sides,
    textured,
    gradients: () => ({ ...(sides.c2p && { dc2p: room("dc2p") }), ...(sides.p2c && { dp2c: room("dp2c") }) }),
  };
}

/** The embeddings' gradient, cleared first unless each of its columns is written by one half alone. */
export function coveredTable(tape: Tape, { relative, size, D }: Recording, target: GradientTarget): GradientTarget {
  const { embeddings, keys, queries } = relative!, halves = [keys, queries].filter((first) => first !== undefined);
  // Where both halves read the same columns, the second adds to what the first wrote.
  const areApart = new Set(halves).size === halves.length;
  const isCovered = areApart && halves.length * size.heads * D === embeddings.shape[1];
  if (target.accumulate === 1 || isCovered) return target;
  tape.clear(target.tensor);
  return { ...target, accumulate: 1 };
}

/** Records what the gradients of c2p and p2c bring to queries, keys and the embeddings. */
export function relativeGradients(
  tape: Tape,
  { sides, textured }: RelativeScores,
  { dc2p, dp2c, dqkv, dEmbeddings }: {
    dc2p?: Tensor;
    dp2c?: Tensor;
    dqkv: GradientTarget;
    dEmbeddings?: GradientTarget;
  },
): void {
  const half = (side: RelativeSide | undefined, gradient: Tensor | undefined) => {
    if (!side || !gradient) return;
    const dout = textured ? tape.texture(gradient) : gradient;
    addRelativeRows(tape, side, dout, dqkv.tensor);
    if (dEmbeddings) recordRelativeTable(tape, side, dout, dEmbeddings);
  };
  half(sides.c2p, dc2p);
  half(sides.p2c, dp2c);
}
