// Planned memory that the programs of one run use in turn: no two of them run at once, and what is planned holds nothing from
// one replay to the next, so training, prediction and the optimizer need as much as the largest of them.
import { storageBuffer } from "./buffers.ts";
import { type Gpu } from "./device.ts";

type Resource = GPUBuffer | GPUTexture;

/** Whoever makes it calls `destroy()`, once no program runs any more. */
export class SharedMemory {
  readonly #sizes = new Map<string, number[]>();
  readonly #made = new Map<string, Resource[]>();

  /**
   * Reserves one resource for each size, all different: of those that are there the smallest that is large enough, else a new one.
   *
   * @param kind only resources of one kind may stand for each other
   * @returns which resource each got, and the bytes that are new
   */
  reserve(kind: string, wanted: readonly number[]): { places: number[]; added: number } {
    const sizes = this.#sizes.get(kind) ?? [];
    this.#sizes.set(kind, sizes);
    const free = new Set(sizes.keys());
    const places = new Array<number>(wanted.length);
    let added = 0;
    for (const i of [...wanted.keys()].sort((a, b) => wanted[b] - wanted[a])) {
      let best: number | undefined;
      for (const place of free) {
        if (sizes[place] >= wanted[i] && (best === undefined || sizes[place] < sizes[best])) best = place;
      }
      if (best === undefined) {
        best = sizes.push(wanted[i]) - 1;
        added += wanted[i];
      }
      free.delete(best);
      places[i] = best;
    }
    return { places, added };
  }

  /** The buffer of a place. */
  buffer(gpu: Gpu, kind: string, place: number): GPUBuffer {
    const bytes = this.#sizes.get(kind)![place];
    return this.#resource(kind, place, () => storageBuffer(gpu, `${kind} ${place}`, bytes));
  }

  /** The texture of a place. */
  texture(gpu: Gpu, kind: string, place: number, size: readonly [width: number, height: number]): GPUTexture {
    const usage = GPUTextureUsage.COPY_DST | GPUTextureUsage.STORAGE_BINDING;
    return this.#resource(
      kind,
      place,
      () => gpu.device.createTexture({ size: [...size], format: "rgba32float", usage }),
    );
  }

  #resource<R extends Resource>(kind: string, place: number, make: () => R): R {
    const made = this.#made.get(kind) ?? [];
    this.#made.set(kind, made);
    return (made[place] ??= make()) as R;
  }

  destroy(): void {
    for (const resource of [...this.#made.values()].flat()) resource?.destroy();
    this.#made.clear();
  }
}
