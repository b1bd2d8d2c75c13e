// The mean of several runs' weights: one model, as fast as one, often as good as their ensemble (Wortsman 2022, "Model
// soups"). The runs began with the same pretrained weights; tensors are read, averaged and written one by one.
import { join } from "node:path";
import { InputError } from "../errors.ts";
import { writeAtomically, writeFully, writeTextAtomically } from "./atomic_file.ts";
import { type ModelConfig, readConfig } from "./config.ts";
import { tokenizerFiles } from "./export.ts";
import { stringifyObject } from "./json_text.ts";
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
  const names = siamese ? [weightsFile, headFile] : [weightsFile];
  const opened: SafetensorsFile[][] = [];
  try {
    for (const name of names) {
      const files: SafetensorsFile[] = [];
      opened.push(files);
      for (const folder of folders) files.push(await openSafetensors(join(folder, name)));
      checkShapes(files);
    }
    let numbers = 0;
    for (const [at, name] of names.entries()) numbers += await writeMean(opened[at], join(out, name));
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

async function checkTokenizers(folders: readonly string[]): Promise<void> {
  const [first, ...others] = await Promise.all(
    folders.map((folder) => Deno.readTextFile(join(folder, "tokenizer.json"))),
  );
  const at = others.findIndex((text) => text !== first);
  if (at < 0) return;
  throw new InputError(
    `Cannot average ${folders[0]} with ${folders[at + 1]}: their tokenizer.json differ: name runs of one model`,
  );
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
    const sum = Float64Array.from(await files[0].readF32(name));
    for (const file of files.slice(1)) {
      const values = await file.readF32(name);
      for (let at = 0; at < sum.length; at++) sum[at] += values[at];
    }
    numbers += sum.length;
    return Float32Array.from(sum, (value) => value / files.length);
  };
  const tensors = [...files[0].tensors].map(([name, { shape }]) => ({ name, shape, data: () => mean(name) }));
  await writeSafetensors(path, tensors, { metadata: { format: "pt" } });
  return numbers;
}

async function copyTokenizer(from: string, to: string): Promise<void> {
  for (const name of tokenizerFiles) {
    if (!await isFile(join(from, name))) continue;
    const bytes = await Deno.readFile(join(from, name));
    await writeAtomically(join(to, name), (file) => writeFully(file, bytes));
  }
}
