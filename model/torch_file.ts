// Reads pytorch_model.bin, what torch.save writes since PyTorch 1.6: a zip file of one pickle, which says what the tensors
// are called and where they lie, and one stored entry per storage. The form of before is torch_legacy.ts. Nothing of either is
// executed: see pickle.ts. Tensors are read one by one, never the whole file. Format: torch/serialization.py of PyTorch.
import { InputError } from "../errors.ts";
import { readPickle } from "./pickle.ts";
import { openChecked, readFully, TensorFile, type TensorInfo } from "./tensor_file.ts";
import { isLegacy, readLegacyTensors } from "./torch_legacy.ts";
import { maxPickleBytes, placeTensors, stateDictReader } from "./torch_state.ts";
import { dataStart, type ReadAt, readZipDirectory, type ZipEntry } from "./zip.ts";

const advice = "convert the checkpoint to safetensors";

/** Opens a file, checks its directory and reads its pickle. @throws {InputError} that names the file, and what in it is wrong */
export async function openTorchFile(path: string): Promise<TensorFile> {
  return await openChecked(path, "a file of torch.save", async (file, size) => {
    const readAt: ReadAt = async (position, count) => {
      const bytes = new Uint8Array(count);
      await readFully(file, position, bytes, () => path);
      return bytes;
    };
    const first = await readAt(0, Math.min(size, 16));
    const tensors = isLegacy(first)
      ? await readLegacyTensors(readAt, size, path)
      : await readTensors(readAt, size, path, first);
    return new TensorFile(path, tensors, file, 0);
  });
}

async function readTensors(
  readAt: ReadAt,
  size: number,
  path: string,
  first: Uint8Array,
): Promise<Map<string, TensorInfo>> {
  if (size < 4 || new DataView(first.buffer).getUint32(0, true) !== 0x04034b50) {
    throw new InputError(`Cannot read ${path}: it is no file of torch.save: it is damaged, or use safetensors`);
  }
  const entries = await readZipDirectory(readAt, size, path);
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    throw new InputError(`Cannot read ${path}: it holds ${pickles.length} entries data.pkl, must be 1: ${advice}`);
  }
  const home = pickles[0].slice(0, -"data.pkl".length);
  if (entries.has(`${home}constants.pkl`)) {
    throw new InputError(
      `Cannot read ${path}: it is a TorchScript program, no checkpoint: save the model's state_dict()`,
    );
  }
  const contents = async (entry: ZipEntry) => await readAt(await dataStart(readAt, entry, size, path), entry.bytes);
  const order = entries.get(`${home}byteorder`);
  if (order && (order.bytes !== 6 || new TextDecoder().decode(await contents(order)) !== "little")) {
    throw new InputError(`Cannot read ${path}: its byteorder is not "little": ${advice}`);
  }
  const pickle = entries.get(pickles[0])!;
  if (pickle.bytes > maxPickleBytes) {
    throw new InputError(
      `Cannot read ${path}: its data.pkl has ${pickle.bytes} bytes, at most 100,000,000 are allowed`,
    );
  }
  const starts = new Map<string, number>();
  const state = readPickle(await contents(pickle), stateDictReader(path));
  return await placeTensors(path, state, async ({ key, dtype, elements, bytes }, refuse) => {
    const entry = entries.get(`${home}data/${key}`);
    if (!entry) throw refuse(`its storage ${JSON.stringify(key)} is missing`);
    if (entry.bytes !== bytes) {
      throw refuse(`its storage "${key}" has ${entry.bytes} bytes, ${elements} elements of ${dtype} have ${bytes}`);
    }
    if (!starts.has(key)) starts.set(key, await dataStart(readAt, entry, size, path));
    return starts.get(key)!;
  });
}
