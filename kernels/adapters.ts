// Adapters of a frozen weight (LoRA, Hu et al. 2021): y += scale * B A dropout(x), for each part of a fused weight that has
// one. One product with x serves all parts; forward and, right below, backward. See low_rank.ts for the products.
import { ShapeError } from "../errors.ts";
import { shape2, type Tensor } from "../gpu/tensor.ts";
import { type Dropout } from "./dropout.ts";
import { down, type LowRankTerm, outer, ranksTensor } from "./low_rank.ts";
import { type GradientTarget, type Tape } from "./tape.ts";

export interface Adapters {
  /** [R, in]: A of every part, one below the other. */
  a: Tensor;
  parts: readonly AdapterPart[];
  /** alpha / r, or alpha / sqrt(r). */
  scale: number;
  /** Of the input. All parts of a fused weight share its mask. Only inputs that are tokens are dropped. */
  dropout?: Dropout;
}

export interface AdapterPart {
  /** [r, n]: B transposed, so that the rows of both matrices are the ranks. */
  b: Tensor;
  /** First of the n rows of the weight, that is, columns of y. */
  column: number;
}

/** What the forward pass leaves for the backward pass. */
interface AppliedAdapters {
  adapters: Adapters;
  dropout: Dropout | undefined;
  /** scale * A dropout(x), of all parts. */
  ranks: Tensor;
  /** What to add to y. */
  term: LowRankTerm;
}

/** Tensors of the adapters, for whoever asks which gradients are wanted. */
export function adapterTensors(adapters: Adapters | undefined): Tensor[] {
  return adapters ? [adapters.a, ...adapters.parts.map(({ b }) => b)] : [];
}

/** Records scale * A dropout(x) of all parts; the matmul of the weight adds the rest.
 *  @throws {ShapeError} if the shapes do not fit */
export function applyAdapters(
  tape: Tape,
  x: Tensor,
  outputs: number,
  adapters: Adapters | undefined,
): AppliedAdapters | undefined {
  if (!adapters) return undefined;
  const { a, parts, scale } = adapters;
  const [rows, inputs] = shape2(x), [R, aInputs] = shape2(a);
  const ranksOfParts = parts.reduce((sum, { b }) => sum + shape2(b)[0], 0);
  if (aInputs !== inputs || ranksOfParts !== R || parts.some(({ b, column }) => column + shape2(b)[1] > outputs)) {
    throw new ShapeError(
      `Cannot adapt a weight [${outputs}, ${inputs}] with A [${a.shape}] and B of ${ranksOfParts} ranks`,
    );
  }
  const dropout = adapters.dropout?.tokenKeys.size === rows && x.live === "tokens" ? adapters.dropout : undefined;
  const ranks = ranksTensor(tape, x, R, "ranks");
  down(tape, { tensor: x, first: 0 }, { b: a, ranks: { tensor: ranks, first: 0 }, scale, dropout });
  return { adapters, dropout, ranks, term: { ranks, parts: placed(parts) } };
}

/**
 * Records the gradients of A and B, and what dx still lacks as a term for the matmul that gives it.
 *
 * @returns undefined where nobody wants dx
 */
export function adaptersBackward(
  tape: Tape,
  { x, dy, dx }: { x: Tensor; dy: Tensor; dx: GradientTarget | undefined },
  applied: AppliedAdapters | undefined,
): LowRankTerm | undefined {
  if (!applied) return undefined;
  const { adapters: { a, parts, scale }, dropout, ranks } = applied;
  const dranks = ranksTensor(tape, x, shape2(a)[0], "d ranks");
  for (const { b, rank, column } of placed(parts)) {
    down(tape, { tensor: dy, first: column }, { b, ranks: { tensor: dranks, first: rank }, scale });
    const db = tape.grad(b);
    if (db) outer(tape, db.tensor, { ranks: { tensor: ranks, first: rank }, b: { tensor: dy, first: column } });
  }
  const da = tape.grad(a);
  if (da) outer(tape, da.tensor, { ranks: { tensor: dranks, first: 0 }, b: { tensor: x, first: 0 }, dropout });
  return dx && { ranks: dranks, parts: [{ b: a, rank: 0, column: 0 }], dropout };
}

/** Each part with its first column in the tensor of ranks. */
function placed(parts: readonly AdapterPart[]): (AdapterPart & { rank: number })[] {
  let end = 0;
  return parts.map((part) => {
    const rank = end;
    end += part.b.shape[0];
    return { ...part, rank };
  });
}
