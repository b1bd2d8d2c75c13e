// The adapter's arithmetic ceiling: kernels of nothing but multiply-adds, with one to eight vec4f accumulators.
//   sum_c = sum_c * x + y, unrolled over all accumulators; x = 1 - 2^-12, y = 2^-12: the sums fall slowly towards 1
// Shapes    out [invocations] vec4f
// Dispatch  `invocations` / 64 groups of 64
// Numerics  the sum of all accumulators is stored, read and compared with the same recurrence in f64: nothing is left out
// Generated, as WGSL has no arrays in registers: how many sums keep an adapter's pipelines full and still fit into its
// registers, and how long a loop must be to be free, is found by trying. On Mesa's CPU adapter a loop's end costs a blend of
// each sum: 3 sums reach 60 GFLOP/s with 24 multiply-adds an iteration and 80 to 136 with 192, where 8 sums spill and fall
// to 20 (llvmpipe LLVM 15.0.6 256 bits, Mesa 22.3.6, 2 shared cores, 2026-11-24).
import { GpuError } from "../errors.ts";
import { kernel } from "../gpu/kernel.ts";
import { ownedTensor, Recorder } from "../gpu/recorder.ts";
import { readTensor } from "../gpu/transfer.ts";
import { stepFields } from "../kernels/step.ts";
import { type Bench, noStep, type Recorded } from "./runs.ts";

/** How a multiply-add is written: drivers may keep the first exact and slow, and need not fuse the second. */
export type FmaForm = "fma" | "mul_add";

export interface FmaVariant {
  accumulators: number;
  /** Multiply-adds of vec4f in one iteration of the loop; a multiple of the accumulators. */
  unrolled: number;
  form: FmaForm;
}

export const fmaVariants: readonly FmaVariant[] = [1, 2, 3, 4, 8].flatMap((accumulators) =>
  [24, 192].flatMap((unrolled) => (["fma", "mul_add"] as const).map((form) => ({ accumulators, unrolled, form })))
);

/** Enough for every lane of a large GPU, and little enough that a CPU adapter takes milliseconds. */
const SIZES = {
  cpu: { invocations: 64 * 64, multiplyAdds: 12288 },
  gpu: { invocations: 64 * 4096, multiplyAdds: 12288 },
};

export interface FmaRun extends Recorded {
  flops: number;
  /** @throws {GpuError} if the kernel did not do its work */
  check(): Promise<void>;
}

export function recordFma({ gpu, pipelines }: Bench, variant: FmaVariant): FmaRun {
  const { invocations, multiplyAdds } = SIZES[gpu.report.isCpu ? "cpu" : "gpu"];
  const recorder = new Recorder(gpu);
  const out = ownedTensor(gpu, [invocations, 4]);
  const label = `${variant.form} x ${variant.accumulators}`;
  recorder.run(kernel(label, fmaSource(variant)), "main", {
    write: { out },
    size: { iterations: multiplyAdds / variant.unrolled, x: X, y: Y },
    groups: invocations / 64,
  });
  const program = recorder.build(pipelines, stepFields);
  return {
    run: () => program.run(noStep),
    flops: invocations * multiplyAdds * 4 * 2,
    async check() {
      program.run(noStep);
      const found = (await readTensor(gpu, out)).at(-1)!;
      const expected = fmaResult(variant.accumulators, multiplyAdds);
      if (Math.abs(found - expected) <= 5e-3 * expected) return;
      throw new GpuError(`Cannot measure multiply-adds: ${label} gave ${found} in place of ${expected}`);
    },
    dispose() {
      program.dispose();
      out.region!.buffer.destroy();
    },
  };
}

const X = 1 - 2 ** -12, Y = 2 ** -12;

/** What component w of every invocation must hold: accumulator c begins at c + 4. */
function fmaResult(accumulators: number, multiplyAdds: number): number {
  const steps = multiplyAdds / accumulators;
  let total = 0;
  for (let c = 0; c < accumulators; c++) total += 1 + (c + 4 - 1) * X ** steps;
  return total;
}

function fmaSource({ accumulators, unrolled, form }: FmaVariant): string {
  const sums = Array.from({ length: accumulators }, (_, c) => `sum${c}`);
  const step = (sum: string) => form === "fma" ? `${sum} = fma(${sum}, x, y);` : `${sum} = ${sum} * x + y;`;
  const round = sums.map(step).join("\n    ");
  return `
struct Size { iterations: u32, x: f32, y: f32 }
@group(0) @binding(0) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(1) var<uniform> size: Size;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let x = vec4f(size.x);
  let y = vec4f(size.y);
  ${sums.map((sum, c) => `var ${sum} = vec4f(1.0, 2.0, 3.0, 4.0) + ${c}.0;`).join("\n  ")}
  for (var i = 0u; i < size.iterations; i++) {
    ${Array(unrolled / accumulators).fill(round).join("\n    ")}
  }
  out[id.x] = ${sums.join(" + ")};
}
`;
}
