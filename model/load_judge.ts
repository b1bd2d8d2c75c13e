// Fills a judge's parameters from a checkpoint and, where there are some, adapters: names matched, shapes checked, a missing
// head and new adapters initialised from the seed.
import { InputError } from "../errors.ts";
import { Random } from "../data/random.ts";
import { type AdapterConfig } from "./adapter_config.ts";
import { type AdapterWeights, openAdapterWeights } from "./adapter_weights.ts";
import { type SafetensorsFile } from "./safetensors.ts";
import { checkPairing } from "./tiebreak_entry.ts";
import { type ModelConfig } from "./config.ts";
import { isOutside } from "./architecture.ts";
import { headParameters, type JudgeShape } from "./judge.ts";
import { type Parameters, type ParameterSpec } from "./parameters.ts";
import { architectureOf } from "./registry.ts";
import { canonicalNames, headFile, openHead, openWeights, type Weights } from "./weights.ts";

/** A tensor by its checkpoint name. */
export interface NamedTensor {
  name: string;
  shape: number[];
  data: Float32Array<ArrayBuffer>;
}

export interface LoadedJudge {
  /** Tensors of the checkpoint that the judge does not use and an export repeats: the pooler of a siamese backbone. */
  unused: NamedTensor[];
  /** Names of the parameters that were initialised, not loaded. */
  initialised: string[];
}

export interface LoadOptions extends JudgeShape {
  config: ModelConfig;
  /** Where the judge's adapters come from; if the judge has none, they are added to the weights. @default new ones */
  adapter?: AdapterConfig;
}

/**
 * Reads `folder` into `parameters`.
 *
 * @param seed of the head's initialisation: normal with `initializer_range` as its deviation, biases zero; and of adapters: A
 * uniform within 1 / sqrt(in), as PEFT's, and B zero
 * @throws {InputError} with the tensor, if the backbone is incomplete or a shape is not the one config.json asks for
 */
export async function loadJudge(
  folder: string,
  shape: LoadOptions,
  parameters: Parameters,
  seed: number,
): Promise<LoadedJudge> {
  const home = shape.adapter?.folder ?? folder;
  checkPairing(home, shape.config, shape.pairing);
  const architecture = architectureOf(shape.config);
  const weights = await openWeights(folder);
  const isRun = shape.config.tiebreak?.pairing === "siamese" && shape.pairing === "siamese";
  let head: SafetensorsFile | undefined, adapter: AdapterWeights | undefined;
  try {
    head = isRun ? await openHead(home) : undefined;
    adapter = shape.adapter && await openAdapterWeights(shape.adapter, shape.config);
    const stored = canonicalNames(weights, architecture.prefix);
    const ours = new Set(headParameters(shape).map(({ name }) => name));
    const initialised: string[] = [];
    const random = new Random(seed), adapterRandom = new Random(seed, ADAPTERS);
    for (const spec of parameters.specs) {
      if (head && spec.name.startsWith("head.")) {
        const found = head.tensors.get(spec.name);
        checkShape(`${home}/${headFile}`, spec, found?.shape);
        parameters.write(spec.name, await head.readF32(spec.name));
      } else if (/\.lora_[AB]\.weight$/.test(spec.name)) {
        parameters.write(spec.name, await adapter?.read(spec.name) ?? initialAdapter(spec, adapterRandom));
      } else if (shape.pairing === "joint" && adapter?.has(spec.name)) {
        parameters.write(spec.name, await adapter.read(spec.name));
      } else if (
        isThere(weights, stored, spec, { isHead: ours.has(spec.name), isOutside: isOutside(architecture, spec.name) })
      ) {
        const values = await weights.readF32(stored.get(spec.name)!);
        if (!shape.lora) await adapter?.merge(spec.name, values);
        parameters.write(spec.name, values);
      } else {
        initialised.push(spec.name);
        parameters.write(spec.name, initialValues(spec, shape.config.initializer_range, random));
      }
    }
    const unused: NamedTensor[] = [];
    if (shape.pairing === "siamese") {
      for (const { name } of architecture.joint.parameters(shape.config)) {
        const at = stored.get(name);
        if (at && !isOutside(architecture, name)) {
          unused.push({ name, shape: [...weights.shape(at)], data: await weights.readF32(at) });
        }
      }
    }
    return { unused, initialised };
  } finally {
    weights.close();
    head?.close();
    adapter?.close();
  }
}

/** A stream of its own, so that the head begins alike with adapters and without. */
const ADAPTERS = 1;

/** A by kaiming_uniform_(a=sqrt(5)), B zero. */
function initialAdapter({ name, shape: [rank, width] }: ParameterSpec, random: Random): Float32Array<ArrayBuffer> {
  const values = new Float32Array(rank * width);
  if (name.endsWith(".lora_B.weight")) return values;
  const bound = 1 / Math.sqrt(width);
  for (let i = 0; i < values.length; i++) values[i] = bound * (2 * random.uniform() - 1);
  return values;
}

/** Whether the checkpoint holds the parameter; a head's may be absent, or a classifier made for another task. */
function isThere(
  weights: Weights,
  stored: Map<string, string>,
  spec: ParameterSpec,
  { isHead, isOutside }: { isHead: boolean; isOutside: boolean },
): boolean {
  const at = stored.get(spec.name);
  if (at === undefined) {
    if (isHead) return false;
    throw new InputError(
      `Cannot load ${weights.path}: tensor "${spec.name}" is missing: use a checkpoint of the class config.json names`,
    );
  }
  if (isOutside && weights.shape(at).join() !== spec.shape.join()) return false;
  checkShape(weights.path, spec, weights.shape(at));
  return true;
}

/** @throws {InputError} with the tensor, if its shape is not the one that config.json asks for */
export function checkShape(
  path: string,
  spec: Pick<ParameterSpec, "name" | "shape">,
  found: readonly number[] | undefined,
): void {
  if (found?.join() === spec.shape.join()) return;
  throw new InputError(
    `Cannot load "${spec.name}" of ${path}: shape is [${found?.join(", ") ?? "missing"}], ` +
      `config.json asks for [${spec.shape.join(", ")}]: use both from one folder`,
  );
}

function initialValues(spec: ParameterSpec, std: number, random: Random): Float32Array<ArrayBuffer> {
  const values = new Float32Array(spec.shape.reduce((a, b) => a * b, 1));
  if (!spec.decay) return values.fill(spec.initial ?? 0);
  for (let i = 0; i < values.length; i++) values[i] = std * random.normal();
  return values;
}
