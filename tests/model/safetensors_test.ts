// Every refusal of the safetensors reader from hand-made bytes, the exactness of F16 and BF16, and round trips.
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { InputError, ShapeError } from "../../errors.ts";
import { fromF32, toF32 } from "../../model/float_formats.ts";
import { findDuplicateKey } from "../../model/json_text.ts";
import { openSafetensors } from "../../model/safetensors.ts";
import { writeSafetensors } from "../../model/safetensors_write.ts";
import { inFolder, namesIn, safetensorsBytes } from "./hand_made.ts";

const two = { dtype: "F32", shape: [2], data_offsets: [0, 8] };

/** Name of the fault, the file's bytes, what the message must say. */
const refusals: [string, Uint8Array, RegExp][] = [
  ["an empty file", new Uint8Array(0), /has 0 bytes.*8 bytes of header length/],
  ["a file of 7 bytes", new Uint8Array(7), /has 7 bytes/],
  [
    "a header length above 100 MB",
    safetensorsBytes({}, 0, 100_000_001n),
    /header of 100,000,001 bytes, at most 100,000,000/,
  ],
  ["a header length of 2^64 - 1", safetensorsBytes({}, 0, 2n ** 64n - 1n), /18,446,744,073,709,551,615 bytes/],
  ["a header length beyond the file", safetensorsBytes({}, 0, 3n), /header of 3 bytes, but the file has only 10/],
  ["a header that is no JSON", safetensorsBytes('{"a":'), /header: it is no JSON/],
  ["a header that is no object", safetensorsBytes("[]"), /does not begin with "\{"/],
  ["a header that begins with a space", safetensorsBytes(" {}"), /does not begin with "\{"/],
  ["an empty header", safetensorsBytes(""), /does not begin with "\{"/],
  ["a header that is no UTF-8", latin1('{"\xff":{}}'), /no UTF-8/],
  [
    "a name that comes twice",
    safetensorsBytes(`{"a":${JSON.stringify(two)},"a" :${JSON.stringify(two)}}`, 8),
    /"a" is there twice/,
  ],
  ["a name that comes twice in two spellings", safetensorsBytes('{"a":{},"\\u0061":{}}'), /"a" is there twice/],
  ["metadata that is no object", safetensorsBytes({ __metadata__: 3 }), /__metadata__ must map names to strings/],
  ["metadata with a number", safetensorsBytes({ __metadata__: { a: 3 } }), /__metadata__ must map names to strings/],
  ["an entry that is no object", safetensorsBytes({ w: 3 }), /tensor "w": its header entry is no object/],
  ["an unknown dtype", tensor({ ...two, dtype: "F33" }), /tensor "w": dtype is "F33", must be one of BOOL/],
  ["a missing dtype", tensor({ ...two, dtype: undefined }), /tensor "w": dtype is undefined/],
  ["a dtype that is a property of objects", tensor({ ...two, dtype: "toString" }), /dtype is "toString"/],
  ["a missing shape", tensor({ ...two, shape: undefined }), /shape is undefined/],
  ["a negative size", tensor({ ...two, shape: [-2] }), /shape is \[-2\]/],
  ["a fractional size", tensor({ ...two, shape: [2.5] }), /shape is \[2.5\]/],
  ["a size past exact numbers", tensor({ ...two, shape: [2 ** 53] }), /shape is \[9007199254740992\]/],
  [
    "a product that would wrap around",
    tensor({ ...two, shape: [2 ** 32, 2 ** 32] }),
    /needs 73786976294838206464 bytes/,
  ],
  ["missing offsets", tensor({ ...two, data_offsets: undefined }), /data_offsets is undefined/],
  ["three offsets", tensor({ ...two, data_offsets: [0, 4, 8] }), /data_offsets is \[0,4,8\]/],
  ["offsets in the wrong order", tensor({ ...two, data_offsets: [8, 0] }), /begin <= end/],
  ["a negative offset", tensor({ ...two, data_offsets: [-8, 0] }), /data_offsets is \[-8,0\]/],
  ["a shape that needs more bytes", tensor({ ...two, shape: [3] }), /F32 \[3\] needs 12 bytes.* hold 8/],
  ["a scalar with two elements", tensor({ ...two, shape: [] }), /F32 \[\] needs 4 bytes/],
  [
    "half a byte",
    tensor({ dtype: "F4", shape: [3], data_offsets: [0, 2] }, 2),
    /3 elements of F4 do not fill whole bytes/,
  ],
  ["a hole at the start", tensor({ ...two, data_offsets: [4, 12] }, 12), /leave a hole of 4 bytes/],
  [
    "a hole in the middle",
    safetensorsBytes({ a: two, b: { ...two, data_offsets: [12, 20] } }, 20),
    /tensor "b".* leave a hole of 4/,
  ],
  [
    "an overlap",
    safetensorsBytes({ a: two, b: { ...two, data_offsets: [4, 12] } }, 12),
    /tensor "b".* overlap those of "a"/,
  ],
  ["two tensors in one place", safetensorsBytes({ a: two, b: two }, 8), /overlap those of "a"/],
  ["data that is cut off", tensor(two, 7), /end behind the file, which has 7 bytes/],
  ["bytes behind the last tensor", tensor(two, 9), /1 bytes behind the last tensor/],
  ["bytes of no tensor at all", safetensorsBytes({}, 1), /1 bytes behind the last tensor/],
];

