// Reads Python pickles as data: an interpreter of the few opcodes that state dicts are made of. It calls nothing. A class or
// function is only a name here, and what REDUCE makes of one is decided by the `reduce` of the caller, by an allow-list;
// every other opcode is refused by name. Opcodes: Lib/pickletools.py of CPython.
import { InputError } from "../errors.ts";

/** "module.name" of a class or function that the pickle names; it stands for itself and is never looked up. */
export class PickleGlobal {
  constructor(readonly name: string) {}
}

/** What a pickle may hold: Python's values, and what `reduce` and `persistent` give. Tuples and lists are arrays. */
export type PickleValue = null | boolean | number | string | PickleValue[] | Map<PickleKey, PickleValue> | object;
export type PickleKey = string | number | boolean | null;

export interface PickleReader {
  /** For messages. */
  path: string;
  /** Whether the pickle may name this class or function at all. */
  allows(name: string): boolean;
  /** The value that stands for a call. @throws {InputError} on a call that is not sound */
  reduce(name: string, args: PickleValue[]): PickleValue;
  /** The value that stands for a persistent id. @throws {InputError} */
  persistent(id: PickleValue): PickleValue;
}

const advice = "use a checkpoint that holds tensors only, or one in safetensors";
const MARK = Symbol("mark");

/** Names of opcodes that pickles of objects use, so that a refusal can be looked up. */
const refusedOpcodes: ReadonlyMap<number, string> = new Map([
  [0x81, "NEWOBJ"],
  [0x82, "EXT1"],
  [0x83, "EXT2"],
  [0x84, "EXT4"],
  [0x92, "NEWOBJ_EX"],
  [0x69, "INST"],
  [0x6f, "OBJ"],
  [0x50, "PERSID"],
  [0x49, "INT"],
  [0x4c, "LONG"],
  [0x53, "STRING"],
  [0x56, "UNICODE"],
  [0x46, "FLOAT"],
  [0x67, "GET"],
  [0x70, "PUT"],
  [0x64, "DICT"],
  [0x6c, "LIST"],
  [0x30, "POP"],
  [0x31, "POP_MARK"],
  [0x32, "DUP"],
  [0x8b, "LONG4"],
  [0x8d, "BINUNICODE8"],
  [0x8e, "BINBYTES8"],
  [0x8f, "EMPTY_SET"],
  [0x90, "ADDITEMS"],
  [0x91, "FROZENSET"],
  [0x42, "BINBYTES"],
  [0x43, "SHORT_BINBYTES"],
  [0x96, "BYTEARRAY8"],
  [0x97, "NEXT_BUFFER"],
  [0x98, "READONLY_BUFFER"],
]);

/** A pickle goes on where its bytes end. */
export class PickleEndsEarly extends InputError {}

/** The value a pickle of protocol 2 to 5 holds. @throws {InputError} that names the opcode or class that is not allowed */
export function readPickle(bytes: Uint8Array, reader: PickleReader): PickleValue {
  return readFirstPickle(bytes, reader).value;
}

