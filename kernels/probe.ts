// Finds the first layer whose output is not finite: a tape with a Probe checks every tensor that the model marks.
import finite from "./finite.wgsl" with { type: "text" };
import source from "./probe.wgsl" with { type: "text" };
import { GpuError } from "../errors.ts";
import { type Recorder } from "../gpu/recorder.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { liveRows, liveSource, stepKernel } from "./step.ts";

const kernel = stepKernel("probe", finite + source);

export class Probe {
  /** Names of the marks, in the order of recording. */
  readonly names: string[] = [];
  readonly #found: Tensor;

  /** @param found [marks] u32, zero before a replay; read it afterwards with `first` */
  constructor(found: Tensor) {
    this.#found = found;
  }

  /** Records a check of `x` under `name`. @throws {GpuError} if there are more marks than `found` has room for */
  record(recorder: Recorder, name: string, x: Tensor): void {
    const index = this.names.push(name) - 1;
    if (index >= this.#found.size) throw new GpuError(`Cannot probe more than ${this.#found.size} tensors`);
    const rows = x.shape[0], W = x.size / rows;
    recorder.run(kernel, "main", {
      read: { x },
      write: { found: this.#found },
      size: { rows, W, rowSource: liveSource(x.live), index },
      groups: (step) => Math.ceil(liveRows(x.live, rows, step) * W / 64),
    });
  }

  /** The first mark whose tensor was not finite. @param found as read back */
  first(found: ArrayLike<number>): string | undefined {
    return this.names.find((_, i) => found[i] !== 0);
  }
}
