// One table of cases drives forward, gradients and both schedules of attention(); then what the table cannot say.
import assert from "node:assert/strict";
import { ownedTensor, Recorder } from "../../gpu/recorder.ts";
import { type Tensor } from "../../gpu/tensor.ts";
import { readTensors, upload } from "../../gpu/transfer.ts";
import { attention } from "../../kernels/attention.ts";
import { attentionBlockRows, attentionBlocks, maxAttentionBlocks } from "../../kernels/attention_blocks.ts";
import { sideKey, tokenKey } from "../../kernels/dropout.ts";
import { defaultSchedules, type Schedules } from "../../kernels/schedules.ts";
import { stepFields } from "../../kernels/step.ts";
import { Tape } from "../../kernels/tape.ts";
import { checkCase, compare, type Input, normal, stepValues, testGpu } from "./harness.ts";
import { attentionBackward, attentionForward, type AttentionLayout } from "./reference/attention.ts";

interface Row extends Pick<AttentionLayout, "kvHeads" | "causal" | "window" | "softcap" | "scale"> {
  why: string;
  heads: number;
  D: number;
  lengths: number[];
  /** Rows beyond the last segment. */
  dead?: number;
  rate?: number;
  std?: number;
  rtol?: number;
  /** Kernels of its own, tens of seconds of cold compiling: with `--all` only. */
  slow?: boolean;
}

const all = Deno.env.get("TIEBREAK_ALL_TESTS") === "1";

const cases: Row[] = [
  { why: "one token, one head", heads: 1, D: 4, lengths: [1] },
  { why: "one head of a texture's least width", heads: 1, D: 64, lengths: [1] },
  { why: "odd lengths, dead tail", heads: 2, D: 32, lengths: [5, 1, 17, 3], dead: 9 },
  { why: "odd lengths, dead tail, dropout", heads: 2, D: 32, lengths: [5, 1, 17, 3], dead: 9, rate: 0.3 },
  { why: "heads of one vec4f", heads: 16, D: 4, lengths: [7, 9], dead: 1 },
  { why: "heads of three vec4f, three to a row", heads: 3, D: 12, lengths: [13, 2], dead: 5, rate: 0.1 },
  { why: "heads of three vec4f in a texture", heads: 16, D: 12, lengths: [13, 2], dead: 5, rate: 0.1 },
  { why: "both sides of a block's border", heads: 2, D: 32, lengths: [31, 32, 33], dead: 1, rate: 0.1 },
  { why: "a segment of several blocks", heads: 4, D: 16, lengths: [70, 8], rate: 0.1 },
  {
    why: "a long segment beside short ones",
    heads: 4,
    kvHeads: 2,
    D: 16,
    lengths: [5, 1033, 40],
    dead: 2,
    rate: 0.1,
    causal: true,
  },
  { why: "heads of 64", heads: 2, D: 64, lengths: [37, 11], dead: 3, rate: 0.1 },
  { why: "heads of 128", heads: 1, D: 128, lengths: [19, 6], dead: 3 },
  // Scores of a few hundred: one key takes all, and a softmax without the maximum overflows.
  { why: "scores far beyond exp's range", heads: 2, D: 32, lengths: [40], dead: 2, std: 8, rtol: 1e-4 },
  { why: "causal", heads: 4, D: 16, lengths: [5, 1, 17, 70], dead: 3, causal: true },
  { why: "causal, a window smaller than a block", heads: 4, D: 16, lengths: [70, 3, 33], causal: true, window: 5 },
  {
    why: "causal, a window of blocks, and wider than a segment",
    heads: 4,
    D: 16,
    lengths: [100, 8],
    causal: true,
    window: 40,
  },
  { why: "the query alone", heads: 4, D: 16, lengths: [37, 2], dead: 1, causal: true, window: 1 },
  { why: "local, an odd window", heads: 4, D: 16, lengths: [70, 3, 33], dead: 2, window: 11 },
  { why: "local, a window of blocks", heads: 4, D: 16, lengths: [150, 40], window: 64 },
  { why: "key heads shared by two", heads: 8, kvHeads: 4, D: 16, lengths: [33, 4], dead: 2 },
  { why: "key heads shared, q | k | v whole texels, y not", heads: 2, kvHeads: 1, D: 16, lengths: [33, 4], dead: 2 },
  {
    why: "one key head of all, causal",
    heads: 4,
    kvHeads: 1,
    D: 32,
    lengths: [40, 9],
    dead: 7,
    causal: true,
    rate: 0.1,
  },
  { why: "a scale of its own", heads: 4, D: 16, lengths: [9, 21], scale: 0.4 },
  // Uncapped scores reach 150 here: three times the cap.
  { why: "capped scores", heads: 4, D: 16, lengths: [33, 10], dead: 3, std: 6, softcap: 50 },
  {
    why: "all at once: Gemma 2",
    heads: 4,
    kvHeads: 2,
    D: 32,
    lengths: [70, 1, 40],
    dead: 5,
    causal: true,
    window: 33,
    softcap: 5,
    scale: 0.3,
    rate: 0.1,
  },
  {
    why: "Phi's heads, causal, shared",
    heads: 4,
    kvHeads: 2,
    D: 80,
    lengths: [35, 3],
    dead: 2,
    causal: true,
    slow: true,
  },
  { why: "heads of 96, local", heads: 2, D: 96, lengths: [35, 3], dead: 2, window: 8, slow: true },
  {
    why: "Gemma 2's heads, causal, shared, capped",
    heads: 2,
    kvHeads: 1,
    D: 256,
    lengths: [35, 3],
    dead: 2,
    causal: true,
    softcap: 50,
  },
  { why: "MiniLM's heads", heads: 12, D: 32, lengths: [24, 41], dead: 7, rate: 0.1 },
];

