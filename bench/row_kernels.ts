// The kernels beside matmul at MiniLM's width: norms, residual, activations, rotary positions, embedding, attention, and the
// optimizer.
import { ownedTensor, Recorder } from "../gpu/recorder.ts";
import { upload } from "../gpu/transfer.ts";
import { recordAdamw } from "../kernels/adamw.ts";
import { add } from "../kernels/add.ts";
import { attention } from "../kernels/attention.ts";
import { attentionBlocks } from "../kernels/attention_blocks.ts";
import { embed, groupByRow } from "../kernels/embedding.ts";
import { gated } from "../kernels/gated.ts";
import { gelu } from "../kernels/gelu.ts";
import { layerNorm } from "../kernels/layer_norm.ts";
import { rmsNorm } from "../kernels/rms_norm.ts";
import { rope, turnTable } from "../kernels/rope.ts";
import { stepFields } from "../kernels/step.ts";
import { Random } from "../data/random.ts";
import { interleaveWithCeilings } from "./ceilings.ts";
import { timing } from "./interleave.ts";
import { measureOperations, type OperationCase, type OperationOptions } from "./operations.ts";
import { rates, type Row, shares } from "./row.ts";
import { type Bench, type Recorded, stepValues, withRecorded } from "./runs.ts";

const section = "Row kernels and attention";

/** MiniLM's width and heads. */
const W = 384, HEADS = 12;

/** MiniLM's vocabulary and positions. */
const VOCABULARY = 30522, POSITIONS = 512;

/** Values of AdamW's case: nine passes over 32 MB, more than any cache of a CPU holds. */
const OPTIMIZED = 1 << 23;

/** The cases by kernel, for T tokens. */
const cases: ((T: number) => OperationCase)[] = [
  layerNormCase,
  rmsNormCase,
  addCase,
  geluCase,
  gatedCase,
  ropeCase,
  embeddingCase,
  attentionCase(128),
  attentionCase(256),
];

export const rowKernels = ["layer_norm", "rms_norm", "add", "gelu", "gated", "rope", "embedding", "attention"]
  .flatMap((kernel) => [`${kernel}.forward`, `${kernel}.backward`])
  .concat("adamw");

export interface RowKernelOptions extends OperationOptions {
  tokens: number;
  wanted(kernel: string): boolean;
}

export async function measureRowKernels(bench: Bench, options: RowKernelOptions): Promise<Row[]> {
  const { tokens, wanted } = options;
  const isWanted = (kernel: string) => wanted(`${kernel}.forward`) || wanted(`${kernel}.backward`);
  const chosen = cases.map((make) => make(tokens)).filter(({ kernel }) => isWanted(kernel));
  const rows: Row[] = [];
  // One by one: the nearer in time a kernel and the ceilings run, the less a drifting machine tells them apart.
  for (const at of chosen) rows.push(...await measureOperations(bench, section, [at], options));
  const shown = rows.filter(({ kernel }) => wanted(kernel));
  return wanted("adamw") ? [...shown, await measureAdamw(bench, options)] : shown;
}

function layerNormCase(T: number): OperationCase {
  return {
    kernel: "layer_norm",
    size: { T, W },
    inputs: {
      x: { shape: [T, W], live: "tokens", grad: "activation" },
      gain: { shape: [W], grad: "parameter" },
      bias: { shape: [W], grad: "parameter" },
    },
    step: { tokens: T },
    record: (tape, { x, gain, bias }) => layerNorm(tape, x, { gain, bias, eps: 1e-12 }),
    forward: { bytes: 2 * T * W * 4 }, // x, y
    backward: { bytes: 3 * T * W * 4 }, // x, dy, dx
  };
}

function rmsNormCase(T: number): OperationCase {
  return {
    kernel: "rms_norm",
    size: { T, W },
    inputs: { x: { shape: [T, W], live: "tokens", grad: "activation" }, gain: { shape: [W], grad: "parameter" } },
    step: { tokens: T },
    record: (tape, { x, gain }) => rmsNorm(tape, x, { gain, eps: 1e-6 }),
    forward: { bytes: 2 * T * W * 4 }, // x, y
    backward: { bytes: 3 * T * W * 4 }, // x, dy, dx
  };
}

