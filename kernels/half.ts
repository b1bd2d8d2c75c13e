// Tensors stored in f16, whatever the kernel: one that declares an alias for a binding's elements (gpu/kernel.ts) reads and writes
// f16 itself; for any other binding the values are copied into f32 before the dispatch, and back behind it.
import source from "./cast.wgsl" with { type: "text" };
import { type Kernel, withHalf } from "../gpu/kernel.ts";
import { type Dispatch, type Recorder } from "../gpu/recorder.ts";
import { Tensor } from "../gpu/tensor.ts";
import { liveRows, liveSource, stepKernel } from "./step.ts";

const cast = stepKernel("cast", source);

/** Records dispatches whose operands may be f16. One a recording: it knows which tensors hold something. */
export class HalfRunner {
  readonly #recorder: Recorder;
  readonly #written = new Set<Tensor>();

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** As `Recorder.run`. */
  run(kernel: Kernel, entry: string, at: Dispatch): void {
    const reads = halvesOf(at.read), writes = halvesOf(at.write);
    if (reads.length + writes.length === 0) {
      this.#recorder.run(kernel, entry, at);
      return;
    }
    const aliases = halfAliases(kernel, at);
    const lies = ([name]: [string, Tensor]) => aliases.has(kernel.bindings.get(name)?.alias ?? "");
    const read = { ...at.read }, write = { ...at.write };
    for (const [name, tensor] of reads.filter((each) => !lies(each))) read[name] = this.full(tensor);
    const copied = writes.filter((each) => !lies(each)).map(([name, tensor]) => {
      // A kernel may add to what is there, or leave a part of it.
      const full = this.#written.has(tensor) ? this.full(tensor) : this.#like(tensor);
      write[name] = full;
      return { tensor, full };
    });
    this.#recorder.run(withHalf(kernel, [...aliases]), entry, { ...at, read, write });
    for (const { tensor, full } of copied) this.#cast(full, tensor);
    for (const [, tensor] of writes) this.#written.add(tensor);
  }

  /** The values of a tensor in f32, as they are at this point of the recording: itself, or a copy. */
  full(tensor: Tensor): Tensor {
    if (tensor.dtype !== "f16") return tensor;
    const full = this.#like(tensor);
    this.#cast(tensor, full);
    return full;
  }

  #like({ shape, live, label }: Tensor): Tensor {
    return this.#recorder.tensor(shape, { live, label: `${label} in f32` });
  }

  #cast(x: Tensor, y: Tensor): void {
    const rows = x.shape[0], W = x.size / rows;
    const aliases = [...(x.dtype === "f16" ? ["X"] : []), ...(y.dtype === "f16" ? ["Y"] : [])];
    this.#recorder.run(withHalf(cast, aliases), "main", {
      read: { x },
      write: { y },
      size: { rows, W, rowSource: liveSource(x.live) },
      groups: (step) => Math.ceil(liveRows(x.live, rows, step) * W / 4 / 64),
    });
  }
}

function halvesOf(operands: Dispatch["read"] | Dispatch["write"] = {}): [string, Tensor][] {
  return Object.entries(operands).filter((entry): entry is [string, Tensor] =>
    entry[1] instanceof Tensor && entry[1].dtype === "f16"
  );
}

/** Aliases of which every operand of the dispatch is f16. */
function halfAliases(kernel: Kernel, { read, write }: Dispatch): Set<string> {
  const all = Object.entries({ ...read, ...write });
  return new Set([...kernel.aliases].filter((alias) => {
    const bound = all.filter(([name]) => kernel.bindings.get(name)?.alias === alias);
    return bound.length > 0 && bound.every(([, operand]) => operand instanceof Tensor && operand.dtype === "f16");
  }));
}
