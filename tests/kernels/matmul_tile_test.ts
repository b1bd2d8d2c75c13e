// Every tile that the measurement may choose, with gradients of weights whole and split, on the dense layer's formula.
import assert from "node:assert/strict";
import { linear } from "../../kernels/linear.ts";
import { textureTiles, tileText, workgroupTiles } from "../../kernels/measure.ts";
import { lowTile } from "../../kernels/measure_classes.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { shapeClass } from "../../kernels/shape_classes.ts";
import { checkCase, type Input, normal } from "./harness.ts";
import { linearBackward, linearForward } from "./reference/linear.ts";

interface Row {
  why: string;
  T: number;
  tokens: number;
  inputs: number;
  outputs: number;
  splitGroups: number;
}

const cases: Row[] = [
  { why: "one row and column", T: 1, tokens: 1, inputs: 4, outputs: 1, splitGroups: 0 },
  { why: "nothing divides by the tile", T: 150, tokens: 133, inputs: 36, outputs: 140, splitGroups: 0 },
  { why: "three parts of a sum, the last one short", T: 800, tokens: 700, inputs: 36, outputs: 44, splitGroups: 64 },
  { why: "parts of a sum without a live row", T: 1024, tokens: 250, inputs: 36, outputs: 44, splitGroups: 64 },
];

/** x, weight and bias of a dense layer, all with gradients. */
function denseInputs(T: number, inputs: number, outputs: number): Record<string, Input> {
  return {
    x: { shape: [T, inputs], live: "tokens", data: normal(T * inputs, 1), grad: "activation" },
    weight: {
      shape: [outputs, inputs],
      data: normal(outputs * inputs, 2, { std: 1 / Math.sqrt(inputs) }),
      grad: "parameter",
    },
    bias: { shape: [outputs], data: normal(outputs, 3), grad: "parameter" },
  };
}

for (const [i, tile] of workgroupTiles.entries()) {
  // A tile's structure shows in one case; whether and where a sum is split does not depend on it.
  for (const { why, T, tokens, inputs, outputs, splitGroups } of i === 0 ? cases : cases.slice(1, 3)) {
    const sizes = `T ${tokens} of ${T}, ${inputs} -> ${outputs}`;
    Deno.test(`linear() matches f64 with tiles of ${tileText(tile)}: ${why} (${sizes})`, async () => {
      const labels: string[] = [];
      await checkCase("linear", {
        why,
        inputs: denseInputs(T, inputs, outputs),
        step: { tokens },
        record: (tape, { x, weight, bias }) => {
          const y = linear(tape, x, { weight, bias });
          const run = tape.run.bind(tape);
          tape.run = (kernel, entry, at) => {
            if (at.size?.chunk !== undefined && kernel.label === "matmul_tile") labels.push(entry);
            run(kernel, entry, at);
          };
          return y;
        },
        forward: (values) => linearForward(values),
        backward: (values, dy) => linearBackward(values, dy),
        schedules: {
          ...defaultSchedules(false),
          tile: { NT: tile, NN: tile, TN: tile },
          splitGroups,
        },
      });
      assert.equal(labels.length > 0, splitGroups > 0, "whether the weight's gradient was split");
    });
  }
}

// The first is every other test's.
for (const texture of [...textureTiles.slice(1), lowTile]) {
  const { rows, columns } = texture, size = `${rows} x ${columns * 4}`;
  const T = 37, tokens = 33, inputs = 64, outputs = 128;
  Deno.test(`linear() matches f64 with textures of ${size} for the classes of its products (T ${tokens} of ${T})`, async () => {
    const ran = new Set<string>();
    const schedules = defaultSchedules(true), tiles = { texture, tile: schedules.tile.NT };
    const classes = [
      shapeClass("NT", [T, outputs, inputs]),
      shapeClass("NN", [T, inputs, outputs]),
      shapeClass("TN", [outputs, inputs, T]),
    ];
    await checkCase("linear", {
      why: "each product by the tiles of its class",
      inputs: denseInputs(T, inputs, outputs),
      step: { tokens },
      record: (tape, { x, weight, bias }) => {
        const run = tape.run.bind(tape);
        tape.run = (kernel, entry, at) => {
          if (kernel.label.startsWith("matmul_texture")) {
            const [, rows, columns] = /let m = .*\) \* (\d+)u;\s+let n = .*\) \* (\d+)u;/.exec(kernel.code)!;
            ran.add(`${rows} x ${columns}`);
          }
          run(kernel, entry, at);
        };
        return linear(tape, x, { weight, bias });
      },
      forward: (values) => linearForward(values),
      backward: (values, dy) => linearBackward(values, dy),
      schedules: { ...schedules, classes: Object.fromEntries(classes.map((name) => [name, tiles])) },
    });
    assert.deepEqual([...ran], [`${rows} x ${columns}`], "which tiles ran");
  });
}
