// How often answers have each trait, and who wins where one answer of the two has it.
import type { Outcome } from "../../data/battle.ts";
import { traits } from "./traits.ts";

export interface TraitFindings {
  name: string;
  rule: string;
  /** Answers with the trait, of all answers. */
  answers: number;
  /** Outcomes of battles in which one answer alone has it: that one won, the other won, tie. */
  alone: [number, number, number];
}

export class TraitCounter {
  readonly #found: TraitFindings[] = traits.map(({ name, rule }) => ({ name, rule, answers: 0, alone: [0, 0, 0] }));

  /** @param a whole texts of the answers, turns joined by line ends */
  add(a: string, b: string, label: Outcome | undefined): void {
    for (const [place, trait] of traits.entries()) {
      const inA = trait.test(a), inB = trait.test(b), found = this.#found[place];
      found.answers += Number(inA) + Number(inB);
      if (inA === inB || label === undefined) continue;
      found.alone[label === 2 ? 2 : label === (inA ? 0 : 1) ? 0 : 1]++;
    }
  }

  finish(): TraitFindings[] {
    return this.#found;
  }
}
