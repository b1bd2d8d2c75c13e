// Numbers the dropout sites of a model in the order of recording, so that two sites of one token drop different channels.
import { type Dropout } from "../kernels/dropout.ts";
import { type ModelInputs } from "./inputs.ts";

/** Probabilities of dropping, by kind of site. */
export interface DropoutRates {
  hidden: number;
  attention: number;
  classifier: number;
}

export class DropoutSites {
  #next = 0;
  readonly #inputs: ModelInputs;

  constructor(inputs: ModelInputs) {
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

  #site(rate: number, keys: "tokenKeys" | "segmentKeys"): Dropout | undefined {
    const site = this.#next++;
    return rate > 0 ? { rate, tokenKeys: this.#inputs[keys], site } : undefined;
  }
}