const schedules: Record<string, Schedules> = {
  tiles: { ...defaultSchedules(true), attentionTexture: false },
  textures: { ...defaultSchedules(true), attentionTexture: true },
};

function layoutOf(
  { heads, lengths, rate, kvHeads, causal, window, softcap, scale }: Row,
): AttentionLayout & { tokens: number } {
  const starts = [0];
  for (const length of lengths) starts.push(starts[starts.length - 1] + length);
  const tokens = starts[lengths.length];
  const tokenKeys = Uint32Array.from({ length: tokens }, (_, t) => {
    const segment = starts.findIndex((start, s) => start <= t && t < starts[s + 1]);
    return tokenKey(sideKey({ seed: 42, step: 3, battle: segment, side: 1 }), t - starts[segment]);
  });
  return {
    heads,
    kvHeads,
    causal,
    window,
    softcap,
    scale,
    starts,
    tokens,
    ...(rate && { dropout: { rate, tokenKeys, site: 6 } }),
  };
}

/** What the operation takes of it as it stands. */
function optionsOf({ heads, kvHeads, causal, window, softcap, scale }: AttentionLayout) {
  return { heads, kvHeads, causal, window, softcap, scale };
}

/** Longer than it need be: dead entries hold what would point far outside of every tensor. */
function padded(data: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const whole = new Uint32Array(length).fill(0xffffffff);
  whole.set(data);
  return whole;
}

for (const row of cases) {
  const { why, heads, kvHeads = heads, D, lengths, dead = 0, std = 1, rtol, slow = false } = row;
  for (const [name, schedule] of Object.entries(schedules)) {
    const layout = layoutOf(row), { tokens, dropout } = layout, T = tokens + dead, columns = (heads + 2 * kvHeads) * D;
    const blocks = attentionBlocks(layout.starts);
    const rows = maxAttentionBlocks(T, lengths.length);
    const inputs: Record<string, Input> = {
      qkv: { shape: [T, columns], live: "tokens", data: normal(T * columns, 1, { std }), grad: "activation" },
      blocks: { shape: [rows, 4], data: padded(blocks, rows * 4) },
    };
    if (dropout) inputs.tokenKeys = { shape: [T], live: "tokens", data: padded(dropout.tokenKeys, T) };
    const sizes = `${heads === kvHeads ? heads : `${heads}:${kvHeads}`} x ${D}, ${lengths}`;
    const test = `attention() matches f64 forward and backward: ${why} (${sizes}, ${name})`;
    Deno.test(test, { ignore: slow && !all }, () =>
      checkCase("attention", {
        why,
        inputs,
        step: { tokens, segments: lengths.length, blocks: blocks.length / 4 },
        record: (tape, x) =>
          attention(tape, {
            ...optionsOf(layout),
            qkv: x.qkv,
            blocks: x.blocks,
            ...(dropout && { dropout: { rate: dropout.rate, site: dropout.site, tokenKeys: x.tokenKeys } }),
          }),
        forward: ({ qkv }) => attentionForward(qkv, layout),
        backward: ({ qkv }, dy) => ({ qkv: attentionBackward(qkv, layout, dy) }),
        rtol,
        schedules: schedule,
      }));
  }
}

