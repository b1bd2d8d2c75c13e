// Reads pytorch_model.bin, what torch.save writes since PyTorch 1.6: a zip file of one pickle, which says what the tensors
// are called and where they lie, and one stored entry per storage. Nothing of it is executed: see pickle.ts. Tensors are
// read one by one, never the whole file. Format: torch/serialization.py and torch/_utils.py of PyTorch.
import { InputError } from "../errors.ts";
import { dtypeBits } from "./float_formats.ts";
import { PickleGlobal, type PickleReader, type PickleValue, readPickle } from "./pickle.ts";
import { isCounts, openChecked, readFully, TensorFile, type TensorInfo } from "./tensor_file.ts";
import { dataStart, type ReadAt, readZipDirectory, type ZipEntry } from "./zip.ts";

/** As for headers of safetensors: a longer pickle is an attack, or no state dict. */
const maxPickleBytes = 100_000_000;
const advice = "convert the checkpoint to safetensors";

/** Classes of storages -> element types as safetensors calls them. */
const storageDtypes: ReadonlyMap<string, string> = new Map([
  ["torch.FloatStorage", "F32"],
  ["torch.HalfStorage", "F16"],
  ["torch.BFloat16Storage", "BF16"],
  ["torch.DoubleStorage", "F64"],
  ["torch.LongStorage", "I64"],
  ["torch.IntStorage", "I32"],
  ["torch.ShortStorage", "I16"],
  ["torch.CharStorage", "I8"],
  ["torch.ByteStorage", "U8"],
  ["torch.BoolStorage", "BOOL"],
]);
const calls = ["collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"];

/** Bytes that one or more tensors look at. */
class Storage {
  constructor(readonly key: string, readonly dtype: string, readonly elements: number) {}
}

/** A tensor as the pickle describes it; offset and strides count elements. */
class TorchTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

/** Opens a file, checks its directory and reads its pickle. @throws {InputError} that names the file, and what in it is wrong */
export async function openTorchFile(path: string): Promise<TensorFile> {
  return await openChecked(path, "a file of torch.save", async (file, size) => {
    const readAt: ReadAt = async (position, count) => {
      const bytes = new Uint8Array(count);
      await readFully(file, position, bytes, () => path);
      return bytes;
    };
    return new TensorFile(path, await readTensors(readAt, size, path), file, 0);
  });
}

async function readTensors(readAt: ReadAt, size: number, path: string): Promise<Map<string, TensorInfo>> {
  await checkKind(readAt, size, path);
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
  const state = readPickle(await contents(pickle), stateDictReader(path));
  if (!(state instanceof Map)) {
    throw new InputError(`Cannot read ${path}: it holds no dictionary of tensors: save the model's state_dict()`);
  }

  const tensors = new Map<string, TensorInfo>(), starts = new Map<string, number>();
  for (const [name, tensor] of state) {
    if (!(tensor instanceof TorchTensor) || typeof name !== "string") continue;
    const { key, dtype } = tensor.storage, entry = entries.get(`${home}data/${key}`);
    const refuse = (what: string) =>
      new InputError(`Cannot read ${path} tensor "${name}": ${what}: get the file again`);
    if (!entry) throw refuse(`its storage ${JSON.stringify(key)} is missing`);
    const bytes = dtypeBits.get(dtype)! / 8, { elements } = tensor.storage;
    if (entry.bytes !== elements * bytes) {
      throw refuse(
        `its storage "${key}" has ${entry.bytes} bytes, ${elements} elements of ${dtype} have ${elements * bytes}`,
      );
    }
    const count = tensor.shape.reduce((product, length) => product * BigInt(length), 1n);
    const strides = count > 0n ? orderOf(tensor) : undefined;
    if (strides === null) {
      throw new InputError(
        `Cannot read ${path} tensor "${name}": strides [${tensor.strides.join(", ")}] of shape [${
          tensor.shape.join(", ")
        }] leave gaps or overlap: save it with .contiguous()`,
      );
    }
    if (count > 0n && count + BigInt(tensor.offset) > BigInt(elements)) {
      throw refuse(`${count} elements from ${tensor.offset} end behind its storage of ${elements}`);
    }
    if (!starts.has(key)) starts.set(key, await dataStart(readAt, entry, size, path));
    const begin = starts.get(key)! + (count > 0n ? tensor.offset * bytes : 0);
    const info = { dtype, shape: tensor.shape, begin, end: begin + Number(count) * bytes };
    tensors.set(name, strides ? { ...info, strides } : info);
  }
  if (tensors.size === 0) {
    throw new InputError(
      `Cannot read ${path}: no tensor stands in its dictionary: save the model's state_dict() itself`,
    );
  }
  return tensors;
}

/** Refuses what is no zip file by what it is. */
async function checkKind(readAt: ReadAt, size: number, path: string): Promise<void> {
  const first = new DataView((await readAt(0, Math.min(size, 16))).buffer);
  if (size >= 4 && first.getUint32(0, true) === 0x04034b50) return;
  // A pickle of torch.save's magic number: PROTO 2, LONG1 of 10 bytes.
  if (size >= 4 && first.getUint32(0, false) === 0x80028a0a) {
    throw new InputError(
      `Cannot read ${path}: it is in torch.save's form of before PyTorch 1.6: load it in PyTorch and save it again, best as safetensors`,
    );
  }
  throw new InputError(`Cannot read ${path}: it is no zip file of torch.save: it is damaged, or use safetensors`);
}

function stateDictReader(path: string): PickleReader {
  const refuse = (what: string) => new InputError(`Cannot read ${path}: its pickle ${what}: get the file again`);
  return {
    path,
    allows: (name) => calls.includes(name) || storageDtypes.has(name),
    reduce(name, args) {
      if (name === "collections.OrderedDict") {
        if (args.length > 0) throw refuse("makes an OrderedDict of something");
        return new Map();
      }
      if (name === "torch._utils._rebuild_parameter") {
        if (!(args[0] instanceof TorchTensor)) throw refuse("makes a parameter of what is no tensor");
        return args[0];
      }
      if (name !== "torch._utils._rebuild_tensor_v2") throw refuse(`calls ${name}`);
      const [storage, offset, shape, strides] = args;
      if (
        !(storage instanceof Storage) || !isCount(offset) || !isCounts(shape) || !isCounts(strides) ||
        shape.length !== strides.length
      ) throw refuse("describes a tensor without storage, offset, shape and strides");
      return new TorchTensor(storage, offset, shape, strides);
    },
    persistent(id) {
      const [kind, type, key, , elements] = Array.isArray(id) ? id : [];
      const dtype = type instanceof PickleGlobal ? storageDtypes.get(type.name) : undefined;
      if (kind !== "storage" || dtype === undefined || typeof key !== "string" || !isCount(elements)) {
        throw refuse("has a persistent id that is no storage");
      }
      return new Storage(key, dtype, elements);
    },
  };
}

/** Undefined for row-major order, the strides for another order of the same elements, null for gaps or overlaps. */
function orderOf({ shape, strides }: TorchTensor): number[] | undefined | null {
  const dimensions = shape.map((length, i) => ({ length, stride: strides[i] })).filter(({ length }) => length > 1);
  const fills = (ordered: typeof dimensions): boolean => {
    let step = 1;
    return ordered.toReversed().every(({ length, stride }) => {
      const fits = stride === step;
      step *= length;
      return fits;
    });
  };
  if (fills(dimensions)) return undefined;
  return fills(dimensions.toSorted((a, b) => b.stride - a.stride)) ? strides : null;
}

function isCount(value: PickleValue): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
