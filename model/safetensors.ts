// Reads safetensors files: 8 bytes of header length (little-endian), a JSON header, then the tensors' bytes end to end.
// The whole header is checked before any tensor is read; tensors are read one by one, never the whole file.
// Format: https://github.com/huggingface/safetensors#format
import { InputError } from "../errors.ts";
import { dtypeBits } from "./float_formats.ts";
import { isObject, type JsonObject, parseObject } from "./json_text.ts";
import { isCounts, openChecked, readFully, TensorFile, type TensorInfo } from "./tensor_file.ts";

/** As in the format's own implementation: a longer header is an attack or no header. */
const maxHeaderBytes = 100_000_000;
/** An open safetensors file whose header is sound. */
export class SafetensorsFile extends TensorFile {
  /** Use `openSafetensors`. */
  constructor(readonly metadata: ReadonlyMap<string, string>, ...file: ConstructorParameters<typeof TensorFile>) {
    super(...file);
  }
}

/** Opens a file and checks its header. @throws {InputError} one line that names the file and the tensor */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  return await openChecked(path, "a safetensors file", async (file, size) => {
    const { text, dataStart } = await readHeader(file, path, size);
    const header = parseObject(text, `Cannot read ${path}: header`, "get the file again");
    const metadata = checkMetadata(header, path);
    const tensors = checkTensors(header, path);
    checkRanges(tensors, size - dataStart, path);
    return new SafetensorsFile(metadata, path, tensors, file, dataStart);
  });
}

async function readHeader(file: Deno.FsFile, path: string, size: number): Promise<{ text: string; dataStart: number }> {
  if (size < 8) {
    throw new InputError(
      `Cannot read ${path}: it has ${size} bytes, a safetensors file begins with 8 bytes of header length: get the file again`,
    );
  }
  const prefix = new Uint8Array(8);
  await readFully(file, 0, prefix, () => path);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  const claim = `Cannot read ${path}: its first 8 bytes announce a header of ${length.toLocaleString("en-US")} bytes`;
  if (length > BigInt(maxHeaderBytes)) {
    throw new InputError(`${claim}, at most 100,000,000 are allowed: it is damaged or no safetensors file`);
  }
  if (length > BigInt(size - 8)) {
    throw new InputError(
      `${claim}, but the file has only ${
        size.toLocaleString("en-US")
      }: it is cut off or no safetensors file, get it again`,
    );
  }
  const bytes = new Uint8Array(Number(length));
  await readFully(file, 8, bytes, () => path);
  if (bytes[0] !== 0x7b) {
    throw new InputError(`Cannot read ${path}: its header does not begin with "{": use a safetensors file`);
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return { text, dataStart: 8 + bytes.length };
  } catch {
    throw new InputError(`Cannot read ${path}: its header is no UTF-8: get the file again`);
  }
}

function checkMetadata(header: JsonObject, path: string): Map<string, string> {
  const raw = Object.hasOwn(header, "__metadata__") ? header.__metadata__ : {};
  if (!isObject(raw) || Object.values(raw).some((value) => typeof value !== "string")) {
    throw new InputError(`Cannot read ${path}: __metadata__ must map names to strings: get the file again`);
  }
  return new Map(Object.entries(raw) as [string, string][]);
}

function checkTensors(header: JsonObject, path: string): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const refuse = (what: string) =>
      new InputError(`Cannot read ${path} tensor "${name}": ${what}: get the file again`);
    if (!isObject(entry)) throw refuse("its header entry is no object");
    const { dtype, shape, data_offsets: offsets } = entry;
    const bits = typeof dtype === "string" ? dtypeBits.get(dtype) : undefined;
    if (bits === undefined) {
      throw refuse(`dtype is ${JSON.stringify(dtype)}, must be one of ${[...dtypeBits.keys()].join(", ")}`);
    }
    if (!isCounts(shape)) throw refuse(`shape is ${JSON.stringify(shape)}, must be whole numbers from 0`);
    if (!isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
      throw refuse(`data_offsets is ${JSON.stringify(offsets)}, must be [begin, end] with begin <= end`);
    }
    const elements = shape.reduce((product, size) => product * BigInt(size), 1n);
    const wanted = elements * BigInt(bits);
    if (wanted % 8n !== 0n) throw refuse(`${elements} elements of ${dtype} do not fill whole bytes`);
    const [begin, end] = offsets;
    if (wanted / 8n !== BigInt(end - begin)) {
      throw refuse(
        `${dtype} [${shape.join(", ")}] needs ${wanted / 8n} bytes, data_offsets [${begin}, ${end}] hold ${
          end - begin
        }`,
      );
    }
    tensors.set(name, { dtype: dtype as string, shape, begin, end });
  }
  return tensors;
}

/** Tensors must cover the data exactly: no byte twice, none unowned, none beyond the end of the file. */
function checkRanges(tensors: Map<string, TensorInfo>, dataBytes: number, path: string): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let covered = 0, previous = "";
  for (const [name, { begin, end }] of inOrder) {
    const where = `Cannot read ${path} tensor "${name}": data_offsets [${begin}, ${end}]`;
    if (begin < covered) {
      throw new InputError(`${where} overlap those of "${previous}", which end at ${covered}: get the file again`);
    }
    if (begin > covered) {
      throw new InputError(`${where} leave a hole of ${begin - covered} bytes before them: get the file again`);
    }
    if (end > dataBytes) {
      throw new InputError(
        `${where} end behind the file, which has ${dataBytes} bytes of data: it is cut off, get it again`,
      );
    }
    covered = end, previous = name;
  }
  if (covered < dataBytes) {
    throw new InputError(
      `Cannot read ${path}: ${dataBytes - covered} bytes behind the last tensor belong to none: get the file again`,
    );
  }
}
