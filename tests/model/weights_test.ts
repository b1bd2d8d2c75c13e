// A model's weights: one file or shards, and an index that may not lead outside of its folder.
import assert from "node:assert/strict";
import { join } from "node:path";
import { InputError } from "../../errors.ts";
import { canonicalName, canonicalNames, openHead, openWeights, parseIndex, type Weights } from "../../model/weights.ts";
import { writeSafetensors } from "../../model/safetensors_write.ts";
import { inFolder } from "./hand_made.ts";

const index = (weight_map: unknown) => JSON.stringify({ metadata: { total_size: 8 }, weight_map });
const shard = (n: number) => `model-0000${n}-of-00002.safetensors`;

async function writeShard(folder: string, file: string, names: string[]): Promise<void> {
  await writeSafetensors(
    join(folder, file),
    names.map((name, i) => ({ name, shape: [1, 2], data: new Float32Array([i, names.length]) })),
    { dtype: "F16" },
  );
}

Deno.test("openWeights() reads one file and shards through the same interface", () =>
  inFolder({ "model.safetensors.index.json": index({ a: shard(1), b: shard(2), c: shard(2) }) }, async (folder) => {
    await writeShard(folder, shard(1), ["a", "stowaway"]);
    await writeShard(folder, shard(2), ["b", "c"]);
    let weights = await openWeights(folder);
    assert.deepEqual(weights.names(), ["a", "b", "c"]);
    assert.equal(weights.has("stowaway"), false, "what the index does not name is not there");
    assert.deepEqual(weights.shape("c"), [1, 2]);
    assert.equal(weights.dtype("c"), "F16");
    assert.deepEqual(await Promise.all(["a", "b", "c"].map((name) => weights.readF32(name))), [
      new Float32Array([0, 2]),
      new Float32Array([0, 2]),
      new Float32Array([1, 2]),
    ]);
    await assert.rejects(weights.readF32("d"), /has no tensor "d"/);
    weights.close();
    await writeShard(folder, "model.safetensors", ["single"]);
    weights = await openWeights(folder);
    assert.deepEqual(weights.names(), ["single"]);
    weights.close();
  }));

Deno.test("openWeights() names what is missing: weights, a shard, a tensor of a shard, a head", () =>
  inFolder({}, async (folder) => {
    await assert.rejects(openWeights(folder), /holds none of model\.safetensors, .*, pytorch_model\.bin\.index\.json/);
    await Deno.writeTextFile(join(folder, "model.safetensors.index.json"), index({ a: shard(1), b: shard(2) }));
    await writeShard(folder, shard(1), ["a"]);
    await assert.rejects(openWeights(folder), /model-00002-of-00002\.safetensors: the shard is missing/);
    await writeShard(folder, shard(2), ["c"]);
    await assert.rejects(openWeights(folder), /model-00002-of-00002\.safetensors: tensor "b" is missing/);
    await assert.rejects(openHead(folder), /holds no head\.safetensors/);
  }));

const outside = [
  "../x.safetensors",
  "/etc/x.safetensors",
  "a/x.safetensors",
  "a\\x.safetensors",
  "..",
  ".",
  "",
  "C:x.safetensors",
];
const strange = [".hidden.safetensors", "x..safetensors", "x.bin", "x\0.safetensors", "x\n.safetensors", 3, null, [
  "x.safetensors",
]];
for (const name of [...outside, ...strange]) {
  Deno.test(`parseIndex() refuses the shard name ${JSON.stringify(name)}`, () => {
    assert.throws(() => parseIndex(index({ w: name }), "m/index.json"), (error: Error) => {
      assert(error instanceof InputError);
      assert.match(error.message, /^Cannot read m\/index\.json tensor "w": its file is .* must be the plain name/);
      return true;
    });
  });
}

Deno.test("parseIndex() refuses an index without a map and a tensor that comes twice", () => {
  assert.throws(() => parseIndex("{}", "i"), /weight_map must be an object/);
  assert.throws(
    () => parseIndex('{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}', "i"),
    /"a" is there twice/,
  );
});

Deno.test("openWeights() refuses a shard that is a link out of the folder, but follows the Hugging Face cache's own links", () =>
  inFolder({}, async (folder) => {
    await writeShard(folder, "secret.safetensors", ["a"]);
    const model = join(folder, "models--o--n", "snapshots", "c0"), blobs = join(folder, "models--o--n", "blobs");
    await Deno.mkdir(model, { recursive: true });
    await Deno.mkdir(blobs);
    await Deno.writeTextFile(join(model, "model.safetensors.index.json"), index({ a: shard(1) }));
    await Deno.symlink("../../../secret.safetensors", join(model, shard(1)));
    await assert.rejects(openWeights(model), /is a link to .*secret\.safetensors, outside of its folder/);
    await Deno.remove(join(model, shard(1)));
    await Deno.rename(join(folder, "secret.safetensors"), join(blobs, "abc"));
    await Deno.symlink("../../blobs/abc", join(model, shard(1)));
    const weights = await openWeights(model);
    assert.deepEqual(await weights.readF32("a"), new Float32Array([0, 1]));
    weights.close();
  }));

Deno.test("canonicalName() drops the prefix and spells LayerNorm's parameters as today", () => {
  const ofBert = (name: string) => canonicalName(name, "bert.");
  assert.equal(ofBert("bert.embeddings.LayerNorm.gamma"), "embeddings.LayerNorm.weight");
  assert.equal(ofBert("encoder.layer.0.output.LayerNorm.beta"), "encoder.layer.0.output.LayerNorm.bias");
  assert.equal(ofBert("bert.pooler.dense.weight"), "pooler.dense.weight");
  assert.equal(ofBert("classifier.weight"), "classifier.weight");
  assert.equal(canonicalName("model.norm.weight", "model."), "norm.weight");
});

Deno.test("canonicalNames() maps to the stored names and refuses two for one tensor", () => {
  const holding = (...names: string[]) => ({ path: "m", names: () => names }) as Weights;
  assert.deepEqual([...canonicalNames(holding("bert.a", "b"), "bert.")], [["a", "bert.a"], ["b", "b"]]);
  assert.throws(() => canonicalNames(holding("bert.a", "a"), "bert."), /"bert\.a" and "a" name the same tensor/);
});
