// Files of torch.save: real ones (tests/oracle/torch_files.py) give PyTorch's values, hand-made ones are refused by name, and
// nothing that a pickle names is ever run.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { InputError } from "../../errors.ts";
import { openSafetensors } from "../../model/safetensors.ts";
import { openTorchFile } from "../../model/torch_file.ts";
import { openWeights } from "../../model/weights.ts";
import { root } from "../imports.ts";
import { inFolder } from "./hand_made.ts";
import { join as bytesOf, legacyBytes, op, torchBytes, zipBytes } from "./torch_bytes.ts";

const goldens = join(root, "tests/goldens/torch_file");
const golden = (name: string) => new Uint8Array(readFileSync(join(goldens, name)));

const values = new Float32Array([1, -2, 3.5, 4, 5, 6]);
const storage = { "0": new Uint8Array(values.buffer) };
const six = op.storage("0", 6);
const one = (tensor: Uint8Array) => op.dict(op.text("w"), tensor);
/** A storage that is a part of another, as files of before PyTorch 1.6 may say. */
const view = (first: number, elements: number) =>
  op.storage("0", 6, "FloatStorage", op.tuple(op.text("view"), op.int(first), op.int(elements)));
const plain = one(op.tensor(six, 0, [2, 3], [3, 1]));

const long = op.dict(op.text("w"), op.tensor(six, 0, [2, 3], [3, 1]), op.text("notes"), op.text("n".repeat(600_000)));

async function readBytes(bytes: Uint8Array): Promise<Float32Array> {
  return await inFolder({ "x.bin": bytes }, async (folder) => {
    const file = await openTorchFile(join(folder, "x.bin"));
    try {
      return await file.readF32("w");
    } finally {
      file.close();
    }
  });
}

for (
  const [why, entries, source] of [
    ["one file", ["pytorch_model.bin"], "pytorch_model.bin"],
    ["shards", ["pytorch_model.bin.index.json"], "pytorch_model.bin.index.json"],
    ["the form of before PyTorch 1.6", ["pytorch_model.bin"], "legacy.bin"],
  ] as const
) {
  Deno.test(`openWeights() reads what torch.save wrote as PyTorch does: ${why}`, async () => {
    const shards = [1, 2].map((n) => `pytorch_model-0000${n}-of-00002.bin`);
    const names = why === "shards" ? [...entries, ...shards] : entries;
    const expected = await openSafetensors(join(goldens, "expected.safetensors"));
    const files = names.map((name) => [name, golden(name === entries[0] ? source : name)]);
    await inFolder(Object.fromEntries(files), async (folder) => {
      const weights = await openWeights(folder);
      assert.equal(weights.path, join(folder, entries[0]));
      assert(expected.tensors.size >= 13);
      for (const [name, { shape }] of expected.tensors) {
        assert.deepEqual(weights.shape(name), shape, name);
        assert.deepEqual(await weights.readF32(name), await expected.readF32(name), name);
      }
      weights.close();
    });
    expected.close();
  });
}

Deno.test("openWeights() prefers safetensors where a folder holds both", () =>
  inFolder(
    { "pytorch_model.bin": golden("pytorch_model.bin"), "model.safetensors": golden("expected.safetensors") },
    async (folder) => {
      const weights = await openWeights(folder);
      assert.equal(weights.path, join(folder, "model.safetensors"));
      weights.close();
    },
  ));

Deno.test("readF32() refuses buffers of whole numbers, only when they are asked for", async () => {
  const file = await openTorchFile(join(goldens, "pytorch_model.bin"));
  assert.equal(file.tensors.get("mask")?.dtype, "BOOL");
  await assert.rejects(
    file.readF32("position_ids"),
    /tensor "position_ids": its dtype is I64, must be F32, F16 or BF16/,
  );
  await assert.rejects(file.readF32("version"), /it has no tensor "version"/);
  file.close();
});

Deno.test("openTorchFile() reads hand-made files: plain, zip64, with a comment, offsets, another order", async () => {
  const cases: [string, Uint8Array, number[]][] = [
    ["plain", torchBytes(plain, storage), [1, -2, 3.5, 4, 5, 6]],
    ["zip64", torchBytes(plain, storage, { zip64: true }), [1, -2, 3.5, 4, 5, 6]],
    ["comment", torchBytes(plain, storage, { comment: "PK\u0005\u0006 is no end" }), [1, -2, 3.5, 4, 5, 6]],
    ["offset", torchBytes(one(op.tensor(six, 2, [2, 2], [2, 1])), storage), [3.5, 4, 5, 6]],
    ["transposed", torchBytes(one(op.tensor(six, 0, [3, 2], [1, 3])), storage), [1, 4, -2, 5, 3.5, 6]],
    ["legacy", legacyBytes(plain, storage), [1, -2, 3.5, 4, 5, 6]],
    ["legacy, offset", legacyBytes(one(op.tensor(six, 2, [2, 2], [2, 1])), storage), [3.5, 4, 5, 6]],
    ["legacy, transposed", legacyBytes(one(op.tensor(six, 0, [3, 2], [1, 3])), storage), [1, 4, -2, 5, 3.5, 6]],
    ["legacy, a view of a storage", legacyBytes(one(op.tensor(view(1, 4), 1, [3], [1])), storage), [3.5, 4, 5]],
    ["legacy, a pickle of several reads", legacyBytes(long, storage), [1, -2, 3.5, 4, 5, 6]],
  ];
  for (const [why, bytes, expected] of cases) assert.deepEqual([...await readBytes(bytes)], expected, why);
});

