// What a checkpoint holds of an engine, on the GPU: trained parameters, moments and loss scale, read and written in pieces.
import { InputError } from "../errors.ts";
import { type Gpu } from "../gpu/device.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { readPieces, upload } from "../gpu/transfer.ts";
import { type Parameters } from "../model/parameters.ts";
import { type EngineState, type Stored } from "./engine.ts";

type Part = keyof EngineState;

export class GpuState {
  readonly #gpu: Gpu;
  /** The tensors whose values stand end to end in each part. */
  readonly #tensors: ReadonlyMap<Part, readonly Tensor[]>;

  constructor(gpu: Gpu, { flat }: Parameters, lossScale: Tensor | undefined) {
    this.#gpu = gpu;
    const shards = (["parameters", "firstMoments", "secondMoments"] as const)
      .map((part) => [part, flat.map((shard) => shard[part])] as const);
    this.#tensors = new Map<Part, readonly Tensor[]>([
      ...shards,
      ...(lossScale ? [["lossScale", [lossScale]] as const] : []),
    ]);
  }

  /** Each part as it is when it is read. */
  get stored(): EngineState {
    const parts = [...this.#tensors].map(([part, tensors]): [Part, Stored] => [part, {
      length: tensors.reduce((sum, { size }) => sum + size, 0),
      pieces: () => readPieces(this.#gpu, tensors),
    }]);
    return Object.fromEntries(parts) as unknown as EngineState;
  }

  /** @throws {InputError} if a checkpoint is that of another model or precision */
  check(checkpoint: EngineState): void {
    for (const [part, { length }] of Object.entries(this.stored) as [Part, Stored][]) {
      const found = checkpoint[part]?.length;
      if (found === length) continue;
      throw new InputError(
        found === undefined
          ? "Cannot resume: the checkpoint holds no loss scale: use the run's own flags"
          : `Cannot resume: the checkpoint holds ${found} ${part}, this model has ${length}: use the model that the run began with`,
      );
    }
  }

  /** Takes over the parts that are given. */
  async write(state: Partial<EngineState>): Promise<void> {
    this.check({ ...this.stored, ...state });
    for (const [part, tensors] of this.#tensors) {
      let at = 0;
      for await (const piece of state[part]?.pieces() ?? []) {
        let first = 0;
        for (const tensor of tensors) {
          const from = Math.max(at, first), to = Math.min(at + piece.length, first + tensor.size);
          if (from < to) upload(this.#gpu, tensor, piece.subarray(from - at, to - at), from - first);
          first += tensor.size;
        }
        at += piece.length;
      }
    }
  }
}
