// The tables of rotary positions that a recorded model reads: layers that turn alike share one.
import { type Tensor } from "../gpu/tensor.ts";
import { turnTable } from "../kernels/rope.ts";
import { type Tape } from "../kernels/tape.ts";
import { type ModelInputs } from "./inputs.ts";
import { inverseFrequencies, type RopeConfig } from "./rotary.ts";

export class TurnTables {
  readonly #tape: Tape;
  readonly #positions: number;
  readonly #headDim: number;
  readonly #tables = new Map<string, Tensor>();

  /** @param headDim channels of a head */
  constructor(tape: Tape, inputs: ModelInputs, headDim: number) {
    this.#tape = tape;
    this.#positions = inputs.capacity.tokens;
    this.#headDim = headDim;
  }

  /** [P, D] for `rope`, see `turnTable`. */
  of(rope: RopeConfig): Tensor {
    const key = JSON.stringify(rope), known = this.#tables.get(key);
    if (known) return known;
    const P = this.#positions, D = this.#headDim;
    const turns = this.#tape.recorder.constant([P, D], turnTable(inverseFrequencies(rope, D), P), "turns");
    this.#tables.set(key, turns);
    return turns;
  }
}