function tensor(entry: unknown, dataBytes = 8): Uint8Array {
  return safetensorsBytes({ w: entry }, dataBytes);
}

function latin1(text: string): Uint8Array {
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const file = safetensorsBytes("", bytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(bytes.length), true);
  return file;
}

for (const [fault, bytes, says] of refusals) {
  Deno.test(`openSafetensors() refuses ${fault}`, () =>
    inFolder({ "bad.safetensors": bytes }, async (folder) => {
      const path = join(folder, "bad.safetensors");
      await assert.rejects(openSafetensors(path), (error: Error) => {
        assert(error instanceof InputError);
        assert.match(error.message, says);
        assert(error.message.startsWith(`Cannot read ${path}`), error.message);
        assert(!error.message.includes("\n"), "one line");
        return true;
      });
    }));
}

Deno.test("openSafetensors() names a file that is not there, and a folder", () =>
  inFolder({}, async (folder) => {
    await assert.rejects(openSafetensors(join(folder, "none")), /there is no such file/);
    await assert.rejects(openSafetensors(folder), InputError);
  }));

Deno.test("openSafetensors() refuses or reads any damaged file, but never breaks", async () => {
  const whole = safetensorsBytes({ a: two, b: { dtype: "BF16", shape: [2, 2], data_offsets: [8, 16] } }, 16);
  await inFolder({}, (folder) =>
    fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), async (at, byte, cut) => {
        const bytes = whole.slice(0, Math.max(cut, at + 1));
        bytes[at] = byte;
        await Deno.writeFile(join(folder, "damaged"), bytes);
        try {
          const file = await openSafetensors(join(folder, "damaged"));
          for (const [name, info] of file.tensors) {
            if (info.dtype !== "U8") await file.readF32(name).catch(onlyInputError);
          }
          file.close();
        } catch (error) {
          onlyInputError(error);
        }
      }),
      { numRuns: 300, seed: 1 },
    ));
});

function onlyInputError(error: unknown): void {
  if (!(error instanceof InputError)) throw error;
}

Deno.test("openSafetensors() accepts empty tensors, a padded header and any order of entries", () => {
  const header = {
    b: { dtype: "F32", shape: [1], data_offsets: [4, 8] },
    none: { dtype: "F32", shape: [0, 5], data_offsets: [4, 4] },
  };
  const text = JSON.stringify({ ...header, a: { dtype: "F32", shape: [], data_offsets: [0, 4] } }) + "   ";
  const data = new Uint8Array(new Float32Array([1.5, -2]).buffer);
  return inFolder({ "x.safetensors": safetensorsBytes(text, data) }, async (folder) => {
    const file = await openSafetensors(join(folder, "x.safetensors"));
    assert.deepEqual(await Promise.all(["a", "b", "none"].map((name) => file.readF32(name))), [
      new Float32Array([1.5]),
      new Float32Array([-2]),
      new Float32Array(0),
    ]);
    file.close();
  });
});

