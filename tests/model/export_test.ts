// The exported folder: names, shapes and config fields as Hugging Face's classes expect them, and ours read them back.
import assert from "node:assert/strict";
import { join } from "node:path";
import { ShapeError } from "../../errors.ts";
import { parseConfig, readConfig } from "../../model/config.ts";
import { exportModel } from "../../model/export.ts";
import { openSafetensors } from "../../model/safetensors.ts";
import { checkPairing, type TiebreakEntry } from "../../model/tiebreak_entry.ts";
import { openHead, openWeights } from "../../model/weights.ts";
import { inFolder, namesIn } from "./hand_made.ts";

const sourceConfig = {
  model_type: "bert",
  hidden_size: 4,
  num_attention_heads: 1,
  num_labels: 2,
  torch_dtype: "float16",
  architectures: ["BertForMaskedLM"],
  custom: { kept: true },
};
const joint: TiebreakEntry = { pairing: "joint", template: "bert", max_tokens: 128 };
const siamese: TiebreakEntry = { pairing: "siamese", head: "swap", template: "bert", max_tokens: 128 };
const tensor = (name: string, ...shape: number[]) => ({
  name,
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i + name.length),
});
const backbone = [tensor("embeddings.LayerNorm.weight", 4), tensor("bert.pooler.dense.weight", 4, 4)];
const classifier = [tensor("classifier.weight", 3, 4), tensor("classifier.bias", 3)];
const head = ["a", "b", "t", "d"].map((part) => tensor(`head.${part}`, 4)).concat(tensor("head.bias", 2));

function inRun(use: (source: string, folder: string) => Promise<void>): Promise<void> {
  const files = { "config.json": JSON.stringify(sourceConfig), "tokenizer.json": "{}", "vocab.txt": "a\nb\n" };
  return inFolder(files, (source) => inFolder({}, (folder) => use(source, folder)));
}

