// LoRA over a judge (Hu et al. 2021) as PEFT computes it: which weights get adapters, their parameters, and what the tape
// is told of them. Names are PEFT's, without what it puts in front: `<module>.lora_A.weight` and `<module>.lora_B.weight`.
import { UsageError } from "../errors.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { type Adapters } from "../kernels/adapters.ts";
import { type Parameters, type ParameterSpec } from "./parameters.ts";

/** The numbers of adapters, whatever they adapt. */
export interface LoraForm {
  rank: number;
  alpha: number;
  /** Of the adapters' inputs, in training. */
  dropout: number;
  /** Scales by alpha / sqrt(rank) in place of alpha / rank (Kalajdzievski 2023). */
  rsLora: boolean;
}

export interface Lora extends LoraForm {
  /** Names of the adapted weights, without prefix and without `.weight`. */
  modules: readonly string[];
}

/** What the adapters' product is multiplied by. */
export function loraScale({ rank, alpha, rsLora }: LoraForm): number {
  return alpha / (rsLora ? Math.sqrt(rank) : rank);
}

export function nameOfA(module: string): string {
  return `${module}.lora_A.weight`;
}

export function nameOfB(module: string): string {
  return `${module}.lora_B.weight`;
}

/** Every weight of the backbone that is multiplied by hidden states: all matrices but embedding tables. */
export function linearModules(backbone: readonly ParameterSpec[]): string[] {
  return backbone
    .filter(({ name, shape }) => shape.length === 2 && name.endsWith(".weight") && !name.includes("embed"))
    .map(({ name }) => name.slice(0, -".weight".length));
}

export interface TargetOptions {
  /** `all-linear`; names or ends of names behind commas; else a regular expression of whole names, as PEFT's target_modules. */
  targets: string;
  /** What stands before the names that a regular expression sees. */
  prefix: string;
  /** Names that layers below these have are left out. */
  isTrained?: (name: string) => boolean;
}

/** The modules that a pattern chooses. @throws {UsageError} if it chooses none, or is none */
export function chooseModules(
  backbone: readonly ParameterSpec[],
  { targets, prefix, isTrained = () => true }: TargetOptions,
): string[] {
  const all = linearModules(backbone), matches = matcher(targets);
  const chosen = all.filter((module) => matches(module, prefix + module) && isTrained(`${module}.weight`));
  if (chosen.length === 0) {
    const ends = [...new Set(all.map((module) => module.split(".").at(-1)!))];
    throw new UsageError(
      `Cannot adapt --lora-targets "${targets}": no trained weight has that name: name some of ${ends.join(", ")}`,
    );
  }
  return chosen;
}

function matcher(targets: string): (module: string, full: string) => boolean {
  if (targets === "all-linear") return () => true;
  if (/^[\w.,-]+$/.test(targets)) {
    const names = targets.split(",").filter((name) => name !== "");
    return (_, full) => names.some((name) => full === name || full.endsWith(`.${name}`));
  }
  let pattern: RegExp;
  try {
    pattern = new RegExp(`^(?:${targets})$`);
  } catch (error) {
    throw new UsageError(`Cannot read --lora-targets "${targets}": ${(error as Error).message}`);
  }
  return (_, full) => pattern.test(full);
}

/** The adapters' parameters. B is held transposed, [rank, out], so that ranks are the rows of both; files hold PEFT's [out, rank]. */
export function adapterParameters(
  backbone: readonly ParameterSpec[],
  { rank, modules }: Lora,
  trainable: boolean,
): ParameterSpec[] {
  return adaptedGroups(backbone, modules).flatMap(({ fuse, parts }) => {
    const matrix = (name: string, width: number, fuse?: string): ParameterSpec => ({
      name,
      shape: [rank, width],
      decay: true,
      trainable,
      fuse,
    });
    return [
      ...parts.map(({ module, inputs }) => matrix(nameOfA(module), inputs, fuse && nameOfA(fuse))),
      ...parts.map(({ module, outputs }) => matrix(nameOfB(module), outputs)),
    ];
  });
}

/** Sites of the adapters' dropout, far from those that a model counts up. */
const FIRST_SITE = 1 << 16;

/** The adapters of each weight, and of weights fused to one matrix, for the tape.
 *  @param tokenKeys absent while predicting: nothing is dropped */
export function judgeAdapters(
  parameters: Parameters,
  backbone: readonly ParameterSpec[],
  lora: Lora,
  tokenKeys?: Tensor,
): Map<Tensor, Adapters> {
  const adapters = new Map<Tensor, Adapters>();
  const scale = loraScale(lora);
  adaptedGroups(backbone, lora.modules).forEach(({ fuse, parts }, i) => {
    const dropout = tokenKeys && lora.dropout > 0 ? { rate: lora.dropout, tokenKeys, site: FIRST_SITE + i } : undefined;
    const b = ({ module }: AdaptedPart) => parameters.tensor(nameOfB(module));
    // Also of the first of the weights, which DeBERTa multiplies its relative embeddings with.
    for (const weight of fuse ? parameters.fusedPrefixes(`${fuse}.weight`) : []) {
      const within = parts.filter(({ column }) => column < weight.shape[0]);
      if (within.length === 0) continue;
      adapters.set(weight, {
        a: parameters.fused(nameOfA(fuse!), within.length),
        parts: within.map((part) => ({ b: b(part), column: part.column })),
        scale,
        dropout,
      });
    }
    for (const part of parts) {
      const a = parameters.tensor(nameOfA(part.module));
      adapters.set(parameters.tensor(`${part.module}.weight`), {
        a,
        parts: [{ b: b(part), column: 0 }],
        scale,
        dropout,
      });
    }
  });
  return adapters;
}

interface AdaptedPart {
  module: string;
  inputs: number;
  outputs: number;
  /** First row in the fused matrix. */
  column: number;
}

/** The adapted weights, those of one fused matrix together, in the order of the backbone. */
function adaptedGroups(
  backbone: readonly ParameterSpec[],
  modules: readonly string[],
): { fuse?: string; parts: AdaptedPart[] }[] {
  const wanted = new Set(modules);
  const groups = new Map<string, { fuse?: string; parts: AdaptedPart[]; rows: number }>();
  for (const { name, shape, fuse } of backbone) {
    if (!name.endsWith(".weight")) continue;
    const key = fuse ?? name, module = name.slice(0, -".weight".length);
    const group = groups.get(key) ?? { fuse: fuse?.slice(0, -".weight".length), parts: [], rows: 0 };
    groups.set(key, group);
    if (wanted.has(module)) group.parts.push({ module, inputs: shape[1], outputs: shape[0], column: group.rows });
    group.rows += shape[0];
  }
  return [...groups.values()].filter(({ parts }) => parts.length > 0);
}
