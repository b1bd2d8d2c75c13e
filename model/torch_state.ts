// The state dict that a pickle of torch.save describes, whatever file it stands in: storages, tensors that look at them, and the
// check that each lies within its storage. Format: torch/_utils.py of PyTorch.
import { InputError } from "../errors.ts";
import { dtypeBits } from "./float_formats.ts";
import { PickleGlobal, type PickleReader, type PickleValue } from "./pickle.ts";
import { isCounts, type TensorInfo } from "./tensor_file.ts";

/** As for headers of safetensors: a longer pickle is an attack, or no state dict. */
export const maxPickleBytes = 100_000_000;

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
const rebuilds = ["torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"];
const calls = ["collections.OrderedDict", "torch._utils._rebuild_parameter", ...rebuilds];

/** Bytes that one or more tensors look at. */
export class Storage {
  /** @param elements of the whole storage @param view the elements of it that stand for the storage, in files of old */
  constructor(
    readonly key: string,
    readonly dtype: string,
    readonly elements: number,
    readonly view: { first: number; elements: number } = { first: 0, elements },
  ) {}

  get bytes(): number {
    return this.elements * dtypeBits.get(this.dtype)! / 8;
  }
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

/**
 * The places of all tensors of a state dict.
 *
 * @param find the byte of the file at which a storage begins; `refuse` makes the error of one that is not as described
 * @throws {InputError} that names the tensor
 */
export async function placeTensors(
  path: string,
  state: PickleValue,
  find: (storage: Storage, refuse: (what: string) => InputError) => number | Promise<number>,
): Promise<Map<string, TensorInfo>> {
  if (!(state instanceof Map)) {
    throw new InputError(`Cannot read ${path}: it holds no dictionary of tensors: save the model's state_dict()`);
  }
  const tensors = new Map<string, TensorInfo>();
  for (const [name, tensor] of state) {
    if (!(tensor instanceof TorchTensor) || typeof name !== "string") continue;
    const { storage, offset, shape } = tensor, { dtype, view } = storage;
    const refuse = (what: string) =>
      new InputError(`Cannot read ${path} tensor "${name}": ${what}: get the file again`);
    const start = await find(storage, refuse);
    const count = shape.reduce((product, length) => product * BigInt(length), 1n);
    const strides = count > 0n ? orderOf(tensor) : undefined;
    if (strides === null) {
      throw new InputError(
        `Cannot read ${path} tensor "${name}": strides [${tensor.strides.join(", ")}] of shape [${
          shape.join(", ")
        }] leave gaps or overlap: save it with .contiguous()`,
      );
    }
    if (count > 0n && count + BigInt(offset) > BigInt(view.elements)) {
      throw refuse(`${count} elements from ${offset} end behind its storage of ${view.elements}`);
    }
    const bytes = dtypeBits.get(dtype)! / 8;
    const begin = start + (count > 0n ? (view.first + offset) * bytes : 0);
    const info = { dtype, shape, begin, end: begin + Number(count) * bytes };
    tensors.set(name, strides ? { ...info, strides } : info);
  }
  if (tensors.size === 0) {
    throw new InputError(
      `Cannot read ${path}: no tensor stands in its dictionary: save the model's state_dict() itself`,
    );
  }
  return tensors;
}

/** @param found gets each storage that the pickle names */
export function stateDictReader(path: string, found: (storage: Storage) => void = () => {}): PickleReader {
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
      if (!rebuilds.includes(name)) throw refuse(`calls ${name}`);
      const [storage, offset, shape, strides] = args;
      if (
        !(storage instanceof Storage) || !isCount(offset) || !isCounts(shape) || !isCounts(strides) ||
        shape.length !== strides.length
      ) throw refuse("describes a tensor without storage, offset, shape and strides");
      return new TorchTensor(storage, offset, shape, strides);
    },
    persistent(id) {
      const [kind, type, key, , elements, view = null] = Array.isArray(id) ? id : [];
      const dtype = type instanceof PickleGlobal ? storageDtypes.get(type.name) : undefined;
      if (kind !== "storage" || dtype === undefined || typeof key !== "string" || !isCount(elements)) {
        throw refuse("has a persistent id that is no storage");
      }
      const storage = new Storage(key, dtype, elements, view === null ? undefined : viewOf(view, elements));
      found(storage);
      return storage;
    },
  };

  function viewOf(view: PickleValue, elements: number): { first: number; elements: number } {
    const [, first, count] = Array.isArray(view) ? view : [];
    if (!isCount(first) || !isCount(count) || first + count > elements) {
      throw refuse(`has a view that is no part of its storage of ${elements}`);
    }
    return { first, elements: count };
  }
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

function isCount(value: PickleValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