/** GELU where no matmul applies it. */
function geluCase(T: number): OperationCase {
  return {
    kernel: "gelu",
    size: { T, W },
    inputs: { x: { shape: [T, W], live: "tokens", grad: "activation" } },
    step: { tokens: T },
    record: (tape, { x }) => gelu(tape, x, "erf"),
    forward: { bytes: 2 * T * W * 4 }, // x, y
    backward: { bytes: 3 * T * W * 4 }, // x, dy, dx
  };
}

/** SwiGLU's activation: two halves of W columns. */
function gatedCase(T: number): OperationCase {
  return {
    kernel: "gated",
    size: { T, W },
    inputs: { x: { shape: [T, 2 * W], live: "tokens", grad: "activation" } },
    step: { tokens: T },
    record: (tape, { x }) => gated(tape, x, { activation: "silu" }),
    forward: { bytes: 3 * T * W * 4 }, // gate, up, y
    backward: { bytes: 5 * T * W * 4 }, // gate, up, dy, dgate, dup
  };
}

/** Queries and keys turned in the fused q | k | v. */
function ropeCase(T: number): OperationCase {
  const D = W / HEADS, frequencies = Float32Array.from({ length: D / 2 }, (_, i) => 10000 ** (-2 * i / D));
  const turns = turnTable(frequencies, POSITIONS);
  return {
    kernel: "rope",
    size: { T, W },
    inputs: {
      qkv: { shape: [T, 3 * W], live: "tokens", grad: "activation" },
      positions: { shape: [T], data: Uint32Array.from({ length: T }, (_, t) => t % 128), live: "tokens" },
      turns: { shape: [POSITIONS, D], data: turns },
    },
    step: { tokens: T },
    record: (tape, { qkv, positions, turns }) => rope(tape, qkv, { heads: 2 * HEADS, positions, turns }),
    forward: { bytes: 4 * T * W * 4 }, // q and k, read and written
    backward: { bytes: 4 * T * W * 4 },
  };
}

/** The residual addition with dropout. The residual's gradient is handed on, so the backward writes the branch's alone. */
function addCase(T: number): OperationCase {
  return {
    kernel: "add",
    size: { T, W },
    inputs: {
      x: { shape: [T, W], live: "tokens", grad: "activation" },
      a: { shape: [T, W], live: "tokens", grad: "activation" },
      tokenKeys: { shape: [T], data: randomIds(T, 2 ** 32 - 1), live: "tokens" },
    },
    step: { tokens: T },
    record: (tape, { x, a, tokenKeys }) => add(tape, x, a, { rate: 0.1, tokenKeys, site: 1 }),
    forward: { bytes: 3 * T * W * 4 }, // x, a, y
    backward: { bytes: 2 * T * W * 4 }, // dy, da
  };
}

function embeddingCase(T: number): OperationCase {
  const ids = randomIds(T, VOCABULARY), positions = ids.map((_, t) => t % 128), words = groupByRow(ids);
  const places = groupByRow(positions);
  const table = (rows: number) => ({ shape: [rows, W], grad: "parameter" as const });
  const column = (data: Uint32Array<ArrayBuffer>) => ({ shape: [data.length], data, live: "tokens" as const });
  const list = (data: Uint32Array<ArrayBuffer>) => ({ shape: [data.length], data });
  // All tokens have the first type.
  const touched = words.rows.length + places.rows.length + 1;
  return {
    kernel: "embedding",
    size: { T, W },
    inputs: {
      word: table(VOCABULARY),
      place: table(POSITIONS),
      type: table(2),
      ids: column(ids),
      positions: column(positions),
      types: column(new Uint32Array(T)),
      wordRows: list(words.rows),
      wordStarts: list(words.starts),
      wordOrder: list(words.order),
      placeRows: list(places.rows),
      placeStarts: list(places.starts),
      placeOrder: list(places.order),
    },
    step: { tokens: T, uniqueWords: words.rows.length, uniquePositions: places.rows.length },
    record: (tape, x) =>
      embed(tape, [
        {
          table: x.word,
          ids: x.ids,
          groups: { rows: x.wordRows, starts: x.wordStarts, order: x.wordOrder, count: "uniqueWords" },
        },
        {
          table: x.place,
          ids: x.positions,
          groups: { rows: x.placeRows, starts: x.placeStarts, order: x.placeOrder, count: "uniquePositions" },
        },
        { table: x.type, ids: x.types },
      ]),
    forward: { bytes: (touched + T) * W * 4 }, // each touched row once, y
    backward: { bytes: (T + 2 * touched) * W * 4 }, // dy once; touched rows read and written
  };
}

