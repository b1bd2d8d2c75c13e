// The quantiser against bitsandbytes itself: tests/oracle/quantization.py wrote down what it makes of the same weights.
import assert from "node:assert/strict";
import {
  BLOCK,
  dynamicMap,
  nf4Values,
  quantiseInt8,
  quantiseMagnitudes,
  quantiseNf4,
  SUPERBLOCK,
} from "../../kernels/quantiser.ts";
import golden from "../goldens/quantization.json" with { type: "json" };
import { mix } from "../golden.ts";
import { compare, normal } from "./harness.ts";
import { dequantiseInt8, dequantiseNf4 } from "./reference/quantiser.ts";

const blocks = 300;
const bytes = (text: string) => Uint8Array.fromBase64(text);
const floats = (text: string) => new Float32Array(bytes(text).buffer);

/** The weights of quantization.py. */
function weights(): Float32Array<ArrayBuffer> {
  const w = Float32Array.from({ length: blocks * BLOCK }, (_, i) => {
    const exponent = mix(Math.floor(i / BLOCK) + 10 ** 6) % 12 - 9;
    return ((mix(i) >>> 8) / 2 ** 24 - 0.5) * 2 ** exponent;
  });
  w.set(floats(golden.weights.first));
  return w;
}

Deno.test("the weights are those that the oracle drew, ties and zeros among them", () => {
  const w = weights(), first = floats(golden.weights.first);
  const drawn = Float32Array.from(
    { length: 64 },
    (_, i) => ((mix(i) >>> 8) / 2 ** 24 - 0.5) * 2 ** (mix(10 ** 6) % 12 - 9),
  );
  assert.deepEqual(first.subarray(0, 64), drawn);
  assert.ok(w.subarray(5 * BLOCK, 6 * BLOCK).every((value) => value === 0));
});

Deno.test("dynamicMap is bitsandbytes' create_dynamic_map() to the bit", () => {
  assert.deepEqual(dynamicMap, floats(golden.map));
});

Deno.test("quantiseNf4() gives bitsandbytes' codes, magnitudes, scales and offset to the bit", () => {
  const { codes, magnitudes, scales, offset } = quantiseNf4(weights());
  const packed = Uint8Array.from({ length: codes.length / 2 }, (_, i) => codes[2 * i] << 4 | codes[2 * i + 1]);
  assert.deepEqual(packed, bytes(golden.nf4.packed));
  assert.deepEqual(magnitudes, bytes(golden.nf4.magnitudes));
  assert.deepEqual(scales, floats(golden.nf4.scales));
  assert.equal(offset, floats(golden.nf4.offset)[0]);
});

Deno.test("dequantiseNf4() gives bitsandbytes' floats to the bit", () => {
  const values = dequantiseNf4(quantiseNf4(weights())), expected = floats(golden.nf4.dequantised);
  const picked = Array.from(
    { length: Math.ceil(blocks / 37) },
    (_, i) => values.subarray(37 * i * BLOCK, (37 * i + 1) * BLOCK),
  );
  assert.deepEqual(picked.flatMap((block) => [...block]), [...expected]);
});

Deno.test("quantiseInt8() rounds each block to 127 steps of its largest magnitude, half to even as numpy", () => {
  const { codes, scales } = quantiseInt8(weights());
  assert.deepEqual(scales, floats(golden.int8.scales));
  const expected = new Int8Array(bytes(golden.int8.codes).buffer);
  const picked = Array.from(
    { length: Math.ceil(blocks / 37) },
    (_, i) => codes.subarray(37 * i * BLOCK, (37 * i + 1) * BLOCK),
  );
  assert.deepEqual(picked.flatMap((block) => [...block]), [...expected]);
});

Deno.test("each value is the nearest code of its block: half a step off at most", () => {
  const w = normal(4 * BLOCK, 3), nf4 = dequantiseNf4({ ...quantiseNf4(w) }), int8 = dequantiseInt8(quantiseInt8(w));
  const widest = Math.max(...nf4Values.slice(1).map((value, i) => value - nf4Values[i])) / 2;
  for (let block = 0; block < 4; block++) {
    const range = [block * BLOCK, (block + 1) * BLOCK] as const, largest = Math.max(...w.slice(...range).map(Math.abs));
    // The magnitude in 8 bits adds at most 1 % here.
    compare("nf4", nf4.slice(...range), w.slice(...range), (widest + 0.01) * 1.0001);
    const off = w.slice(...range).map((value, i) => Math.abs(value - int8[range[0] + i]));
    assert.ok(Math.max(...off) <= largest / 254 * 1.0001, `int8 block ${block}`);
  }
});

Deno.test("the magnitudes of the last, partial superblock have a scale of their own", () => {
  const values = normal(SUPERBLOCK + 3, 1);
  values.fill(1e-3, SUPERBLOCK);
  const { scales, magnitudes } = quantiseMagnitudes(values);
  assert.deepEqual([...scales.subarray(1)], [Math.fround(1e-3)]);
  assert.deepEqual([...magnitudes.subarray(SUPERBLOCK)], [255, 255, 255]);
});

Deno.test("quantiseNf4() refuses what does not fill its blocks", () => {
  assert.throws(() => quantiseNf4(new Float32Array(65)), /65 values: they must fill blocks of 64/);
});
