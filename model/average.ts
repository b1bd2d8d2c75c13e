// The mean of several runs' weights: one model, as fast as one, often as good as their ensemble (Wortsman 2022, "Model
// soups"). The runs began with the same pretrained weights; tensors are read, averaged and written one by one. Of adapters the
// mean is that of their products B A: ranks side by side, since the mean of A times the mean of B is something else.
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { tokenizerForms } from "../data/tokenizer.ts";
import { InputError } from "../errors.ts";
import { type AdapterConfig, adapterConfigFile, adapterFile, readAdapterConfig } from "./adapter_config.ts";
import { writeTextAtomically } from "./atomic_file.ts";
import { type ModelConfig, readConfig } from "./config.ts";
import { copyTokenizer } from "./export.ts";
import { parseObject, stringifyObject } from "./json_text.ts";
import { isFile } from "./model_files.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensors.ts";
import { writeSafetensors } from "./safetensors_write.ts";
import { headFile, weightsFile } from "./weights.ts";

/** Writes a model folder into `out`, which exists: the mean weights, the first folder's tokenizer and configuration,
 *  without a calibration.
 *  @returns numbers averaged
 *  @throws {InputError} if the folders are not runs of one model; then nothing has been written */
export async function averageModels(folders: readonly string[], out: string): Promise<number> {
  const configs = await Promise.all(folders.map(readConfig));
  for (const [at, config] of configs.entries()) checkAlike(folders[0], configs[0], folders[at], config);
  await checkTokenizers(folders);
  const siamese = configs[0].tiebreak!.pairing === "siamese";
  const adapters = await readAdapters(folders);
  const own = adapters ? adapterFile : weightsFile, names = siamese ? [own, headFile] : [own];
  const opened: SafetensorsFile[][] = [];
  try {
    for (const name of names) {
      const files: SafetensorsFile[] = [];
      opened.push(files);
      for (const folder of folders) files.push(await openSafetensors(join(folder, name)));
      checkShapes(files);
    }
    let numbers = 0;
    for (const [at, name] of names.entries()) {
      const write = name === adapterFile ? writeStacked : writeMean;
      numbers += await write(opened[at], join(out, name));
    }
    if (adapters) await writeStackedConfig(adapters, out);
    await copyTokenizer(folders[0], out);
    const { calibration: _fitted, ...tiebreak } = configs[0].tiebreak!;
    const config = { ...configs[0].raw, tiebreak };
    await writeTextAtomically(join(out, "config.json"), stringifyObject(config));
    return numbers;
  } finally {
    for (const files of opened) for (const file of files) file.close();
  }
}

function checkAlike(first: string, one: ModelConfig, folder: string, other: ModelConfig): void {
  if (!other.tiebreak) {
    throw new InputError(`Cannot average ${folder}: its config.json has no tiebreak entry: name run folders`);
  }
  const facts = ({ model_type, tiebreak }: ModelConfig): Record<string, unknown> => {
    const { calibration: _fitted, ...entry } = tiebreak!;
    return { model_type, ...entry };
  };
  const [a, b] = [facts(one), facts(other)];
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (a[name] === b[name]) continue;
    throw new InputError(
      `Cannot average ${first} with ${folder}: ${name} is ${a[name]} in one, ${
        b[name]
      } in the other: name runs of one model`,
    );
  }
}

/** The runs' adapters; undefined if they have none. @throws {InputError} if they are not of one base and form */
async function readAdapters(folders: readonly string[]): Promise<AdapterConfig[] | undefined> {
  const adapters = await Promise.all(folders.map(readAdapterConfig));
  if (adapters.every((adapter) => adapter === undefined)) return undefined;
  const facts = (adapter: AdapterConfig | undefined): Record<string, unknown> => ({
    adapters: adapter !== undefined,
    base: adapter?.base,
    revision: adapter?.revision,
    rank: adapter?.rank,
    alpha: adapter?.alpha,
    rsLora: adapter?.rsLora,
  });
  const first = facts(adapters[0]);
  for (const [at, adapter] of adapters.entries()) {
    const other = facts(adapter), name = Object.keys(first).find((name) => first[name] !== other[name]);
    if (name === undefined) continue;
    throw new InputError(
      `Cannot average ${folders[0]} with ${folders[at]}: ${name} is ${first[name]} in one, ${
        other[name]
      } in the other: name runs of one model`,
    );
  }
  return adapters as AdapterConfig[];
}