/** Segments of `length` tokens; the backward computes five products where the forward computes two. */
function attentionCase(length: number): (T: number) => OperationCase {
  return (T) => {
    const starts = Uint32Array.from({ length: Math.ceil(T / length) + 1 }, (_, s) => Math.min(T, s * length));
    const blocks = attentionBlocks(starts);
    let pairs = 0;
    for (let s = 1; s < starts.length; s++) pairs += (starts[s] - starts[s - 1]) ** 2;
    return {
      kernel: "attention",
      size: { T, length, W, heads: HEADS },
      inputs: {
        qkv: { shape: [T, 3 * W], live: "tokens", grad: "activation" },
        blocks: { shape: [blocks.length / 4, 4], data: blocks },
        tokenKeys: { shape: [T], data: randomIds(T, 2 ** 32 - 1), live: "tokens" },
      },
      step: { tokens: T, segments: starts.length - 1, blocks: blocks.length / 4 },
      record: (tape, { qkv, blocks, tokenKeys }) =>
        attention(tape, { qkv, heads: HEADS, blocks, dropout: { rate: 0.1, tokenKeys, site: 1 } }),
      forward: { flops: 4 * pairs * W },
      backward: { flops: 10 * pairs * W },
    };
  };
}

async function measureAdamw(bench: Bench, { references, schedules }: RowKernelOptions): Promise<Row> {
  return await withRecorded([recordAdamwRun(bench, schedules)], async ([{ run }]) => {
    const { samples, ceilings } = await interleaveWithCeilings(bench, references, [{ laps: { run } }]);
    const time = timing(samples[0].run), work = { bytes: adamwBytes(OPTIMIZED) };
    return {
      section,
      kernel: "adamw",
      size: { parameters: OPTIMIZED },
      ...time,
      ...rates(time, work),
      ...shares(samples[0].run, work, ceilings),
      note: "norm, clipping, update and clearing",
    };
  });
}

/** The norm reads g; the update reads p, g, m, v and writes p, m, v; clearing writes g. */
export function adamwBytes(parameters: number): number {
  return 9 * 4 * parameters;
}

function recordAdamwRun({ gpu, pipelines }: Bench, schedules: OperationOptions["schedules"]): Recorded {
  const flat = (label: string) => ownedTensor(gpu, [OPTIMIZED], { label });
  const state = {
    parameters: flat("parameters"),
    gradients: flat("gradients"),
    firstMoments: flat("first moments"),
    secondMoments: flat("second moments"),
  };
  const metrics = ownedTensor(gpu, [1, 4]), flag = ownedTensor(gpu, [1], { dtype: "u32" });
  // Zero moments and gradients would be as fast as any: no kernel looks before it computes, and no denormals arise.
  upload(gpu, state.parameters, new Float32Array(OPTIMIZED).fill(0.02));
  const recorder = new Recorder(gpu);
  recordAdamw(recorder, [{ ...state, decayedLength: OPTIMIZED }], { metrics, flag, schedules });
  const program = recorder.build(pipelines, stepFields);
  const step = stepValues({ optimizerStep: 1, learningRate: 1e-5 });
  return {
    run: () => program.run(step),
    dispose() {
      program.dispose();
      for (const tensor of [...Object.values(state), metrics, flag]) tensor.region!.buffer.destroy();
    },
  };
}

function randomIds(count: number, below: number): Uint32Array<ArrayBuffer> {
  const random = new Random(count, below);
  return Uint32Array.from({ length: count }, () => random.below(below));
}