/** Records attention over each set of sites on one qkv, and gives the first output and the gradient of qkv. */
async function run(
  schedule: Schedules,
  layout: ReturnType<typeof layoutOf>,
  at: { W: number; columns: number; qkv: Float32Array<ArrayBuffer>; dys: Float32Array<ArrayBuffer>[] },
): Promise<{ y: Float32Array; dqkv: Float32Array }> {
  const { gpu, pipelines } = await testGpu();
  const { tokens, dropout } = layout, list = attentionBlocks(layout.starts);
  const recorder = new Recorder(gpu), tape = new Tape(recorder, { schedules: schedule });
  const owned: Tensor[] = [];
  const own = (shape: number[], data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>) => {
    const tensor = ownedTensor(gpu, shape, { live: "tokens", dtype: data instanceof Uint32Array ? "u32" : "f32" });
    upload(gpu, tensor, data);
    owned.push(tensor);
    return tensor;
  };
  const qkv = recorder.keep(recorder.tensor([tokens, at.columns], { live: "tokens", requiresGrad: true }));
  const blocks = own([list.length / 4, 4], list);
  const drop = dropout && { ...dropout, tokenKeys: own([tokens], dropout.tokenKeys as Uint32Array<ArrayBuffer>) };
  const outputs = at.dys.map(() => attention(tape, { ...optionsOf(layout), qkv, blocks, dropout: drop }));
  outputs.forEach((y, i) => tape.setGrad(recorder.keep(y), own([tokens, at.W], at.dys[i])));
  tape.backward();
  const dqkv = recorder.keep(tape.grad(qkv)!.tensor);
  const program = recorder.build(pipelines, stepFields, { poison: true });
  try {
    upload(gpu, qkv, at.qkv);
    program.run(stepValues({ tokens, blocks: list.length / 4 }));
    const [y, gradient] = await readTensors(gpu, [outputs[0], dqkv]);
    return { y, dqkv: gradient };
  } finally {
    program.dispose();
    for (const tensor of owned) tensor.region!.buffer.destroy();
  }
}

/** Forms of attention that what follows must hold for. */
const forms: Record<string, Pick<Row, "kvHeads" | "causal" | "window" | "softcap" | "scale">> = {
  bidirectional: {},
  "causal, shared key heads, window, cap": { kvHeads: 2, causal: true, window: 33, softcap: 5, scale: 0.3 },
};

/** A batch of one sequence, or the same sequence behind others: 4 heads of 32. */
function batchOf(form: keyof typeof forms, lengths: number[], sequence: number) {
  const heads = 4, D = 32, W = heads * D, { kvHeads = heads } = forms[form], columns = W + 2 * kvHeads * D;
  const layout = layoutOf({ why: "", heads, D, lengths, rate: 0.1, ...forms[form] });
  const start = layout.starts[sequence], length = lengths[sequence];
  // The sequence's numbers and keys are its own, whatever lies before it.
  const place = (whole: Float32Array<ArrayBuffer>, own: Float32Array) => {
    whole.set(own, start * whole.length / layout.tokens);
    return whole;
  };
  layout.dropout!.tokenKeys.set(Uint32Array.from({ length }, (_, t) => tokenKey(77, t)), start);
  const qkv = place(normal(layout.tokens * columns, sequence + 10), normal(length * columns, 1));
  const dy = place(normal(layout.tokens * W, sequence + 20), normal(length * W, 2));
  return { layout, start, W, columns, qkv, dys: [dy] };
}

