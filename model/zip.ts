// Where the entries of a zip file lie, from its central directory; those of torch.save are stored, not compressed, so a
// tensor is a range of bytes. Zip64 included: checkpoints are larger than 4 GiB. Format: PKWARE's APPNOTE.TXT.
import { InputError } from "../errors.ts";

/** An entry of the central directory. */
export interface ZipEntry {
  name: string;
  bytes: number;
  isStored: boolean;
  /** Of its local header, in front of its data. */
  headerAt: number;
}

/** Reads exactly `count` bytes from `position`. */
export type ReadAt = (position: number, count: number) => Promise<Uint8Array<ArrayBuffer>>;

/** As for headers of safetensors: what is longer is an attack or damaged. */
const maxDirectoryBytes = 100_000_000;
const endBytes = 22, locatorBytes = 20, end64Bytes = 56, centralBytes = 46, localBytes = 30;
const max16 = 0xffff, max32 = 0xffffffff;

/** Entries by name. @throws {InputError} on a directory that is cut off or leads out of the file */
export async function readZipDirectory(readAt: ReadAt, size: number, path: string): Promise<Map<string, ZipEntry>> {
  const refuse = (what: string) =>
    new InputError(`Cannot read ${path}: ${what}: it is cut off or damaged, get it again`);
  const tailBytes = Math.min(size, endBytes + max16), tailAt = size - tailBytes;
  const tail = viewOf(await readAt(tailAt, tailBytes));
  let end = tailBytes - endBytes;
  // The comment behind the end record may hold anything, its length must fit.
  while (
    end >= 0 &&
    !(tail.getUint32(end, true) === 0x06054b50 && end + endBytes + tail.getUint16(end + 20, true) === tailBytes)
  ) {
    end--;
  }
  if (end < 0) throw refuse("the zip file has no end record");
  let count = tail.getUint16(end + 10, true);
  let directoryBytes = tail.getUint32(end + 12, true), directoryAt = tail.getUint32(end + 16, true);
  let limit = tailAt + end;
  if (count === max16 || directoryBytes === max32 || directoryAt === max32) {
    const locatorAt = limit - locatorBytes;
    const locator = locatorAt < 0 ? undefined : viewOf(await readAt(locatorAt, locatorBytes));
    if (locator?.getUint32(0, true) === 0x07064b50) {
      limit = number64(locator, 8);
      if (limit > locatorAt - end64Bytes) throw refuse("the zip file's zip64 record lies behind its end");
      const end64 = viewOf(await readAt(limit, end64Bytes));
      if (end64.getUint32(0, true) !== 0x06064b50) throw refuse("the zip file's zip64 record is missing");
      count = number64(end64, 32), directoryBytes = number64(end64, 40), directoryAt = number64(end64, 48);
    }
  }
  if (directoryBytes > maxDirectoryBytes) throw refuse(`its zip directory claims ${directoryBytes} bytes`);
  if (directoryAt > limit || directoryBytes > limit - directoryAt) {
    throw refuse(`its zip directory of ${directoryBytes} bytes at ${directoryAt} lies behind its end`);
  }
  const directory = viewOf(await readAt(directoryAt, directoryBytes));
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + centralBytes > directoryBytes || directory.getUint32(at, true) !== 0x02014b50) {
      throw refuse(`its zip directory breaks off at entry ${i} of ${count}`);
    }
    const nameBytes = directory.getUint16(at + 28, true), extraBytes = directory.getUint16(at + 30, true);
    const next = at + centralBytes + nameBytes + extraBytes + directory.getUint16(at + 32, true);
    if (next > directoryBytes) throw refuse(`its zip directory breaks off at entry ${i} of ${count}`);
    const name = textOf(directory, at + centralBytes, nameBytes);
    const { stored, bytes, headerAt } = sizes(directory, at, extraBytes);
    // Checked here, so that every later reading stays inside of the file.
    if (!(headerAt + localBytes + stored <= directoryAt)) {
      throw refuse(`entry "${name}" of ${bytes} bytes at ${headerAt} lies behind the data`);
    }
    if (entries.has(name)) throw refuse(`entry "${name}" is there twice`);
    const isStored = directory.getUint16(at + 10, true) === 0 && (directory.getUint16(at + 8, true) & 1) === 0 &&
      stored === bytes;
    entries.set(name, { name, bytes, isStored, headerAt });
    at = next;
  }
  return entries;
}

/** Position of a stored entry's first byte. @throws {InputError} where the local header contradicts the directory */
export async function dataStart(readAt: ReadAt, entry: ZipEntry, size: number, path: string): Promise<number> {
  const refuse = (what: string) =>
    new InputError(`Cannot read ${path} entry "${entry.name}": ${what}: get the file again, or use safetensors`);
  if (!entry.isStored) throw refuse("it is compressed or encrypted");
  const header = viewOf(await readAt(entry.headerAt, localBytes));
  if (header.getUint32(0, true) !== 0x04034b50) throw refuse(`there is no entry at ${entry.headerAt}`);
  const start = entry.headerAt + localBytes + header.getUint16(26, true) + header.getUint16(28, true);
  if (start + entry.bytes > size) throw refuse(`its ${entry.bytes} bytes at ${start} end behind the file`);
  return start;
}

/** Sizes and place of a central entry: where 32 bits do not suffice, the zip64 field has those that are missing, in order. */
function sizes(directory: DataView, at: number, extraBytes: number) {
  let stored = directory.getUint32(at + 20, true), bytes = directory.getUint32(at + 24, true);
  let headerAt = directory.getUint32(at + 42, true);
  let field = at + centralBytes + directory.getUint16(at + 28, true);
  const end = field + extraBytes;
  while (field + 4 <= end) {
    const id = directory.getUint16(field, true), length = directory.getUint16(field + 2, true);
    let value = field + 4;
    const last = Math.min(end, value + length);
    const wide = (narrow: number): number => {
      if (narrow !== max32 || value + 8 > last) return narrow;
      value += 8;
      return number64(directory, value - 8);
    };
    if (id === 1) bytes = wide(bytes), stored = wide(stored), headerAt = wide(headerAt);
    field = last;
    if (length === 0) field = value;
  }
  return { stored, bytes, headerAt };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Beyond 2^53 it loses digits, but stays beyond every file's end. */
function number64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function textOf(view: DataView, at: number, count: number): string {
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at, count));
}