const system = op.call(op.global("os", "system"), op.text("echo run"));
const safer = "use a checkpoint that holds tensors only, or one in safetensors";
const huge = 2 ** 31 - 1;
const refusals: [string, Uint8Array, RegExp][] = [
  ["a call of os.system", torchBytes(one(system), storage), /names "os\.system", which is not allowed, at byte \d+/],
  [
    "a class named from the stack",
    torchBytes(one(bytesOf(op.text("builtins"), op.text("eval"), [0x93])), storage),
    new RegExp(`names "builtins\\.eval", which is not allowed, at byte \\d+ of its pickle: ${safer}`),
  ],
  [
    "a call of a storage class",
    torchBytes(one(op.call(op.global("torch", "FloatStorage"))), storage),
    /calls torch\.FloatStorage/,
  ],
  ["a call of a text", torchBytes(one(op.call(op.text("os.system"))), storage), /calls what is no class/],
  [
    "an OrderedDict of something",
    torchBytes(op.call(op.global("collections", "OrderedDict"), op.int(1)), {}),
    /makes an OrderedDict/,
  ],
  [
    "NEWOBJ",
    torchBytes(one(bytesOf(op.global("torch", "FloatStorage"), [0x29, 0x81])), storage),
    /opcode NEWOBJ, which is not allowed/,
  ],
  ["INST", torchBytes(one(bytesOf([0x28, 0x69])), storage), /opcode INST, which is not allowed/],
  ["an unknown opcode", torchBytes(Uint8Array.of(0xff), storage), /opcode 0xff, which is not allowed/],
  [
    "BUILD on a tensor",
    torchBytes(one(bytesOf(op.tensor(six, 0, [6], [1]), [0x7d, 0x62])), storage),
    /BUILD, which is not allowed/,
  ],
  [
    "a memory that was never filled",
    torchBytes(Uint8Array.of(0x6a, 0xff, 0xff, 0xff, 0xff), {}),
    /nothing is remembered as 4294967295/,
  ],
  [
    "a text longer than the pickle",
    torchBytes(Uint8Array.of(0x58, 0xff, 0xff, 0xff, 0xff), {}),
    /the pickle ends early/,
  ],
  ["an empty stack", torchBytes(Uint8Array.of(0x52), {}), /a value is missing/],
  ["values left over", torchBytes(Uint8Array.of(0x4e, 0x4e), {}), /values are left over/],
  ["a number of 255 bytes", torchBytes(Uint8Array.of(0x8a, 255), {}), /a number has 255 bytes/],
  ["protocol 0", zipBytes({ "a/data.pkl": Uint8Array.of(0x80, 0, 0x2e) }), /its protocol is 0/],
  ["a list in place of a state dict", torchBytes(Uint8Array.of(0x5d), {}), /no dictionary of tensors/],
  [
    "a state dict inside of another",
    torchBytes(op.dict(op.text("model"), plain), storage),
    /no tensor stands in its dictionary/,
  ],
  [
    "a storage that is not there",
    torchBytes(one(op.tensor(op.storage("../1", 6), 0, [6], [1])), storage),
    /its storage "\.\.\/1" is missing/,
  ],
  [
    "a storage of another size",
    torchBytes(one(op.tensor(op.storage("0", 7), 0, [6], [1])), storage),
    /has 24 bytes, 7 elements of F32 have 28/,
  ],
  [
    "a storage of another type",
    torchBytes(one(op.tensor(op.storage("0", 6, "HalfStorage"), 0, [6], [1])), storage),
    /6 elements of F16 have 12/,
  ],
  [
    "an offset behind the storage",
    torchBytes(one(op.tensor(six, 1, [6], [1])), storage),
    /6 elements from 1 end behind its storage of 6/,
  ],
  [
    "a negative offset",
    torchBytes(one(op.tensor(six, -1, [6], [1])), storage),
    /without storage, offset, shape and strides/,
  ],
  [
    "shapes beyond all numbers",
    torchBytes(one(op.tensor(six, 0, [huge, huge, huge, huge], [0, 0, 0, 0])), storage),
    /leave gaps or overlap/,
  ],
  [
    "too many strides",
    torchBytes(one(op.tensor(six, 0, [6], [1, 1])), storage),
    /without storage, offset, shape and strides/,
  ],
  [
    "an expanded tensor",
    torchBytes(one(op.tensor(six, 0, [9, 6], [0, 1])), storage),
    /strides \[0, 1\] of shape \[9, 6\] leave gaps/,
  ],
  ["compressed entries", torchBytes(plain, storage, { method: 8 }), /it is compressed or encrypted/],
  [
    "a program of TorchScript",
    zipBytes({ "a/data.pkl": op.pickle(plain), "a/constants.pkl": new Uint8Array(1) }),
    /TorchScript program/,
  ],
  ["a zip file without a pickle", zipBytes({ "a/b/data.pkl": op.pickle(plain) }), /holds 0 entries data\.pkl/],
  [
    "the other byte order",
    zipBytes({ "a/data.pkl": op.pickle(plain), "a/byteorder": new Uint8Array(3) }),
    /its byteorder is not "little"/,
  ],
  [
    "a columns' view",
    golden("gaps.bin"),
    /strides \[4, 1\] of shape \[4, 2\] leave gaps or overlap: save it with \.contiguous\(\)/,
  ],
  ["a whole module", golden("module.bin"), /names "torch\.nn\.modules\.linear\.Linear", which is not allowed/],
  ...[system, bytesOf(op.text("builtins"), op.text("eval"), [0x93])].map((evil, i): [string, Uint8Array, RegExp] => [
    `legacy: call ${i} of what is no tensor`,
    legacyBytes(one(evil), storage),
    /names "(os\.system|builtins\.eval)", which is not allowed, at byte \d+ of its pickle/,
  ]),
  [
    "legacy: a storage cut off",
    legacyBytes(plain, storage).slice(0, -1),
    /its storage "0" of 24 bytes ends behind the file, which is cut off/,
  ],
  ["legacy: a pickle cut off", legacyBytes(plain, storage).slice(0, 90), /the pickle ends early at byte \d+/],
  [
    "legacy: a storage of another size",
    legacyBytes(one(op.tensor(op.storage("0", 5), 0, [5], [1])), storage),
    /its storage "0" has 6 elements, the pickle says 5/,
  ],
  [
    "legacy: a storage that is not there",
    legacyBytes(one(op.tensor(op.storage("1", 6), 0, [6], [1])), {}),
    /tensor "w": its storage "1" is missing/,
  ],
  [
    "legacy: a storage of nobody",
    legacyBytes(plain, storage, { keys: ["0", "1"] }),
    /lists a storage "1" that no tensor has/,
  ],
  [
    "legacy: one storage of two sizes",
    legacyBytes(op.dict(op.text("v"), op.tensor(op.storage("0", 5), 0, [5], [1]), op.text("w"), six), storage),
    /gives storage "0" two sizes/,
  ],
  [
    "legacy: an offset behind the storage",
    legacyBytes(one(op.tensor(six, 1, [6], [1])), storage),
    /6 elements from 1 end behind its storage of 6/,
  ],
  [
    "legacy: a view beyond its storage",
    legacyBytes(one(op.tensor(view(3, 4), 0, [4], [1])), storage),
    /a view that is no part of its storage of 6/,
  ],
  [
    "legacy: an offset behind the view",
    legacyBytes(one(op.tensor(view(1, 4), 0, [5], [1])), storage),
    /5 elements from 0 end behind its storage of 4/,
  ],
  ["legacy: another version", legacyBytes(plain, storage, { version: 1002 }), /protocol version is 1002, must be 1001/],
  [
    "legacy: the other byte order",
    legacyBytes(plain, storage, { littleEndian: false }),
    /its byte order is not little/,
  ],
  ["an empty file", new Uint8Array(0), /no file of torch\.save/],
  [
    "a file without an end",
    torchBytes(plain, storage).slice(0, -1),
    /the zip file has no end record: it is cut off or damaged/,
  ],
];