Deno.test("readF32() refuses other dtypes and unknown names, only when they are asked for", () =>
  inFolder({ "x.safetensors": tensor({ dtype: "I64", shape: [1], data_offsets: [0, 8] }) }, async (folder) => {
    const file = await openSafetensors(join(folder, "x.safetensors"));
    await assert.rejects(file.readF32("w"), /tensor "w": its dtype is I64, must be F32, F16 or BF16/);
    await assert.rejects(file.readF32("v"), /has no tensor "v"/);
    file.close();
  }));

Deno.test("readF32() says so when the file was cut after it was opened", () =>
  inFolder({ "x.safetensors": tensor(two) }, async (folder) => {
    const path = join(folder, "x.safetensors");
    const file = await openSafetensors(path);
    await Deno.truncate(path, 60);
    await assert.rejects(file.readF32("w"), /tensor "w": the file ended early/);
    file.close();
  }));

Deno.test("writeSafetensors() and readF32() give back the same bits", () =>
  inFolder({}, (folder) =>
    fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string({ unit: "binary" }), fc.array(fc.float({ noNaN: true }), { maxLength: 9 })),
        async (data) => {
          delete data.__metadata__;
          const path = join(folder, "x.safetensors");
          const tensors = Object.entries(data).map(([name, values]) => ({ name, data: new Float32Array(values) }));
          await writeSafetensors(path, tensors.map((tensor) => ({ ...tensor, shape: [1, tensor.data.length] })), {
            metadata: { a: "b" },
          });
          const file = await openSafetensors(path);
          assert.deepEqual([...file.tensors.keys()], tensors.map((tensor) => tensor.name));
          assert.deepEqual([...file.metadata], [["a", "b"]]);
          for (const { name, data } of tensors) assert.deepEqual(await file.readF32(name), data);
          file.close();
        },
      ),
      { numRuns: 60, seed: 2 },
    )));

Deno.test("writeSafetensors() asks for lazy data in turn, aligns the data and writes the same bytes each time", () =>
  inFolder({}, async (folder) => {
    const path = join(folder, "x.safetensors"), asked: string[] = [];
    const lazy = (name: string, length: number) => ({
      name,
      shape: [length],
      data: () => Promise.resolve((asked.push(name), new Float32Array(length).fill(3))),
    });
    await writeSafetensors(path, [lazy("b", 3), lazy("a", 5)], { dtype: "BF16" });
    const first = await Deno.readFile(path);
    await writeSafetensors(path, [lazy("b", 3), lazy("a", 5)], { dtype: "BF16" });
    assert.deepEqual(await Deno.readFile(path), first);
    assert.deepEqual(asked, ["b", "a", "b", "a"]);
    assert.equal(first.length % 8, 0);
    assert.deepEqual(namesIn(folder), ["x.safetensors"]);
  }));

Deno.test("writeSafetensors() leaves an earlier file untouched when it fails", () =>
  inFolder({ "x.safetensors": "earlier" }, async (folder) => {
    const path = join(folder, "x.safetensors"), data = new Float32Array(3);
    await assert.rejects(writeSafetensors(path, [{ name: "a", shape: [4], data }]), ShapeError);
    await assert.rejects(
      writeSafetensors(path, [{ name: "a", shape: [3], data }, { name: "a", shape: [3], data }]),
      ShapeError,
    );
    const fail = () => Promise.reject(new Error("device lost"));
    await assert.rejects(writeSafetensors(path, [{ name: "a", shape: [3], data: fail }]), /device lost/);
    assert.equal(await Deno.readTextFile(path), "earlier");
    assert.deepEqual(namesIn(folder), ["x.safetensors"]);
  }));

