// Runs one operation on the GPU, forward and backward, and compares it with a plain f64 reference.
//
// What a case holds against the operation: random incoming gradients (never ones), planned memory poisoned with NaN, rows
// beyond the live count dead, guard words round every input and parameter gradient, gradients both overwritten and added
// to. The reference is itself checked by central differences in f64, where a step of 1e-6 leaves errors near 1e-9: the same
// check through f32 would need tolerances near 1e-2, which hide a lost factor.
import assert from "node:assert/strict";
import { type Gpu, openGpu } from "../../gpu/device.ts";
import { ownedTensor, Recorder } from "../../gpu/recorder.ts";
import { PipelineCache } from "../../gpu/pipelines.ts";
import { type DType, type Live, Tensor } from "../../gpu/tensor.ts";
import { readTensors, upload } from "../../gpu/transfer.ts";
import { type Adapters } from "../../kernels/adapters.ts";
import { defaultSchedules, type Schedules } from "../../kernels/schedules.ts";
import { stepFields, type StepUniform } from "../../kernels/step.ts";
import { type Precision, Tape } from "../../kernels/tape.ts";
import { limitedGpu } from "../limited_gpu.ts";

/** One input of an operation. */
export interface Input {
  shape: number[];
  data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
  live?: Live;
  /** "activation": its gradient is overwritten; "parameter": added to what is there; absent: none is wanted. */
  grad?: "activation" | "parameter";
}

/** Values in f64 by input name. */
export type Values = Record<string, Float64Array>;

export interface Case {
  /** Why this row exists. */
  why: string;
  inputs: Record<string, Input>;
  /** Counts in use; what is not given is taken from nothing: all rows. */
  step?: Partial<StepUniform>;
  /** Adapters of weights among the inputs. */
  adapters?(inputs: Record<string, Tensor>): ReadonlyMap<Tensor, Adapters>;
  /** Records the operation. */
  record(tape: Tape, inputs: Record<string, Tensor>): Tensor;
  /** The formula, over the live rows only; gradients get as many rows as the output has. */
  forward(x: Values): Float64Array;
  /** Gradient of each differentiable input, by hand. */
  backward(x: Values, dy: Float64Array): Values;
  /** Relative to the largest expected value. @default {1e-5} */
  rtol?: number;
  schedules?: Schedules;
  /** The most that one binding holds, in place of the adapter's limit. */
  bindingBytes?: number;
  /** "f16": activations of tokens and their gradients are stored so; the reference gets the rounded inputs. @default {"f32"} */
  precision?: Precision;
}

/** Largest relative error of one rounding to f16, which has 11 bits: WGSL lets an adapter round either way. */
export const halfStep = 2 ** -10;

let shared: { gpu: Gpu; pipelines: PipelineCache } | undefined;

/** One device and one pipeline cache for a whole test file. */
export async function testGpu(): Promise<{ gpu: Gpu; pipelines: PipelineCache }> {
  if (!shared) {
    const gpu = await openGpu();
    // A device that is still open when the process ends made Mesa 22.3 abort ("double free or corruption") in 2 of 190 runs.
    globalThis.addEventListener("unload", () => gpu.dispose());
    shared = { gpu, pipelines: new PipelineCache(gpu) };
  }
  return shared;
}

/** Every field of the step uniform. */
export function stepValues(given: Partial<StepUniform> = {}): Record<string, number> {
  return { ...Object.fromEntries(stepFields.map(({ name }) => [name, 0])), inverseWeight: 1, ...given };
}

/** Seeded normal deviates: the same on every machine. */
export function normal(count: number, seed: number, { mean = 0, std = 1 } = {}): Float32Array<ArrayBuffer> {
  const uniform = random(seed);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    values[i] = mean + std * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  }
  return values;
}

/** Seeded uniform deviates in [0, 1): mulberry32. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const GUARD = 64;
const GUARD_WORD = 12345.678;

/** A tensor between guard words in a buffer of its own. */
function guarded(gpu: Gpu, shape: readonly number[], live?: Live): { tensor: Tensor; whole: Tensor } {
  const size = shape.reduce((a, b) => a * b, 1);
  const padded = Math.ceil(size / GUARD) * GUARD;
  const whole = ownedTensor(gpu, [padded + 2 * GUARD]);
  upload(gpu, whole, new Float32Array(padded + 2 * GUARD).fill(GUARD_WORD));
  const region = { buffer: whole.region!.buffer, offset: GUARD * 4, size: size * 4 };
  return { tensor: new Tensor(shape, { live }, region), whole };
}

