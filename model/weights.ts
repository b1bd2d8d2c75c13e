// All weights of a model's folder behind one interface: safetensors, or else files of torch.save; one file, or the shards of
// an index.
import { basename, dirname, join } from "node:path";
import { InputError } from "../errors.ts";
import { isObject, parseObject } from "./json_text.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensors.ts";
import { type TensorFile } from "./tensor_file.ts";
import { openTorchFile } from "./torch_file.ts";

export const weightsFile = "model.safetensors";
const indexFile = "model.safetensors.index.json";
const torchFile = "pytorch_model.bin";
const torchIndexFile = "pytorch_model.bin.index.json";
/** What a folder's weights may begin with, what is preferred first; as in transformers. */
export const weightsEntries = [weightsFile, indexFile, torchFile, torchIndexFile] as const;
export const headFile = "head.safetensors";

/** Tensors by the names they are stored under. */
export interface Weights {
  /** The file or index that was opened, for messages. */
  path: string;
  names(): string[];
  has(name: string): boolean;
  shape(name: string): readonly number[];
  dtype(name: string): string;
  readF32(name: string): Promise<Float32Array<ArrayBuffer>>;
  close(): void;
}

/** Whether a file of `weightsEntries` is an index of shards. */
export function isIndex(name: string): boolean {
  return name.endsWith(".index.json");
}

/** Opens the first of `weightsEntries` that is there, and every shard it names. */
export async function openWeights(folder: string): Promise<Weights> {
  let entry: string | undefined;
  for (const name of weightsEntries) if (entry === undefined && await exists(join(folder, name))) entry = name;
  if (entry === undefined) {
    throw new InputError(
      `Cannot open ${folder}: it holds none of ${weightsEntries.join(", ")}: save the model with save_pretrained`,
    );
  }
  if (!isIndex(entry)) return combine(join(folder, entry), await openAll([join(folder, entry)]));
  const index = join(folder, entry);
  const places = parseIndex(await Deno.readTextFile(index), index);
  const shards = [...new Set(places.values())].sort();
  for (const shard of shards) await checkShard(folder, shard, index);
  const files = await openAll(shards.map((shard) => join(folder, shard)));
  const byName = new Map(shards.map((shard, i) => [shard, files[i]]));
  const weights = combine(index, files, new Map([...places].map(([name, shard]) => [name, byName.get(shard)!])));
  for (const [name, shard] of places) {
    if (byName.get(shard)!.tensors.has(name)) continue;
    weights.close();
    throw new InputError(
      `Cannot read ${join(folder, shard)}: tensor "${name}" is missing, ${index} places it there: get the folder again`,
    );
  }
  return weights;
}

/** Opens `head.safetensors`, the siamese head of a run folder. */
export async function openHead(folder: string): Promise<SafetensorsFile> {
  const path = join(folder, headFile);
  if (await exists(path)) return openSafetensors(path);
  throw new InputError(
    `Cannot open ${folder} as a siamese run: it holds no ${headFile}: name a folder that Tiebreak wrote`,
  );
}

/** Tensor -> shard file, each checked to be a plain name. @throws {InputError} on names that could lead elsewhere */
export function parseIndex(text: string, path: string): Map<string, string> {
  const index = parseObject(text, `Cannot read ${path}`, "get the file again");
  const map = index.weight_map, ending = basename(path) === torchIndexFile ? ".bin" : ".safetensors";
  if (!isObject(map)) throw new InputError(`Cannot read ${path}: weight_map must be an object: get the file again`);
  for (const [name, shard] of Object.entries(map)) {
    if (!isPlainFileName(shard, ending)) {
      throw new InputError(
        `Cannot read ${path} tensor "${name}": its file is ${
          JSON.stringify(shard)
        }, must be the plain name of a ${ending} file of this folder: use a model you trust`,
      );
    }
  }
  return new Map(Object.entries(map) as [string, string][]);
}

function isPlainFileName(name: unknown, ending: string): name is string {
  return typeof name === "string" && /^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name) && name.endsWith(ending) &&
    name.length > ending.length && !name.includes("..");
}

/** The shard exists, and no symbolic link leads out of the folder, the blobs of its own Hugging Face cache excepted. */
async function checkShard(folder: string, shard: string, index: string): Promise<void> {
  const path = join(folder, shard);
  let real: string;
  try {
    real = await Deno.realPath(path);
  } catch {
    throw new InputError(`Cannot open ${path}: the shard is missing, ${index} names it: get the folder again`);
  }
  const home = await Deno.realPath(folder);
  const snapshots = dirname(home);
  const homes = [home];
  if (basename(snapshots) === "snapshots") homes.push(join(dirname(snapshots), "blobs"));
  if (!homes.includes(dirname(real))) {
    throw new InputError(
      `Cannot open ${path}: it is a link to ${real}, outside of its folder: put the file itself there`,
    );
  }
}

async function openAll(paths: string[]): Promise<TensorFile[]> {
  const files: TensorFile[] = [];
  try {
    for (const path of paths) {
      files.push(await (path.endsWith(".bin") ? openTorchFile(path) : openSafetensors(path)));
    }
    return files;
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
}

/** @param owners of each tensor; else every tensor belongs to the first file */
function combine(path: string, files: TensorFile[], owners?: Map<string, TensorFile>): Weights {
  const places = owners ?? new Map([...files[0].tensors.keys()].map((name) => [name, files[0]]));
  const owner = (name: string): TensorFile => {
    const file = places.get(name);
    if (!file) throw new InputError(`Cannot read ${path}: it has no tensor "${name}": use a checkpoint of this model`);
    return file;
  };
  const info = (name: string) => owner(name).tensors.get(name)!;
  return {
    path,
    names: () => [...places.keys()],
    has: (name) => places.has(name),
    shape: (name) => info(name).shape,
    dtype: (name) => info(name).dtype,
    // deno-lint-ignore require-await -- a missing name must reject, not throw
    readF32: async (name) => owner(name).readF32(name),
    close: () => files.forEach((file) => file.close()),
  };
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The name without the backbone's prefix, and in today's spelling: early BERTs call LayerNorm's gain gamma, its bias beta. */
export function canonicalName(stored: string, prefix: string): string {
  const name = stored.startsWith(prefix) ? stored.slice(prefix.length) : stored;
  return name.replace(/\bLayerNorm\.gamma$/, "LayerNorm.weight").replace(/\bLayerNorm\.beta$/, "LayerNorm.bias");
}

/** Canonical name -> stored name. @throws {InputError} where two stored names mean the same tensor */
export function canonicalNames(weights: Weights, prefix: string): Map<string, string> {
  const stored = new Map<string, string>();
  for (const name of weights.names()) {
    const canonical = canonicalName(name, prefix), earlier = stored.get(canonical);
    if (earlier !== undefined) {
      throw new InputError(
        `Cannot read ${weights.path}: "${earlier}" and "${name}" name the same tensor: remove one of them`,
      );
    }
    stored.set(canonical, name);
  }
  return stored;
}
