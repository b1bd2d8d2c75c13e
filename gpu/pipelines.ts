// Compiled pipelines, cached by kernel, entry point, bindings used and override constants: a cold compile costs up to
// seconds on Mesa's CPU adapter, and a program uses the same pipeline for every layer.
import { GpuError } from "../errors.ts";
import { type Gpu } from "./device.ts";
import { type Kernel } from "./kernel.ts";

interface Compiled {
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
}

export class PipelineCache {
  readonly #modules = new Map<Kernel, GPUShaderModule>();
  readonly #compiled = new Map<string, Compiled>();
  readonly #ids = new Map<Kernel, number>();

  constructor(readonly gpu: Gpu) {}

  /** Number of pipelines compiled so far. */
  get size(): number {
    return this.#compiled.size;
  }

  /**
   * The pipeline of an entry point whose layout holds exactly the bindings named, so that a binding forgotten by the
   * caller is an error of the pipeline and not a silent zero.
   */
  get(kernel: Kernel, entry: string, used: readonly string[], constants: Readonly<Record<string, number>>): Compiled {
    if (!this.#ids.has(kernel)) this.#ids.set(kernel, this.#ids.size);
    const key = `${this.#ids.get(kernel)} ${entry} ${[...used].sort()} ${
      JSON.stringify(Object.entries(constants).sort())
    }`;
    let compiled = this.#compiled.get(key);
    if (!compiled) {
      compiled = this.#compile(kernel, entry, used, constants);
      this.#compiled.set(key, compiled);
    }
    return compiled;
  }

  #compile(
    kernel: Kernel,
    entry: string,
    used: readonly string[],
    constants: Readonly<Record<string, number>>,
  ): Compiled {
    const { device } = this.gpu;
    let module = this.#modules.get(kernel);
    if (!module) {
      module = device.createShaderModule({ label: kernel.label, code: kernel.code });
      this.#modules.set(kernel, module);
    }
    const label = `${kernel.label}.${entry}`;
    const layout = device.createBindGroupLayout({
      label,
      entries: used.map((name) => {
        const binding = kernel.bindings.get(name);
        if (!binding) throw new GpuError(`Cannot compile ${label}: the kernel declares no binding "${name}"`);
        const at = { binding: binding.index, visibility: GPUShaderStage.COMPUTE };
        switch (binding.access) {
          case "read":
            return { ...at, buffer: { type: "read-only-storage" as const } };
          case "write":
            return { ...at, buffer: { type: "storage" as const } };
          case "uniform":
            return { ...at, buffer: { type: "uniform" as const } };
          case "texture":
            return { ...at, storageTexture: { access: "read-only" as const, format: "rgba32float" as const } };
        }
      }),
    });
    const pipeline = device.createComputePipeline({
      label,
      layout: device.createPipelineLayout({ label, bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: entry, constants: { ...constants } },
    });
    return { pipeline, layout };
  }
}
