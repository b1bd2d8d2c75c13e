// One table of cases drives a frozen dense layer with adapters: forward, dx, dA and dB, through textures and tiles.
import { type Tensor } from "../../gpu/tensor.ts";
import { type Adapters } from "../../kernels/adapters.ts";
import { sideKey, tokenKey } from "../../kernels/dropout.ts";
import { linear } from "../../kernels/linear.ts";
import { type GeluForm } from "../../kernels/gelu_forms.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { checkCase, type Input, normal, type Values } from "./harness.ts";
import { adaptedBackward, adaptedForward } from "./reference/adapters.ts";
import { dropoutMask } from "./reference/dropout.ts";
import { geluExact, geluExactDerivative, geluTanh, geluTanhDerivative } from "./reference/linear.ts";

interface Row {
  why: string;
  T: number;
  inputs: number;
  outputs: number;
  /** First column and width of each adapted part. @default {one part, all columns} */
  parts?: [column: number, width: number][];
  r: number;
  rate?: number;
  tokens?: number;
  gelu?: GeluForm;
  /** @default {true} */
  biased?: boolean;
  /** Rows of the weight that are bound at once. */
  bound?: number;
}

const fused: [number, number][] = [[0, 128], [128, 64], [192, 64]];

const cases: Row[] = [
  { why: "rank 1, sizes of nothing", T: 3, inputs: 12, outputs: 8, r: 1 },
  { why: "rank past a tile of 32, odd sizes", T: 37, inputs: 20, outputs: 44, r: 36, rate: 0.3 },
  {
    why: "query and value of shared heads, no bias",
    T: 33,
    inputs: 64,
    outputs: 20,
    parts: [[0, 12], [16, 4]],
    r: 4,
    biased: false,
  },
  { why: "rank 16, all of one weight", T: 48, inputs: 128, outputs: 192, r: 16 },
  { why: "rank 8, dropout, dead tail", T: 64, inputs: 64, outputs: 128, r: 8, rate: 0.25, tokens: 35 },
  { why: "every part of a fused weight", T: 32, inputs: 128, outputs: 256, parts: fused, r: 16, rate: 0.1 },
  {
    why: "first and last part of a fused weight",
    T: 32,
    inputs: 128,
    outputs: 256,
    parts: [fused[0], fused[2]],
    r: 16,
  },
  {
    why: "the middle part alone, no bias",
    T: 32,
    inputs: 64,
    outputs: 256,
    parts: [fused[1]],
    r: 4,
    rate: 0.5,
    biased: false,
  },
  { why: "rank 20: rows of a thin tile past the last rank", T: 20, inputs: 64, outputs: 64, r: 20 },
  { why: "rank 80 in a tensor of ranks 128 wide", T: 20, inputs: 64, outputs: 64, r: 80, rate: 0.1 },
  { why: "exact GELU behind", T: 33, inputs: 64, outputs: 128, r: 8, gelu: "erf", rate: 0.1 },
  { why: "tanh GELU behind, odd sizes", T: 5, inputs: 36, outputs: 52, r: 2, gelu: "tanh" },
  { why: "gradients summed in chunks of 512 tokens", T: 1100, inputs: 16, outputs: 8, r: 4, rate: 0.1, tokens: 1027 },
  {
    why: "the weight bound in parts across the adapted ones",
    T: 32,
    inputs: 128,
    outputs: 256,
    parts: fused,
    r: 4,
    bound: 96,
  },
  { why: "exact GELU behind a weight bound in parts", T: 33, inputs: 64, outputs: 192, r: 8, gelu: "erf", bound: 128 },
];

const activations = { erf: [geluExact, geluExactDerivative], tanh: [geluTanh, geluTanhDerivative] } as const;
const scale = 1.75, site = 5;

for (
  const { why, T, inputs, outputs, parts = [[0, outputs]], r, rate = 0, tokens = T, gelu, biased = true, bound }
    of cases
) {
  for (const isCpu of [true, false]) {
    const [activation, derivative] = gelu ? activations[gelu] : [];
    const sizes = `T ${tokens} of ${T}, ${inputs} -> ${outputs}, r ${r}, ${isCpu ? "textures" : "tiles"}`;
    const side = sideKey({ seed: 42, step: 7, battle: 5, side: 1 });
    const keys = Uint32Array.from({ length: T }, (_, t) => tokenKey(side, t));
    const places = parts.map(([column, n], i) => ({ name: `b${i}`, r, n, column }));
    const reference = (values: Values) => ({
      parts: places,
      scale,
      mask: rate ? dropoutMask(values.keys, inputs, { rate, site }) : new Float64Array(values.x.length).fill(1),
    });
    const whole = (values: Values) => ({ bias: new Float64Array(outputs), ...values });
    const adapters = (tensors: Record<string, Tensor>): Adapters => ({
      a: tensors.a,
      parts: places.map(({ name, column }) => ({ b: tensors[name], column })),
      scale,
      ...(rate && { dropout: { rate, site, tokenKeys: tensors.keys } }),
    });
    Deno.test(`linear() with adapters matches f64 forward and backward: ${why} (${sizes})`, () =>
      checkCase("adapters", {
        why,
        inputs: {
          x: { shape: [T, inputs], live: "tokens", data: normal(T * inputs, 1), grad: "activation" },
          weight: { shape: [outputs, inputs], data: normal(outputs * inputs, 2, { std: 1 / Math.sqrt(inputs) }) },
          ...(biased && { bias: { shape: [outputs], data: normal(outputs, 3) } }),
          a: parameter([parts.length * r, inputs], 4, 1 / Math.sqrt(inputs)),
          ...Object.fromEntries(places.map(({ name, n }, i) => [name, parameter([r, n], 5 + i, 1 / Math.sqrt(r))])),
          keys: { shape: [T], live: "tokens", data: keys },
        },
        step: { tokens },
        adapters: (tensors) => new Map([[tensors.weight, adapters(tensors)]]),
        record: (tape, { x, weight, bias }) => linear(tape, x, { weight, bias, gelu }),
        forward: (values) => adaptedForward(whole(values), reference(values), activation),
        backward: (values, dy) => adaptedBackward(whole(values), reference(values), dy, derivative),
        schedules: defaultSchedules(isCpu),
        ...(bound && { bindingBytes: bound * inputs * 4 }),
      }));
  }
}

function parameter(shape: [number, number], seed: number, std: number): Input {
  return { shape, data: normal(shape[0] * shape[1], seed, { std }), grad: "parameter" };
}
