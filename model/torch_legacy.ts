// Reads what torch.save wrote before PyTorch 1.6: five pickles end to end (a magic number, the version of the protocol, facts of
// the machine, the state dict, the keys of the storages), then each storage in the order of its key: the number of its elements in
// 8 bytes, then the elements. Source: _legacy_save of torch/serialization.py of PyTorch.
import { InputError } from "../errors.ts";
import { PickleEndsEarly, type PickleReader, type PickleValue, readFirstPickle } from "./pickle.ts";
import { type TensorInfo } from "./tensor_file.ts";
import { maxPickleBytes, placeTensors, stateDictReader, type Storage } from "./torch_state.ts";
import { type ReadAt } from "./zip.ts";

/** The pickle of torch.save's magic number, 0x1950a86a20f9469cfc6c, in protocol 2. */
const magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
const VERSION = 1001;
/** State dicts take about 100 bytes a tensor: one read is enough for all but very large ones. */
const firstBytes = 1 << 18;
const again = "get the file again";

/** Whether a file that begins so is in this form. */
export function isLegacy(first: Uint8Array): boolean {
  return magic.every((byte, i) => first[i] === byte);
}

/** @throws {InputError} that names the file, and what in it is wrong */
export async function readLegacyTensors(readAt: ReadAt, size: number, path: string): Promise<Map<string, TensorInfo>> {
  let at = magic.length;
  const next = async (reader: PickleReader): Promise<PickleValue> => {
    for (let window = firstBytes;; window *= 8) {
      const most = Math.min(size - at, window, maxPickleBytes);
      try {
        const { value, length } = readFirstPickle(await readAt(at, most), reader);
        at += length;
        return value;
      } catch (error) {
        if (!(error instanceof PickleEndsEarly) || most < window) throw error;
      }
    }
  };
  const plain = (): PickleReader => ({ ...stateDictReader(path), allows: () => false });
  const version = await next(plain());
  if (version !== VERSION) {
    throw new InputError(`Cannot read ${path}: its protocol version is ${version}, must be ${VERSION}: ${again}`);
  }
  const machine = await next(plain());
  if (!(machine instanceof Map) || machine.get("little_endian") !== true) {
    throw new InputError(`Cannot read ${path}: its byte order is not little: convert the checkpoint to safetensors`);
  }
  const storages = new Map<string, Storage>();
  const state = await next(stateDictReader(path, (storage) => {
    const known = storages.get(storage.key);
    if (known && (known.dtype !== storage.dtype || known.elements !== storage.elements)) {
      throw new InputError(`Cannot read ${path}: its pickle gives storage "${storage.key}" two sizes: ${again}`);
    }
    storages.set(storage.key, storage);
  }));
  const keys = await next(plain());
  if (!Array.isArray(keys)) throw new InputError(`Cannot read ${path}: it lists no storages: ${again}`);

  const starts = new Map<string, number>();
  for (const key of keys) {
    const storage = storages.get(key as string);
    if (!storage) {
      throw new InputError(
        `Cannot read ${path}: it lists a storage ${JSON.stringify(key)} that no tensor has: ${again}`,
      );
    }
    const refuse = (what: string) => new InputError(`Cannot read ${path}: its storage "${key}" ${what}: ${again}`);
    if (size - at < 8 + storage.bytes) throw refuse(`of ${storage.bytes} bytes ends behind the file, which is cut off`);
    const elements = new DataView((await readAt(at, 8)).buffer).getBigInt64(0, true);
    if (elements !== BigInt(storage.elements)) {
      throw refuse(`has ${elements} elements, the pickle says ${storage.elements}`);
    }
    starts.set(storage.key, at + 8);
    at += 8 + storage.bytes;
  }
  return await placeTensors(path, state, ({ key }, refuse) => {
    const start = starts.get(key);
    if (start === undefined) throw refuse(`its storage ${JSON.stringify(key)} is missing`);
    return start;
  });
}
