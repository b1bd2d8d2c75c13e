// A battle: one prompt, two answers, and what a person preferred. Every reader and sampler produces this shape.

/** Column of the true outcome: 0 = A wins, 1 = B wins, 2 = tie. */
export type Outcome = 0 | 1 | 2;

/** One row of Kaggle's layout, its JSON cells already turned into turns of text. */
export interface Battle {
  /** The id cell, verbatim: submission rows repeat it. */
  id: string;
  /** Row number in the file, the header being row 1; for messages. */
  row: number;
  prompt: string[];
  responseA: string[];
  responseB: string[];
  /** Absent in test files. */
  label?: Outcome;
  modelA?: string;
  modelB?: string;
  /** What to learn in place of the label: probabilities (A, B, tie) that a judge gave. */
  target?: [number, number, number];
  /** Weight in the loss. @default {1} */
  weight?: number;
  /** True probabilities (A, B, tie), known only for the built-in sample. */
  truth?: [number, number, number];
}

/** Battles of a file or of a part of one; each call reads them again. */
export type BattleSource = () => Iterable<Battle> | AsyncIterable<Battle>;

/** Pieces of up to `size` battles. */
export async function* partsOf(battles: ReturnType<BattleSource>, size: number): AsyncGenerator<Battle[]> {
  let part: Battle[] = [];
  for await (const battle of battles) {
    part.push(battle);
    if (part.length < size) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}