Deno.test("exportModel() writes a joint run as BertForSequenceClassification with three named labels", () =>
  inRun(async (source, folder) => {
    const config = await readConfig(source);
    await exportModel({ folder, source, config, entry: joint, tensors: [...backbone, ...classifier] });
    assert.deepEqual(namesIn(folder), ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt"]);
    assert.deepEqual(JSON.parse(await Deno.readTextFile(join(folder, "config.json"))), {
      model_type: "bert",
      hidden_size: 4,
      num_attention_heads: 1,
      architectures: ["BertForSequenceClassification"],
      custom: { kept: true },
      dtype: "float32",
      id2label: { 0: "winner_model_a", 1: "winner_model_b", 2: "winner_tie" },
      label2id: { winner_model_a: 0, winner_model_b: 1, winner_tie: 2 },
      problem_type: "single_label_classification",
      tiebreak: joint,
    });
    const file = await openSafetensors(join(folder, "model.safetensors"));
    assert.deepEqual([...file.tensors].map(([name, { shape, dtype }]) => [name, shape, dtype]), [
      ["bert.embeddings.LayerNorm.weight", [4], "F32"],
      ["bert.pooler.dense.weight", [4, 4], "F32"],
      ["classifier.weight", [3, 4], "F32"],
      ["classifier.bias", [3], "F32"],
    ]);
    assert.equal(file.metadata.get("format"), "pt", "transformers asks for it");
    assert.deepEqual(await file.readF32("classifier.weight"), classifier[0].data);
    file.close();
    const written = await readConfig(folder);
    assert.equal(written.num_labels, 3);
    assert.deepEqual(written.tiebreak, joint);
  }));

Deno.test("exportModel() writes a siamese run as a bare BertModel beside its head, and it is refused as a joint model", () =>
  inRun(async (source, folder) => {
    const config = await readConfig(source);
    await exportModel({ folder, source, config, entry: siamese, tensors: [...backbone, ...head], dtype: "BF16" });
    const written = await readConfig(folder);
    assert.deepEqual(written.raw.architectures, ["BertModel"]);
    assert.equal(written.raw.dtype, "bfloat16");
    assert.deepEqual(written.tiebreak, siamese);
    const weights = await openWeights(folder), file = await openHead(folder);
    assert.deepEqual(weights.names(), ["embeddings.LayerNorm.weight", "pooler.dense.weight"]);
    assert.deepEqual([...file.tensors.keys()], ["head.a", "head.b", "head.t", "head.d", "head.bias"]);
    assert.equal(file.tensors.get("head.a")!.dtype, "F32");
    weights.close(), file.close();
    assert.throws(() => checkPairing(folder, written, "joint"), /as a joint model/);
  }));

Deno.test("exportModel() replaces an earlier export in place, also where the source is the folder itself", () =>
  inRun(async (source, folder) => {
    const config = await readConfig(source);
    await exportModel({ folder, source, config, entry: siamese, tensors: [...backbone, ...head] });
    await exportModel({
      folder,
      source: folder,
      config: await readConfig(folder),
      entry: joint,
      tensors: [...backbone, ...classifier],
    });
    assert.deepEqual(namesIn(folder), ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt"]);
    checkPairing(folder, await readConfig(folder), "joint");
  }));

Deno.test("exportModel() writes the same bytes twice", () =>
  inRun(async (source, folder) => {
    const read = () => Promise.all(namesIn(folder).map((name) => Deno.readFile(join(folder, name))));
    const run = async () =>
      await exportModel({
        folder,
        source,
        config: await readConfig(source),
        entry: siamese,
        tensors: [...backbone, ...head],
      });
    await run();
    const first = await read();
    await run();
    assert.deepEqual(await read(), first);
  }));

Deno.test("exportModel() writes a decoder with its score and a padding token: the tokenizer's, config.json's or the end of text", async () => {
  const decoder = { model_type: "llama", hidden_size: 8, num_attention_heads: 1, eos_token_id: [7, 8] };
  const entry: TiebreakEntry = { pairing: "joint", template: "decoder", max_tokens: 128 };
  const tensors = [tensor("norm.weight", 8), tensor("score.weight", 3, 8)];
  const tokenizer = {
    "tokenizer.json": JSON.stringify({ added_tokens: [{ id: 5, content: "<pad>" }] }),
    "tokenizer_config.json": JSON.stringify({ pad_token: { content: "<pad>" } }),
  };
  for (
    const [pad_token_id, files, expected] of [
      [undefined, {}, 7],
      [6, {}, 6],
      [-1, {}, 7],
      [6, tokenizer, 5],
    ] as const
  ) {
    const text = JSON.stringify({ ...decoder, pad_token_id });
    await inFolder({ "config.json": text, ...files }, (source) =>
      inFolder({}, async (folder) => {
        await exportModel({ folder, source, config: await readConfig(source), entry, tensors });
        const written = await readConfig(folder), weights = await openWeights(folder);
        assert.equal(written.raw.pad_token_id, expected);
        assert.deepEqual(written.raw.architectures, ["LlamaForSequenceClassification"]);
        assert.deepEqual(weights.names(), ["model.norm.weight", "score.weight"]);
        weights.close();
      }));
  }
});

Deno.test("exportModel() refuses a joint run without a three-way classifier and a head that does not fit the pairing", () =>
  inRun(async (source, folder) => {
    const config = parseConfig(JSON.stringify(sourceConfig), "config.json");
    const run = (entry: TiebreakEntry, tensors: typeof head) => exportModel({ folder, source, config, entry, tensors });
    await assert.rejects(run(joint, backbone), ShapeError);
    await assert.rejects(
      run(joint, [tensor("classifier.weight", 2, 4), classifier[1]]),
      /classifier\.weight is \[2, 4\], must be \[3, 4\]/,
    );
    await assert.rejects(run(joint, [...classifier, ...head]), ShapeError);
    await assert.rejects(run(siamese, backbone), ShapeError);
    assert.deepEqual(namesIn(folder), []);
  }));