for (const [what, bytes, message] of refusals) {
  Deno.test(`openTorchFile() refuses ${what}`, async () => {
    await assert.rejects(readBytes(bytes), (error: Error) => {
      assert(error instanceof InputError, error.stack);
      assert.match(error.message, message);
      assert.match(error.message, /^Cannot read .*x\.bin/);
      return true;
    });
  });
}

Deno.test("openTorchFile() refuses or reads any damaged file, but never breaks", async () => {
  const whole = [
    torchBytes(plain, storage),
    torchBytes(plain, storage, { zip64: true }),
    legacyBytes(one(op.tensor(view(1, 4), 1, [3], [1])), storage),
  ];
  await inFolder({}, (folder) =>
    fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        fc.option(fc.nat()),
        async (form, changes, cut) => {
          const bytes = whole[form].slice(0, cut === null ? undefined : cut % whole[form].length);
          for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
          const path = join(folder, "damaged.bin");
          await Deno.writeFile(path, bytes);
          const onlyInputError = (error: unknown) => assert(error instanceof InputError, String(error));
          try {
            const file = await openTorchFile(path);
            for (const name of file.tensors.keys()) await file.readF32(name).catch(onlyInputError);
            file.close();
          } catch (error) {
            onlyInputError(error);
          }
        },
      ),
      { numRuns: 900 },
    ));
});
