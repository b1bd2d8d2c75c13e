// What the pools of the sample are made of: topics full of facts, and the wordings around them. No text lives here.

/** One thing that is true: `y` answers the question about `x`. */
export interface Fact {
  x: string;
  y: string;
}

/** Facts of one kind, with the wordings of their questions ({x}) and answers ({x}, {y}). */
export interface Topic {
  name: string;
  ask: string[];
  say: string[];
  facts: Fact[];
}

/** All that one split may say. No string of a pool occurs in another split's pool. */
export interface Pool {
  topics: Topic[];
  /** Put before or after an answer of any quality, so that lengths and stray words tell little. */
  openers: string[];
  closers: string[];
  /** Unhelpful answers; {x} names what was asked about. */
  refusals: string[];
}

/** Reads facts written as `x = y; x = y`. */
export function topic(name: string, wordings: { ask: string[]; say: string[] }, facts: string): Topic {
  const pairs = facts.split(";").map((pair) => {
    const [x, y] = pair.split("=").map((part) => part.trim());
    return { x, y };
  });
  return { name, ...wordings, facts: pairs };
}
