// One table of cases: dense layers on quantised weights against f64, forward and the gradient of the input.
import assert from "node:assert/strict";
import { Tensor } from "../../gpu/tensor.ts";
import { Recorder } from "../../gpu/recorder.ts";
import { embed } from "../../kernels/embedding.ts";
import { linear } from "../../kernels/linear.ts";
import { QuantisedTensor } from "../../kernels/quantised.ts";
import { QuantisedLayout } from "../../kernels/quantised_layout.ts";
import { type QuantForm, quantiseInt8, quantiseNf4 } from "../../kernels/quantiser.ts";
import { tileText, workgroupTiles } from "../../kernels/measure.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { Tape } from "../../kernels/tape.ts";
import { checkCase, normal, testGpu } from "./harness.ts";
import { geluExact, geluExactDerivative, linearBackward, linearForward } from "./reference/linear.ts";
import { dequantiseInt8, dequantiseNf4 } from "./reference/quantiser.ts";

interface Row {
  why: string;
  T: number;
  inputs: number;
  /** Rows of each weight, one below the other. */
  rows: number[];
  tokens?: number;
  gelu?: boolean;
  /** The rows of one part alone. @default all */
  part?: number;
  /** The most bytes of one binding. */
  binding?: number;
}

const cases: Row[] = [
  { why: "one block a row, one row", T: 1, inputs: 64, rows: [4] },
  { why: "several blocks a row, dead tail inside a tile", T: 64, inputs: 192, rows: [96], tokens: 35 },
  { why: "columns past a tile of every size", T: 70, inputs: 192, rows: [264], tokens: 67 },
  { why: "more than a superblock, the last one partial", T: 20, inputs: 128, rows: [164] },
  { why: "exact GELU", T: 33, inputs: 64, rows: [128], gelu: true },
  { why: "three weights below each other, each with its own offset", T: 17, inputs: 64, rows: [128, 32, 36] },
  { why: "the second of three alone", T: 17, inputs: 64, rows: [128, 32, 36], part: 1 },
  { why: "a part whose floats are bound in parts", T: 17, inputs: 64, rows: [32, 100], part: 1, binding: 64 * 64 * 4 },
  // Nf4's are 75 KiB, int8's 150; the part begins beside a multiple of 256 bytes.
  { why: "codes bound in parts, the last one short", T: 16, inputs: 192, rows: [800], binding: 52_000 },
  { why: "a part whose codes are bound in parts", T: 16, inputs: 192, rows: [36, 804], part: 1, binding: 52_000 },
];

/** What the words of the parts stand for. */
function values(form: QuantForm, parts: Float32Array[]): number[] {
  return parts.flatMap((w) => [...form === "nf4" ? dequantiseNf4(quantiseNf4(w)) : dequantiseInt8(quantiseInt8(w))]);
}

const textures = { name: "textures", schedules: defaultSchedules(true) };
const [tiles, ...otherTiles] = workgroupTiles.map((tile) => ({
  name: `tiles of ${tileText(tile)}`,
  schedules: { ...defaultSchedules(false), tile: { NT: tile, NN: tile, TN: tile } },
}));

for (const form of ["nf4", "int8"] as const) {
  for (const { why, T, inputs, rows, tokens = T, gelu, part, binding } of cases) {
    const others = why.endsWith("of every size") && form === "nf4" ? otherTiles : [];
    for (const { name: schedule, schedules } of [textures, tiles, ...others]) {
      const name = `${why} (T ${tokens} of ${T}, ${inputs} -> ${rows}, ${form}, ${schedule})`;
      Deno.test(`linear() on a quantised weight matches f64 forward and backward: ${name}`, () => {
        const layout = new QuantisedLayout(form, rows, inputs);
        // The parts differ in size, so that a part read with another's scale is far off.
        const weights = rows.map((count, i) => normal(count * inputs, 2 + i, { std: 3 ** i / Math.sqrt(inputs) }));
        const words = { codes: new Uint32Array(layout.codeWords), scales: new Uint32Array(layout.scaleWords) };
        const all = [...layout.tables(), ...weights.flatMap((w, i) => layout.pack(i, w))];
        for (const { into, first, words: some } of all) words[into].set(some, first);
        const outputs = part === undefined ? rows.reduce((a, b) => a + b) : rows[part];
        const firstRow = part === undefined ? 0 : rows.slice(0, part).reduce((a, b) => a + b, 0);
        const w = Float64Array.from(values(form, part === undefined ? weights : [weights[part]]));
        const [activation, derivative] = gelu ? [geluExact, geluExactDerivative] : [];
        return checkCase("linear", {
          why,
          inputs: {
            x: { shape: [T, inputs], live: "tokens", data: normal(T * inputs, 1), grad: "activation" },
            bias: { shape: [outputs], data: normal(outputs, 9), grad: "parameter" },
            codes: { shape: [layout.codeWords], data: words.codes },
            scales: { shape: [layout.scaleWords], data: words.scales },
          },
          step: { tokens },
          schedules,
          bindingBytes: binding,
          record: (tape, { x, bias, codes, scales }) => {
            const weight = new QuantisedTensor([outputs, inputs], { layout, codes, scales }, firstRow, "weight");
            return linear(tape, x, { weight, bias, gelu: gelu ? "erf" : undefined });
          },
          forward: (v) => linearForward({ ...v, weight: w }, activation),
          backward: (v, dy) => {
            const { x, bias } = linearBackward({ ...v, weight: w }, dy, derivative);
            return { x, bias };
          },
        });
      });
    }
  }
}

Deno.test("an operation that cannot read a quantised weight refuses it by name", async () => {
  const { gpu } = await testGpu();
  const layout = new QuantisedLayout("nf4", [64], 64), region = {} as Tensor["region"];
  const words = (count: number) => new Tensor([count], { dtype: "u32" }, region);
  const storage = { layout, codes: words(layout.codeWords), scales: words(layout.scaleWords) };
  const table = new QuantisedTensor([64, 64], storage, 0, "the table");
  const tape = new Tape(new Recorder(gpu), { schedules: defaultSchedules(false) });
  const ids = new Tensor([4], { dtype: "u32" }, region);
  assert.throws(() => embed(tape, [{ table, ids }]), /binding "table0" would be the table, which is packed/);
});

Deno.test("QuantisedLayout refuses rows that are no whole blocks, by shape", () => {
  assert.throws(() => new QuantisedLayout("nf4", [64], 96), /\[64, 96\]: rows must be blocks of 64/);
  assert.throws(() => new QuantisedLayout("int8", [3], 64), /\[3, 64\]/);
});
