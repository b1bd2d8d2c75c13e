// Hand-made files of torch.save for the tests of model/: pickles opcode by opcode, zip files entry by entry.

const utf8 = (text: string) => new TextEncoder().encode(text);

export function join(...parts: (Uint8Array | number[])[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) bytes.set(part, at), at += part.length;
  return bytes;
}

const u32 = (value: number) => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];

/** Opcodes of protocol 2. */
export const op = {
  text: (text: string) => join([0x58], u32(utf8(text).length), utf8(text)),
  int: (value: number) => join([0x4a], u32(value)),
  global: (module: string, name: string) => join([0x63], utf8(`${module}\n${name}\n`)),
  tuple: (...items: Uint8Array[]) => join([0x28], ...items, [0x74]),
  call: (callee: Uint8Array, ...args: Uint8Array[]) => join(callee, op.tuple(...args), [0x52]),
  dict: (...items: Uint8Array[]) => join([0x7d, 0x28], ...items, [0x75]),
  pickle: (value: Uint8Array) => join([0x80, 2], value, [0x2e]),
  /** @param more of its persistent id: the view of files of old */
  storage: (key: string, elements: number, type = "FloatStorage", ...more: Uint8Array[]) => {
    const id = [op.text("storage"), op.global("torch", type), op.text(key), op.text("cpu"), op.int(elements), ...more];
    return join(op.tuple(...id), [0x51]);
  },
  tensor: (storage: Uint8Array, offset: number, shape: number[], strides: number[]) =>
    op.call(
      op.global("torch._utils", "_rebuild_tensor_v2"),
      storage,
      op.int(offset),
      op.tuple(...shape.map(op.int)),
      op.tuple(...strides.map(op.int)),
      Uint8Array.of(0x89),
      op.call(op.global("collections", "OrderedDict")),
    ),
};

export interface ZipOptions {
  /** Sizes, offsets and the end in the wide form that files beyond 4 GiB need. */
  zip64?: boolean;
  /** Compression method the entries claim. @default {0} */
  method?: number;
  comment?: string;
}

/** A zip file of stored entries. */
export function zipBytes(entries: Record<string, Uint8Array>, options: ZipOptions = {}): Uint8Array {
  const { zip64 = false, method = 0, comment = "" } = options;
  const parts: Uint8Array[] = [], central: Uint8Array[] = [];
  let at = 0;
  for (const [name, data] of Object.entries(entries)) {
    const title = utf8(name), padding = 7;
    const local = new DataView(new ArrayBuffer(30));
    local.setUint32(0, 0x04034b50, true);
    local.setUint16(8, method, true);
    local.setUint32(18, data.length, true);
    local.setUint32(22, data.length, true);
    local.setUint16(26, title.length, true);
    local.setUint16(28, padding, true); // torch.save pads there, so that data are aligned
    parts.push(join(new Uint8Array(local.buffer), title, new Uint8Array(padding), data));
    const extra = new DataView(new ArrayBuffer(zip64 ? 28 : 0));
    if (zip64) {
      extra.setUint16(0, 1, true);
      extra.setUint16(2, 24, true);
      [data.length, data.length, at].forEach((value, i) => extra.setBigUint64(4 + 8 * i, BigInt(value), true));
    }
    const entry = new DataView(new ArrayBuffer(46));
    entry.setUint32(0, 0x02014b50, true);
    entry.setUint16(10, method, true);
    entry.setUint32(20, zip64 ? 0xffffffff : data.length, true);
    entry.setUint32(24, zip64 ? 0xffffffff : data.length, true);
    entry.setUint16(28, title.length, true);
    entry.setUint16(30, extra.byteLength, true);
    entry.setUint32(42, zip64 ? 0xffffffff : at, true);
    central.push(join(new Uint8Array(entry.buffer), title, new Uint8Array(extra.buffer)));
    at += parts.at(-1)!.length;
  }
  const directory = join(...central), count = central.length;
  const wide = new DataView(new ArrayBuffer(zip64 ? 56 + 20 : 0));
  if (zip64) {
    wide.setUint32(0, 0x06064b50, true);
    wide.setBigUint64(4, 44n, true);
    wide.setBigUint64(24, BigInt(count), true);
    wide.setBigUint64(32, BigInt(count), true);
    wide.setBigUint64(40, BigInt(directory.length), true);
    wide.setBigUint64(48, BigInt(at), true);
    wide.setUint32(56, 0x07064b50, true);
    wide.setBigUint64(64, BigInt(at + directory.length), true);
  }
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, zip64 ? 0xffff : count, true);
  end.setUint16(10, zip64 ? 0xffff : count, true);
  end.setUint32(12, zip64 ? 0xffffffff : directory.length, true);
  end.setUint32(16, zip64 ? 0xffffffff : at, true);
  end.setUint16(20, comment.length, true);
  return join(...parts, directory, new Uint8Array(wide.buffer), new Uint8Array(end.buffer), utf8(comment));
}

/** A checkpoint whose state dict is `state`, over storages by key. */
export function torchBytes(state: Uint8Array, storages: Record<string, Uint8Array>, options?: ZipOptions): Uint8Array {
  const data = Object.entries(storages).map(([key, bytes]) => [`archive/data/${key}`, bytes]);
  return zipBytes({ "archive/data.pkl": op.pickle(state), ...Object.fromEntries(data) }, options);
}

/** The same as torch.save wrote it before PyTorch 1.6, storages of 4-byte elements. */
export function legacyBytes(
  state: Uint8Array,
  storages: Record<string, Uint8Array>,
  { version = 1001, littleEndian = true, keys = Object.keys(storages) } = {},
): Uint8Array {
  const magic = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];
  const machine = op.dict(op.text("little_endian"), Uint8Array.of(littleEndian ? 0x88 : 0x89));
  const list = join([0x5d, 0x28], ...keys.map(op.text), [0x65]);
  const data = Object.values(storages).flatMap((bytes) => [[...u32(bytes.length / 4), 0, 0, 0, 0], bytes]);
  return join(magic, ...[op.int(version), machine, state, list].map(op.pickle), ...data);
}
