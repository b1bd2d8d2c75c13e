// The ONNX file that onnxruntime-web is given, read back by a reader of protobuf that knows nothing of the writer.
import assert from "node:assert/strict";
import { bertOnnx } from "../../bench/peers/onnx_bert.ts";

interface Field {
  number: number;
  value: number | Uint8Array;
}

/** The fields of one message: wire types 0 (varint), 2 (bytes) and 5 (four bytes). */
function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0n, shift = 0n;
    for (;; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(BigInt.asIntN(64, value));
    }
  };
  while (at < bytes.length) {
    const key = varint(), length = (key & 7) === 0 ? 0 : (key & 7) === 5 ? 4 : varint();
    assert.ok([0, 2, 5].includes(key & 7) && at + length <= bytes.length, "a message's fields end where it ends");
    fields.push({ number: key >> 3, value: (key & 7) === 0 ? varint() : bytes.subarray(at, at + length) });
    at += length;
  }
  return fields;
}

const all = (fields: Field[], number: number) =>
  fields.filter((field) => field.number === number).map(({ value }) => value);
const texts = (fields: Field[], number: number) =>
  all(fields, number).map((value) => new TextDecoder().decode(value as Uint8Array));

Deno.test("bertOnnx() writes a graph in which every input of a node was made before, and weights as long as they say", () => {
  const shape = { layers: 2, W: 8, heads: 2, F: 12, vocabulary: 10, positions: 6 };
  const model = fieldsOf(bertOnnx(shape));
  const [graph] = all(model, 7).map((bytes) => fieldsOf(bytes as Uint8Array));
  const known = new Set(all(graph, 11).flatMap((input) => texts(fieldsOf(input as Uint8Array), 1)));
  assert.deepEqual([...known], ["input_ids", "attention_mask", "token_type_ids"]);
  for (const weight of all(graph, 5).map((bytes) => fieldsOf(bytes as Uint8Array))) {
    const [type] = all(weight, 2), size = (all(weight, 1) as number[]).reduce((a, b) => a * b, 1);
    assert.equal((all(weight, 9)[0] as Uint8Array).length, size * (type === 1 ? 4 : 8));
    known.add(texts(weight, 8)[0]);
  }
  const operators: Record<string, number> = {};
  for (const node of all(graph, 1).map((bytes) => fieldsOf(bytes as Uint8Array))) {
    for (const input of texts(node, 1)) assert.ok(known.has(input), `${texts(node, 4)} reads ${input}`);
    known.add(texts(node, 2)[0]);
    const [operator] = texts(node, 4);
    operators[operator] = (operators[operator] ?? 0) + 1;
  }
  assert.ok(known.has("last_hidden_state"));
  assert.deepEqual([operators.MatMul, operators.LayerNormalization, operators.Softmax, operators.Erf], [16, 5, 2, 2]);
});
