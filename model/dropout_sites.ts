// The dropout sites of a model, numbered by the tape in the order of recording.
import { type Dropout } from "../kernels/dropout.ts";
import { type Tape } from "../kernels/tape.ts";
import { type ModelInputs } from "./inputs.ts";

/** Probabilities of dropping, by kind of site. */
export interface DropoutRates {
  hidden: number;
  /** Of the embeddings. @default {hidden} */
  embedding?: number;
  attention: number;
  classifier: number;
  /** Before the pooler of the joint head, where a family drops there. */
  pooler?: number;
}

export class DropoutSites {
  readonly #tape: Tape;
  readonly #inputs: ModelInputs;

  constructor(tape: Tape, inputs: ModelInputs) {
    this.#tape = tape;
    this.#inputs = inputs;
  }

  /** A new site over [T, .]; undefined where nothing is dropped, so that nothing is recorded. */
  token(rate: number): Dropout | undefined {
    return this.#site(rate, "tokenKeys");
  }

  /** A new site over [S, .]. */
  segment(rate: number): Dropout | undefined {
    return this.#site(rate, "segmentKeys");
  }

  /** A new site over the table of relative embeddings: all sequences of a step share its masks. */
  relative(rate: number): Dropout | undefined {
    return this.#site(rate, "relativeKeys");
  }

  #site(rate: number, keys: "tokenKeys" | "segmentKeys" | "relativeKeys"): Dropout | undefined {
    const site = this.#tape.nextSite();
    return rate > 0 ? { rate, tokenKeys: this.#inputs[keys], site } : undefined;
  }
}