for (const [name, schedule] of Object.entries(schedules)) {
  for (const form in forms) {
    Deno.test(`attention() gives a sequence the same bits wherever it lies in a batch (${form}, ${name})`, async () => {
      const length = 75;
      const alone = batchOf(form, [length], 0);
      const behind = batchOf(form, [13, 1, 37, length, 5], 3);
      const [a, b] = [await run(schedule, alone.layout, alone), await run(schedule, behind.layout, behind)];
      const rows = (values: Float32Array, width: number) =>
        values.subarray(behind.start * width, (behind.start + length) * width);
      assert.deepEqual(rows(b.y, alone.W), a.y);
      assert.deepEqual(rows(b.dqkv, alone.columns), a.dqkv);
    });

    Deno.test(`attention() adds to a gradient that has a contribution already (${form}, ${name})`, async () => {
      const batch = batchOf(form, [20, 33], 1), [dy] = batch.dys;
      const more = normal(dy.length, 8);
      const { dqkv } = await run(schedule, batch.layout, { ...batch, dys: [dy, more] });
      const both = Float64Array.from(dy, (value, i) => value + more[i]);
      compare("dqkv", dqkv, attentionBackward(Float64Array.from(batch.qkv), batch.layout, both), 1e-5);
    });
  }

  Deno.test(`attention() passes over the keys and queries that a block's window leaves out (${name})`, async () => {
    // What is read makes NaN of all it touches, even at a weight of 0.
    const batch = batchOf("causal, shared key heads, window, cap", [160], 0), { columns, W, qkv } = batch;
    const poisoned = (from: number, to: number) =>
      run(schedule, batch.layout, { ...batch, qkv: qkv.slice().fill(NaN, from * columns, to * columns) });
    const clean = await poisoned(0, 0);
    // Queries from row 64 on see keys from 32 on.
    const early = await poisoned(0, 31);
    assert.deepEqual(early.y.subarray(64 * W), clean.y.subarray(64 * W));
    assert.deepEqual(early.dqkv.subarray(64 * columns), clean.dqkv.subarray(64 * columns));
    // Queries below row 128 see keys below 128, and keys below 96 are seen by queries below 128.
    const late = await poisoned(129, 160);
    assert.deepEqual(late.y.subarray(0, 128 * W), clean.y.subarray(0, 128 * W));
    assert.deepEqual(late.dqkv.subarray(0, 96 * columns), clean.dqkv.subarray(0, 96 * columns));
  });
}

Deno.test("attentionBlocks() covers each row once, never crosses a segment and stays within its bound", () => {
  for (const lengths of [[1], [31, 32, 33, 64, 65], [5, 0, 7], [512, 1, 300]]) {
    const { starts, tokens } = layoutOf({ why: "", heads: 1, D: 4, lengths });
    const list = attentionBlocks(starts);
    assert.ok(list.length / 4 <= maxAttentionBlocks(tokens, lengths.length));
    const rows: number[] = [];
    for (let i = 0; i < list.length; i += 4) {
      const [first, last, start, end] = list.subarray(i, i + 4);
      assert.ok(start <= first && first < last && last <= end && last - first <= attentionBlockRows);
      assert.equal((first - start) % attentionBlockRows, 0);
      const edges = Array.from(starts);
      assert.ok(edges.includes(start) && edges.includes(end) && edges.every((edge) => edge <= start || end <= edge));
      for (let row = first; row < last; row++) rows.push(row);
    }
    assert.deepEqual(rows.sort((a, b) => a - b), Array.from({ length: tokens }, (_, t) => t));
  }
});

Deno.test("attentionBlocks() gives each half and quarter of the list its share of the work", () => {
  for (const lengths of [[4096], [2048, 2048], [1500, 300, 700, 96, 32, 640, 250, 578], Array<number>(16).fill(128)]) {
    const { starts } = layoutOf({ why: "", heads: 1, D: 4, lengths }), list = attentionBlocks(starts);
    const blocks = Array.from({ length: list.length / 4 }, (_, i) => Array.from(list.subarray(4 * i, 4 * i + 4)));
    const works: ((block: number[]) => number)[] = [
      ([first, past, start, end]) => (past - first) * (end - start), // pairs of a bidirectional block
      ([first, past, start]) => (past - first) * (past + first + 1 - 2 * start) / 2, // of a causal one
    ];
    for (const work of works) {
      const sum = (some: number[][]) => some.reduce((total, block) => total + work(block), 0);
      for (const parts of [2, 4]) {
        for (let part = 0; part < parts; part++) {
          const own = blocks.slice(blocks.length * part / parts, blocks.length * (part + 1) / parts);
          const share = sum(own) / (sum(blocks) / parts);
          assert.ok(Math.abs(share - 1) < 0.15, `part ${part} of ${parts} of [${lengths}] has ${share} of its share`);
        }
      }
    }
  }
});

Deno.test("attention() refuses heads and options that it cannot take, at record time", async () => {
  const { gpu } = await testGpu();
  const recorder = new Recorder(gpu), tape = new Tape(recorder, { schedules: schedules.tiles });
  const qkv = recorder.tensor([5, 36], { live: "tokens" }), blocks = recorder.tensor([1, 4], { dtype: "u32" });
  assert.throws(() => attention(tape, { qkv, heads: 2, blocks }), /heads of 4/);
  assert.throws(() => attention(tape, { qkv, heads: 5, kvHeads: 2, blocks }), /as many query heads for each key head/);
  assert.throws(() => attention(tape, { qkv, heads: 3, blocks, window: 0 }), /window of 0 rows/);
  assert.throws(() => attention(tape, { qkv, heads: 3, blocks, softcap: 0 }), /cap must be positive/);
});