async function checkTokenizers(folders: readonly string[]): Promise<void> {
  for (const name of tokenizerForms.flat()) {
    const [first, ...others] = await Promise.all(folders.map((folder) => readIfThere(join(folder, name))));
    const at = others.findIndex((text) => text !== first);
    if (at < 0) continue;
    throw new InputError(
      `Cannot average ${folders[0]} with ${folders[at + 1]}: their ${name} differ: name runs of one model`,
    );
  }
}

/** A file's bytes as text of one character a byte, so that they can be compared. */
async function readIfThere(path: string): Promise<string | undefined> {
  return await isFile(path) ? Buffer.from(await Deno.readFile(path)).toString("latin1") : undefined;
}

function checkShapes([first, ...others]: SafetensorsFile[]): void {
  const shapeOf = (file: SafetensorsFile, name: string) => {
    const tensor = file.tensors.get(name);
    return tensor ? `[${tensor.shape.join(", ")}]` : "missing";
  };
  for (const other of others) {
    for (const name of new Set([...first.tensors.keys(), ...other.tensors.keys()])) {
      const [a, b] = [shapeOf(first, name), shapeOf(other, name)];
      if (a === b) continue;
      throw new InputError(
        `Cannot average ${first.path} with ${other.path} tensor "${name}": it is ${a} in one, ${b} in the other: ` +
          "name runs of one model",
      );
    }
  }
}

/** Sums in double precision, in the order of the folders. */
async function writeMean(files: readonly SafetensorsFile[], path: string): Promise<number> {
  let numbers = 0;
  const mean = async (name: string) => {
    const values = meanOf(await Promise.all(files.map((file) => file.readF32(name))));
    numbers += values.length;
    return values;
  };
  const tensors = [...files[0].tensors].map(([name, { shape }]) => ({ name, shape, data: () => mean(name) }));
  await writeSafetensors(path, tensors, { metadata: { format: "pt" } });
  return numbers;
}

function meanOf([first, ...others]: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const sum = Float64Array.from(first);
  for (const values of others) for (let at = 0; at < sum.length; at++) sum[at] += values[at];
  return Float32Array.from(sum, (value) => value / (others.length + 1));
}

/** Adapters with the ranks of all files, whose product is the mean of theirs; the head's tensors are averaged. */
async function writeStacked(files: readonly SafetensorsFile[], path: string): Promise<number> {
  let numbers = 0;
  const counted = <Values extends Float32Array>(values: Values) => {
    numbers += values.length;
    return values;
  };
  const all = (name: string) => Promise.all(files.map((file) => file.readF32(name)));
  const tensors = [...files[0].tensors].map(([name, { shape }]) => {
    if (name.endsWith(".lora_A.weight")) {
      const data = async () => counted(Float32Array.from((await all(name)).flatMap((values) => [...values])));
      return { name, shape: [files.length * shape[0], shape[1]], data };
    }
    if (name.endsWith(".lora_B.weight")) {
      const data = async () => counted(besideEachOther(await all(name), shape[1]));
      return { name, shape: [shape[0], files.length * shape[1]], data };
    }
    return { name, shape, data: async () => counted(meanOf(await all(name))) };
  });
  await writeSafetensors(path, tensors, { metadata: { format: "pt" } });
  return numbers;
}

/** Columns of several matrices side by side, each divided by their number. */
function besideEachOther(matrices: readonly Float32Array[], columns: number): Float32Array<ArrayBuffer> {
  const count = matrices.length, rows = matrices[0].length / columns;
  const values = new Float32Array(count * rows * columns);
  matrices.forEach((matrix, m) => {
    for (let i = 0; i < matrix.length; i++) {
      const row = Math.floor(i / columns);
      values[(row * count + m) * columns + i % columns] = matrix[i] / count;
    }
  });
  return values;
}

/** The first run's adapter_config.json with as many ranks as all have, and the same scale. */
async function writeStackedConfig(
  [{ folder, rank, alpha, rsLora }, ...others]: AdapterConfig[],
  out: string,
): Promise<void> {
  const count = 1 + others.length, path = join(folder, adapterConfigFile);
  const raw = parseObject(await Deno.readTextFile(path), `Cannot read ${path}`, "get the file again");
  const config = { ...raw, r: count * rank, lora_alpha: alpha * (rsLora ? Math.sqrt(count) : count) };
  await writeTextAtomically(join(out, adapterConfigFile), JSON.stringify(config, null, 2) + "\n");
}