/** Runs the case and throws where the GPU, the reference or a guard disagrees. */
export async function checkCase(name: string, at: Case): Promise<void> {
  const { gpu, pipelines } = await testGpu();
  const step = stepValues(at.step);
  const recorder = new Recorder(at.bindingBytes ? limitedGpu(gpu, { binding: at.bindingBytes }) : gpu);
  const inputs: Record<string, Tensor> = {};
  const parameterGradients = new Map<Tensor, Tensor>();
  const guards: { name: string; whole: Tensor; size: number }[] = [];
  const before: Record<string, Float32Array> = {};
  const owned: Tensor[] = [];
  const dtypeOf = (live?: Live) => live === "tokens" ? at.precision ?? "f32" : "f32";
  for (const [key, { shape, data, live, grad }] of Object.entries(at.inputs)) {
    if (grad === "activation") {
      const options = { live, label: key, requiresGrad: true, dtype: dtypeOf(live) };
      inputs[key] = recorder.keep(recorder.tensor(shape, options));
      continue;
    }
    const place = guarded(gpu, shape, live);
    const dtype = data instanceof Uint32Array ? "u32" as const : "f32" as const;
    inputs[key] = new Tensor(shape, { live, label: key, dtype }, place.tensor.region);
    owned.push(place.whole);
    guards.push({ name: key, whole: place.whole, size: inputs[key].size });
    if (grad === "parameter") {
      const gradient = guarded(gpu, shape);
      before[key] = normal(inputs[key].size, 77);
      upload(gpu, gradient.tensor, before[key] as Float32Array<ArrayBuffer>);
      parameterGradients.set(inputs[key], gradient.tensor);
      owned.push(gradient.whole);
      guards.push({ name: `d ${key}`, whole: gradient.whole, size: inputs[key].size });
    }
  }

  const tape = new Tape(recorder, {
    parameterGradients,
    adapters: at.adapters?.(inputs),
    precision: at.precision,
    schedules: at.schedules ?? defaultSchedules(gpu.report.isCpu),
  });
  const output = recorder.keep(at.record(tape, inputs));
  const liveSize = (shape: readonly number[], live?: Live) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return live ? size / shape[0] * step[live] : size;
  };
  const outputSize = liveSize(output.shape, output.live);
  const dy = rounded(normal(outputSize, 99), output.dtype);
  const dyTensor = recorder.keep(
    recorder.tensor(output.shape, { live: output.live, label: "dy", dtype: output.dtype }),
  );
  const differentiable = Object.keys(at.inputs).filter((key) => at.inputs[key].grad);
  if (differentiable.length > 0) {
    tape.setGrad(output, dyTensor);
    tape.backward();
  }
  const gradients: Record<string, Tensor> = {};
  for (const key of differentiable) gradients[key] = recorder.keep(tape.grad(inputs[key])!.tensor);

  const program = recorder.build(pipelines, stepFields, { poison: true });
  try {
    for (const [key, { data }] of Object.entries(at.inputs)) {
      if (inputs[key].region) upload(gpu, inputs[key], data);
    }
    if (dyTensor.region) upload(gpu, dyTensor, dy);
    program.run(step);

    const x: Values = {};
    for (const [key, { shape, live, data }] of Object.entries(at.inputs)) {
      x[key] = Float64Array.from(rounded(data.slice(0, liveSize(shape, live)), inputs[key].dtype));
    }
    const [actual, ...actualGradients] = await readTensors(gpu, [output, ...differentiable.map((k) => gradients[k])]);
    const expected = at.forward(x);
    assert.equal(expected.length, outputSize, `${name}: the reference's output has another size`);
    compare(`${name}: output`, actual.subarray(0, outputSize), expected, at.rtol ?? 1e-5);
    if (differentiable.length > 0) {
      const wanted = at.backward(x, Float64Array.from(dy));
      checkReference(name, at, x, dy, wanted, differentiable);
      differentiable.forEach((key, i) => {
        const size = wanted[key].length;
        const got = actualGradients[i].subarray(0, size);
        const total = before[key] ? wanted[key].map((g, j) => g + before[key][j]) : wanted[key];
        compare(`${name}: gradient of ${key}`, got, total, at.rtol ?? 1e-5);
      });
    }
    const wholes = await readTensors(gpu, guards.map((g) => g.whole));
    guards.forEach(({ name: guard, size }, i) => {
      const bytes = wholes[i];
      const expected = Math.fround(GUARD_WORD);
      for (let j = 0; j < bytes.length; j++) {
        if (j >= GUARD && j < GUARD + size) continue;
        assert.equal(
          bytes[j],
          expected,
          `${name}: guard word ${j - GUARD} of ${guard} (${size} values) was overwritten`,
        );
      }
    });
  } finally {
    program.dispose();
    for (const tensor of owned) tensor.region!.buffer.destroy();
  }
}

/** The values that a tensor of that type holds. */
function rounded<Values extends Input["data"]>(values: Values, dtype: DType): Values | Float32Array<ArrayBuffer> {
  return dtype === "f16" ? Float32Array.from(new Float16Array(values)) : values;
}

/** Compares with an error relative to the largest expected value. */
export function compare(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, rtol: number): void {
  let scale = 0, worst = 0, at = 0;
  for (let i = 0; i < expected.length; i++) scale = Math.max(scale, Math.abs(expected[i]));
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i] - expected[i]);
    if (!(error <= worst)) [worst, at] = [error, i];
    // Nothing is worse, and nothing compares with it.
    if (Number.isNaN(worst)) break;
  }
  const share = worst / (rtol * (scale || 1));
  assert.ok(
    share <= 1,
    `${what}: value ${at} is ${actual[at]}, expected ${expected[at]}; ${
      share.toFixed(2)
    } of the tolerance ${rtol} x ${scale}`,
  );
}

/** Central differences of the reference, along a few coordinates of each input. */
function checkReference(name: string, at: Case, x: Values, dy: Float32Array, wanted: Values, keys: string[]): void {
  const loss = (values: Values) => at.forward(values).reduce((sum, y, i) => sum + y * dy[i], 0);
  const uniform = random(5);
  for (const key of keys) {
    const scale = wanted[key].reduce((m, g) => Math.max(m, Math.abs(g)), 1e-3);
    for (let probe = 0; probe < 6; probe++) {
      const i = Math.floor(uniform() * x[key].length);
      const h = 1e-6;
      const moved = (by: number) => ({ ...x, [key]: x[key].map((v, j) => j === i ? v + by : v) });
      const difference = (loss(moved(h)) - loss(moved(-h))) / (2 * h);
      assert.ok(
        Math.abs(difference - wanted[key][i]) <= 1e-6 * scale,
        `${name}: the reference's gradient of ${key}[${i}] is ${wanted[key][i]}, its differences say ${difference}`,
      );
    }
  }
}
