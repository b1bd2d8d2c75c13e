// adapter_model.safetensors: PEFT's names matched with a judge's parameters, shapes checked, B turned as we hold it.
import { join } from "node:path";
import { InputError } from "../errors.ts";
import { type AdapterConfig, adapterFile } from "./adapter_config.ts";
import { type FamilyConfig } from "./architecture.ts";
import { type Lora, loraScale, nameOfA, nameOfB } from "./lora.ts";
import { architectureOf } from "./registry.ts";
import { openSafetensors } from "./safetensors.ts";
import { canonicalName } from "./weights.ts";

/** What PEFT puts before the names of the model's own class. */
export const peftPrefix = "base_model.model.";

export interface AdapterWeights {
  path: string;
  lora: Lora;
  /** Whether the file holds a parameter of the head. */
  has(name: string): boolean;
  /** A parameter by our name; B transposed. */
  read(name: string): Promise<Float32Array<ArrayBuffer>>;
  /** scale * B A added to the weight of that name, where it has adapters. */
  merge(name: string, weight: Float32Array<ArrayBuffer>): Promise<void>;
  close(): void;
}

/** Opens the file and checks every tensor of it. @throws {InputError} with the tensor that is missing, unknown or of another shape */
export async function openAdapterWeights(adapter: AdapterConfig, config: FamilyConfig): Promise<AdapterWeights> {
  const path = join(adapter.folder, adapterFile);
  const architecture = architectureOf(config);
  const file = await openSafetensors(path);
  try {
    const stored = new Map<string, string>();
    for (const name of file.tensors.keys()) {
      const own = name.startsWith(peftPrefix) ? name.slice(peftPrefix.length) : name;
      const canonical = canonicalName(own.replace(/\.modules_to_save(\.default)?\./, "."), architecture.prefix);
      const earlier = stored.get(canonical);
      if (earlier !== undefined) {
        throw new InputError(
          `Cannot read ${path}: "${earlier}" and "${name}" name the same tensor: remove one of them`,
        );
      }
      stored.set(canonical, name);
    }
    const backbone = architecture.parameters(config, false);
    const joint = new Map(architecture.joint.parameters(config).map(({ name, shape }) => [name, shape]));
    const shapes = new Map<string, number[]>();
    const modules: string[] = [];
    for (const { name, shape: [outputs, inputs] } of backbone) {
      const module = name.replace(/\.weight$/, "");
      if (!stored.has(nameOfA(module)) && !stored.has(nameOfB(module))) continue;
      modules.push(module);
      shapes.set(nameOfA(module), [adapter.rank, inputs]).set(nameOfB(module), [outputs, adapter.rank]);
    }
    const check = (name: string, wanted: readonly number[]) => {
      const found = stored.has(name) ? file.tensors.get(stored.get(name)!)!.shape : undefined;
      if (found?.join() === wanted.join()) return;
      throw new InputError(
        `Cannot load ${path} tensor "${stored.get(name) ?? name}": its shape is [${found?.join(", ") ?? "missing"}], ` +
          `must be [${wanted.join(", ")}]: use the adapters of this base, all of one rank`,
      );
    };
    for (const [name, shape] of shapes) check(name, shape);
    for (const [name, original] of stored) {
      if (shapes.has(name)) continue;
      if (joint.has(name)) check(name, joint.get(name)!);
      else {
        throw new InputError(
          `Cannot load ${path} tensor "${original}": it is neither an adapter of a dense layer nor of the head: merge it with PEFT`,
        );
      }
    }
    if (modules.length === 0) throw new InputError(`Cannot load ${path}: it holds no adapters of ${config.model_type}`);
    const { rank, alpha, dropout, rsLora } = adapter;
    const lora = { rank, alpha, dropout, rsLora, modules };
    const read = async (name: string) => {
      const values = await file.readF32(stored.get(name)!);
      const shape = shapes.get(name);
      return shape && name.endsWith(".lora_B.weight") ? transposed(values, shape[0], shape[1]) : values;
    };
    return {
      path,
      lora,
      has: (name) => joint.has(name) && stored.has(name),
      read,
      merge: async (name, weight) => {
        const module = name.replace(/\.weight$/, "");
        if (!modules.includes(module)) return;
        addProduct(weight, { a: await read(nameOfA(module)), b: await read(nameOfB(module)) }, lora);
      },
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The adapters that a folder holds. */
export async function readLora(adapter: AdapterConfig, config: FamilyConfig): Promise<Lora> {
  const weights = await openAdapterWeights(adapter, config);
  weights.close();
  return weights.lora;
}

/** [rows, columns] -> [columns, rows] */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) turned[column * rows + row] = values[row * columns + column];
  }
  return turned;
}

/** weight [out, in] += scale * B A, rows summed up in double precision. @param factors a [rank, in], b [rank, out] */
function addProduct(
  weight: Float32Array,
  { a, b }: { a: Float32Array; b: Float32Array },
  lora: Lora,
): void {
  const { rank } = lora, scale = loraScale(lora), inputs = a.length / rank, outputs = b.length / rank;
  const row = new Float64Array(inputs);
  for (let o = 0; o < outputs; o++) {
    row.fill(0);
    for (let j = 0; j < rank; j++) {
      const factor = scale * b[j * outputs + o];
      for (let i = 0; i < inputs; i++) row[i] += factor * a[j * inputs + i];
    }
    for (let i = 0; i < inputs; i++) weight[o * inputs + i] += row[i];
  }
}
