// A BERT encoder of random weights as an ONNX file, in the operators that exporters write for transformers' BertModel.
// An ONNX file is protobuf: fields of (number, wire type) and value; only what is used here is written.
import { normal } from "./serve.ts";

export interface BertShape {
  layers: number;
  W: number;
  heads: number;
  F: number;
  vocabulary: number;
  positions: number;
}

type Bytes = Uint8Array<ArrayBuffer>;

function concat(parts: readonly Bytes[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) whole.set(part, at), at += part.length;
  return whole;
}

function varint(value: number): Bytes {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); bytes.length === 0 || rest > 0n; rest >>= 7n) {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
  }
  return Uint8Array.from(bytes);
}

const text = (value: string) => new TextEncoder().encode(value);
const int = (field: number, value: number) => concat([varint(field << 3), varint(value)]);
const message = (field: number, ...parts: Bytes[]) => {
  const body = concat(parts);
  return concat([varint(field << 3 | 2), varint(body.length), body]);
};
const name = (field: number, value: string) => message(field, text(value));
const float = (field: number, value: number) =>
  concat([varint(field << 3 | 5), new Uint8Array(Float32Array.of(value).buffer)]);

/** Data types of onnx.proto. */
const FLOAT = 1, INT64 = 7;

/** Fields of onnx.proto 1.17: TensorProto, AttributeProto, ValueInfoProto. */
function tensor(
  label: string,
  dims: readonly number[],
  data: Float32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>,
): Bytes {
  const type = data instanceof Float32Array ? FLOAT : INT64;
  return message(
    5,
    ...dims.map((dim) => int(1, dim)),
    int(2, type),
    name(8, label),
    message(9, new Uint8Array(data.buffer)),
  );
}

function attribute(label: string, value: number | readonly number[]): Bytes {
  if (typeof value === "number") {
    return Number.isInteger(value)
      ? message(5, name(1, label), int(3, value), int(20, 2))
      : message(5, name(1, label), float(2, value), int(20, 1));
  }
  return message(5, name(1, label), ...value.map((v) => int(8, v)), int(20, 7));
}

function valueInfo(field: number, label: string, type: number, dims: readonly string[]): Bytes {
  const shape = message(2, ...dims.map((dim) => message(1, name(2, dim))));
  return message(field, name(1, label), message(2, message(1, int(1, type), shape)));
}

/** The file: input_ids, attention_mask and token_type_ids [batch, length] -> last_hidden_state [batch, length, W]. */
export function bertOnnx({ layers, W, heads, F, vocabulary, positions }: BertShape): Bytes {
  const nodes: Bytes[] = [], weights: Bytes[] = [];
  let count = 0;
  const node = (
    op: string,
    inputs: readonly string[],
    attributes: Record<string, number | readonly number[]> = {},
    output = `v${count++}`,
  ) => {
    const fields = Object.entries(attributes).map(([label, value]) => attribute(label, value));
    nodes.push(
      message(1, ...inputs.map((input) => name(1, input)), name(2, output), name(3, output), name(4, op), ...fields),
    );
    return output;
  };
  const constant = (dims: readonly number[], data: Float32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>) => {
    const label = `w${weights.length}`;
    weights.push(tensor(label, dims, data));
    return label;
  };
  const random = (...dims: number[]) =>
    constant(dims, normal(dims.reduce((a, b) => a * b, 1), weights.length + 1, 0.02));
  const filled = (value: number, ...dims: number[]) =>
    constant(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(value));
  const integers = (...values: number[]) => constant([values.length], BigInt64Array.from(values, BigInt));
  const linear = (x: string, inputs: number, outputs: number) =>
    node("Add", [node("MatMul", [x, random(inputs, outputs)]), filled(0, outputs)]);
  const norm = (x: string, output?: string) =>
    node("LayerNormalization", [x, filled(1, W), filled(0, W)], { axis: -1, epsilon: 1e-12 }, output);

  const D = W / heads, split = integers(0, 0, heads, D), merged = integers(0, 0, W);
  const half = filled(0.5), one = filled(1), root2 = filled(Math.SQRT2), scale = filled(Math.sqrt(D));
  const length = node("Slice", [node("Shape", ["input_ids"]), integers(1), integers(2)]);
  const place = node("Slice", [
    constant([1, positions], BigInt64Array.from({ length: positions }, (_, i) => BigInt(i))),
    integers(0),
    length,
    integers(1),
  ]);
  const words = node("Gather", [random(vocabulary, W), "input_ids"]);
  const types = node("Gather", [random(2, W), "token_type_ids"]);
  let x = norm(node("Add", [node("Add", [words, types]), node("Gather", [random(positions, W), place])]));
  const present = node("Cast", [node("Unsqueeze", ["attention_mask", integers(1, 2)])], { to: FLOAT });
  const mask = node("Mul", [node("Sub", [one, present]), filled(-3.4028234663852886e38)]);
  for (let layer = 0; layer < layers; layer++) {
    const part = (perm: readonly number[]) => node("Transpose", [node("Reshape", [linear(x, W, W), split])], { perm });
    const scores = node("Div", [node("MatMul", [part([0, 2, 1, 3]), part([0, 2, 3, 1])]), scale]);
    const probabilities = node("Softmax", [node("Add", [scores, mask])], { axis: -1 });
    const mixed = node("MatMul", [probabilities, part([0, 2, 1, 3])]);
    const y = node("Reshape", [node("Transpose", [mixed], { perm: [0, 2, 1, 3] }), merged]);
    const h = norm(node("Add", [linear(y, W, W), x]));
    const pre = linear(h, W, F);
    const gelu = node("Mul", [node("Mul", [pre, node("Add", [node("Erf", [node("Div", [pre, root2])]), one])]), half]);
    x = norm(node("Add", [linear(gelu, F, W), h]), layer === layers - 1 ? "last_hidden_state" : undefined);
  }
  const inputs = ["input_ids", "attention_mask", "token_type_ids"];
  const graph = message(
    7,
    ...nodes,
    name(2, "bert"),
    ...weights,
    ...inputs.map((label) => valueInfo(11, label, INT64, ["batch", "length"])),
    valueInfo(12, "last_hidden_state", FLOAT, ["batch", "length", "width"]),
  );
  return concat([int(1, 8), graph, message(8, name(1, ""), int(2, 17))]);
}