/** The value of IEEE bits by the formula. */
function decode(bits: number, exponentBits: number, fractionBits: number): number {
  const bias = 2 ** (exponentBits - 1) - 1, top = 2 ** exponentBits - 1;
  const sign = bits >>> (exponentBits + fractionBits) ? -1 : 1;
  const exponent = (bits >>> fractionBits) & top, fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  if (exponent === top) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? (1 + fraction) * 2 ** (exponent - bias) : fraction * 2 ** (1 - bias));
}

for (const [dtype, exponentBits, fractionBits] of [["F16", 5, 10], ["BF16", 8, 7]] as const) {
  Deno.test(`toF32() is exact for all 65,536 values of ${dtype}, and fromF32() gives their bits back`, () => {
    const halves = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
    const values = toF32(new Uint8Array(halves.buffer), dtype);
    const back = new Uint16Array(fromF32(values, dtype).slice().buffer);
    for (let bits = 0; bits < 65536; bits++) {
      const wanted = decode(bits, exponentBits, fractionBits);
      assert(Object.is(values[bits], wanted), `0x${bits.toString(16)} gave ${values[bits]}, not ${wanted}`);
      if (Number.isNaN(wanted)) assert(Number.isNaN(decode(back[bits], exponentBits, fractionBits)));
      else assert.equal(back[bits], bits);
    }
  });

  Deno.test(`fromF32() rounds to the nearest ${dtype}, ties to even`, () => {
    const round = (value: number) =>
      decode(new Uint16Array(fromF32(new Float32Array([value]), dtype).slice().buffer)[0], exponentBits, fractionBits);
    for (const bits of [0, 1, 2, 3, 2 ** fractionBits - 1, 2 ** fractionBits, 0x3c00, 0x3c01, 0x7000, 0x7001]) {
      const low = decode(bits, exponentBits, fractionBits), high = decode(bits + 1, exponentBits, fractionBits);
      const middle = (low + high) / 2, even = bits % 2 === 0 ? low : high;
      const [below, above] = neighbours(middle);
      for (const sign of [1, -1]) {
        assert.equal(round(sign * middle), sign * even, `tie above 0x${bits.toString(16)}`);
        assert.equal(round(sign * below), sign * low);
        assert.equal(round(sign * above), sign * high);
      }
    }
    const largest = decode(2 ** (exponentBits + fractionBits) - 2 ** fractionBits - 1, exponentBits, fractionBits);
    const step = largest -
      decode(2 ** (exponentBits + fractionBits) - 2 ** fractionBits - 2, exponentBits, fractionBits);
    assert.equal(round(largest + step / 2), Infinity, "a tie at the top goes to infinity");
    assert.equal(round(neighbours(largest + step / 2)[0]), largest);
    assert(Number.isNaN(round(NaN)));
  });
}

/** The f32 values next to a positive f32 value. */
function neighbours(value: number): [number, number] {
  const bits = new Uint32Array(new Float32Array([value]).buffer)[0];
  return [bits - 1, bits + 1].map((word) => new Float32Array(new Uint32Array([word]).buffer)[0]) as [number, number];
}

Deno.test("fromF32() keeps a BF16 NaN whose payload lies in the lower half a NaN", () => {
  const bytes = fromF32(new Float32Array(new Uint32Array([0x7f800001, 0xffffffff]).buffer), "BF16");
  assert.deepEqual([...new Uint16Array(bytes.slice().buffer)].map((bits) => (bits & 0x7fff) > 0x7f80), [true, true]);
});

Deno.test("findDuplicateKey() finds keys at any depth and is not misled by values, quotes and braces in strings", () => {
  assert.equal(findDuplicateKey('{"a":{"b":1,"b":2}}'), "b");
  assert.equal(findDuplicateKey('{"a":[{"b":1},{"b":2}],"b":"a"}'), undefined);
  assert.equal(findDuplicateKey('{"a":"a","b":["a","a","}{"],"c\\"":":"}'), undefined);
  assert.equal(findDuplicateKey('{"__proto__":1,"__proto__"\n:2}'), "__proto__");
});