/** As `readPickle`, where more may follow. @throws {PickleEndsEarly} if `bytes` do not hold it whole */
export function readFirstPickle(bytes: Uint8Array, reader: PickleReader): { value: PickleValue; length: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const stack: (PickleValue | typeof MARK)[] = [];
  const memo = new Map<number, PickleValue>();
  let at = 0, start = 0;
  const refuse = (what: string, hint = "get the file again") =>
    new InputError(`Cannot read ${reader.path}: ${what} at byte ${start} of its pickle: ${hint}`);
  const endsEarly = () => new PickleEndsEarly(refuse("the pickle ends early").message);
  const take = (count: number): number => {
    if (count > bytes.length - at) throw endsEarly();
    at += count;
    return at - count;
  };
  const u8 = () => bytes[take(1)];
  const u32 = () => view.getUint32(take(4), true);
  const text = (count: number): string => {
    const from = take(count);
    try {
      return utf8.decode(bytes.subarray(from, from + count));
    } catch {
      throw refuse("a text is no UTF-8");
    }
  };
  const line = (): string => {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) throw endsEarly();
    const found = text(end - at);
    at = end + 1;
    return found;
  };
  const pop = (): PickleValue => {
    const value = stack.pop();
    if (value === undefined || value === MARK) throw refuse("a value is missing");
    return value as PickleValue;
  };
  const popToMark = (): PickleValue[] => {
    const mark = stack.lastIndexOf(MARK);
    if (mark < 0) throw refuse("a mark is missing");
    const values = stack.splice(mark) as PickleValue[];
    values.shift();
    return values;
  };
  const popTuple = (count: number): PickleValue[] => {
    const values: PickleValue[] = [];
    for (let i = 0; i < count; i++) values.unshift(pop());
    return values;
  };
  const top = (): PickleValue => {
    const value = stack.at(-1);
    if (value === undefined || value === MARK) throw refuse("a value is missing");
    return value as PickleValue;
  };
  const global = (module: string, name: string): PickleGlobal => {
    const full = `${module}.${name}`;
    if (!reader.allows(full)) throw refuse(`it names ${JSON.stringify(full)}, which is not allowed,`, advice);
    return new PickleGlobal(full);
  };
  const setItems = (items: PickleValue[]): void => {
    const target = top();
    if (!(target instanceof Map)) throw refuse("items are set on what is no dictionary");
    if (items.length % 2 !== 0) throw refuse("a key has no value");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key === "object" && key !== null) throw refuse("a key is no text and no number");
      target.set(key, items[i + 1]);
    }
  };
  const append = (items: PickleValue[]): void => {
    const target = top();
    if (!Array.isArray(target)) throw refuse("items are appended to what is no list");
    for (const item of items) target.push(item);
  };
  const fromMemo = (index: number): PickleValue => {
    const value = memo.get(index);
    if (value === undefined) throw refuse(`nothing is remembered as ${index}`);
    return value;
  };
  const long = (): number => {
    const count = u8();
    if (count > 8) throw refuse(`a number has ${count} bytes`);
    let value = 0n;
    const from = take(count);
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[from + i]);
    const number = Number(BigInt.asIntN(8 * count, value));
    if (!Number.isSafeInteger(number)) throw refuse("a number is beyond 2^53");
    return number;
  };

  for (;;) {
    start = at;
    const opcode = u8();
    switch (opcode) {
      case 0x80: { // PROTO
        const protocol = u8();
        if (protocol < 2 || protocol > 5) throw refuse(`its protocol is ${protocol}, must be 2 to 5,`);
        break;
      }
      case 0x95: // FRAME: only a hint how to read ahead
        take(8);
        break;
      case 0x2e: { // STOP
        const value = pop();
        if (stack.length > 0) throw refuse("values are left over");
        return { value, length: at };
      }
      case 0x28: // MARK
        stack.push(MARK);
        break;
      case 0x63: { // GLOBAL
        const module = line();
        stack.push(global(module, line()));
        break;
      }
      case 0x93: { // STACK_GLOBAL
        const [module, name] = popTuple(2);
        if (typeof module !== "string" || typeof name !== "string") throw refuse("a class is named by no text");
        stack.push(global(module, name));
        break;
      }
      case 0x52: { // REDUCE
        const [callee, args] = popTuple(2);
        if (!(callee instanceof PickleGlobal)) throw refuse("it calls what is no class");
        if (!Array.isArray(args)) throw refuse("arguments are no tuple");
        stack.push(reader.reduce(callee.name, args));
        break;
      }
      case 0x62: // BUILD: attributes of a dictionary (_metadata of state_dict()), which we have no use for
        pop();
        if (!(top() instanceof Map)) throw refuse("BUILD, which is not allowed but for dictionaries,", advice);
        break;
      case 0x51: // BINPERSID
        stack.push(reader.persistent(pop()));
        break;
      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
        stack.push([]);
        break;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        stack.push(popTuple(opcode - 0x84));
        break;
      case 0x74: // TUPLE
        stack.push(popToMark());
        break;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        break;
      case 0x61: // APPEND
        append([pop()]);
        break;
      case 0x65: // APPENDS
        append(popToMark());
        break;
      case 0x73: // SETITEM
        setItems(popTuple(2));
        break;
      case 0x75: // SETITEMS
        setItems(popToMark());
        break;
      case 0x71: // BINPUT
        memo.set(u8(), top());
        break;
      case 0x72: // LONG_BINPUT
        memo.set(u32(), top());
        break;
      case 0x94: // MEMOIZE
        memo.set(memo.size, top());
        break;
      case 0x68: // BINGET
        stack.push(fromMemo(u8()));
        break;
      case 0x6a: // LONG_BINGET
        stack.push(fromMemo(u32()));
        break;
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING, Python 2's
        stack.push(text(u32()));
        break;
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING, Python 2's
        stack.push(text(u8()));
        break;
      case 0x4b: // BININT1
        stack.push(u8());
        break;
      case 0x4d: // BININT2
        stack.push(view.getUint16(take(2), true));
        break;
      case 0x4a: // BININT
        stack.push(view.getInt32(take(4), true));
        break;
      case 0x8a: // LONG1
        stack.push(long());
        break;
      case 0x47: // BINFLOAT
        stack.push(view.getFloat64(take(8), false));
        break;
      case 0x4e: // NONE
        stack.push(null);
        break;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        stack.push(opcode === 0x88);
        break;
      default: {
        const name = refusedOpcodes.get(opcode) ?? `0x${opcode.toString(16).padStart(2, "0")}`;
        throw refuse(`opcode ${name}, which is not allowed,`, advice);
      }
    }
  }
}
