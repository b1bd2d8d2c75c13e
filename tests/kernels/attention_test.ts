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

interface Row {
  why: string;
  heads: number;
  D: number;
  lengths: number[];
  /** Rows beyond the last segment. */
  dead?: number;
  rate?: number;
  std?: number;
  rtol?: number;
}

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
  { why: "heads of 64", heads: 2, D: 64, lengths: [37, 11], dead: 3, rate: 0.1 },
  { why: "heads of 128", heads: 1, D: 128, lengths: [19, 6], dead: 3 },
  // Scores of a few hundred: one key takes all, and a softmax without the maximum overflows.
  { why: "scores far beyond exp's range", heads: 2, D: 32, lengths: [40], dead: 2, std: 8, rtol: 1e-4 },
  { why: "MiniLM's heads", heads: 12, D: 32, lengths: [24, 41], dead: 7, rate: 0.1 },
];

const schedules: Record<string, Schedules> = {
  tiles: { ...defaultSchedules(true), attentionTexture: false },
  textures: { ...defaultSchedules(true), attentionTexture: true },
};

function layoutOf({ heads, lengths, rate }: Row): AttentionLayout & { tokens: number } {
  const starts = [0];
  for (const length of lengths) starts.push(starts[starts.length - 1] + length);
  const tokens = starts[lengths.length];
  const tokenKeys = Uint32Array.from({ length: tokens }, (_, t) => {
    const segment = starts.findIndex((start, s) => start <= t && t < starts[s + 1]);
    return tokenKey(sideKey({ seed: 42, step: 3, battle: segment, side: 1 }), t - starts[segment]);
  });
  return { heads, starts, tokens, ...(rate && { dropout: { rate, tokenKeys, site: 6 } }) };
}

/** Longer than it need be: dead entries hold what would point far outside of every tensor. */
function padded(data: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const whole = new Uint32Array(length).fill(0xffffffff);
  whole.set(data);
  return whole;
}

for (const row of cases) {
  const { why, heads, D, lengths, dead = 0, std = 1, rtol } = row;
  for (const [name, schedule] of Object.entries(schedules)) {
    const layout = layoutOf(row), { tokens, dropout } = layout, T = tokens + dead, W = heads * D;
    const blocks = attentionBlocks(layout.starts);
    const rows = maxAttentionBlocks(T, lengths.length);
    const inputs: Record<string, Input> = {
      qkv: { shape: [T, 3 * W], live: "tokens", data: normal(T * 3 * W, 1, { std }), grad: "activation" },
      blocks: { shape: [rows, 4], data: padded(blocks, rows * 4) },
    };
    if (dropout) inputs.tokenKeys = { shape: [T], live: "tokens", data: padded(dropout.tokenKeys, T) };
    Deno.test(`attention() matches f64 forward and backward: ${why} (${heads} x ${D}, ${lengths}, ${name})`, () =>
      checkCase("attention", {
        why,
        inputs,
        step: { tokens, segments: lengths.length, blocks: blocks.length / 4 },
        record: (tape, x) =>
          attention(tape, {
            qkv: x.qkv,
            heads,
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
  at: { W: number; qkv: Float32Array<ArrayBuffer>; dys: Float32Array<ArrayBuffer>[] },
): Promise<{ y: Float32Array; dqkv: Float32Array }> {
  const { gpu, pipelines } = await testGpu();
  const { tokens, heads, dropout } = layout, list = attentionBlocks(layout.starts);
  const recorder = new Recorder(gpu), tape = new Tape(recorder, { schedules: schedule });
  const owned: Tensor[] = [];
  const own = (shape: number[], data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>) => {
    const tensor = ownedTensor(gpu, shape, { live: "tokens", dtype: data instanceof Uint32Array ? "u32" : "f32" });
    upload(gpu, tensor, data);
    owned.push(tensor);
    return tensor;
  };
  const qkv = recorder.keep(recorder.tensor([tokens, 3 * at.W], { live: "tokens", requiresGrad: true }));
  const blocks = own([list.length / 4, 4], list);
  const drop = dropout && { ...dropout, tokenKeys: own([tokens], dropout.tokenKeys as Uint32Array<ArrayBuffer>) };
  const outputs = at.dys.map(() => attention(tape, { qkv, heads, blocks, dropout: drop }));
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

/** A batch of one sequence, or the same sequence behind others. */
function batchOf(lengths: number[], sequence: number, W: number) {
  const layout = layoutOf({ why: "", heads: W / 32, D: 32, lengths, rate: 0.1 });
  const start = layout.starts[sequence], length = lengths[sequence];
  // The sequence's numbers and keys are its own, whatever lies before it.
  const place = (whole: Float32Array<ArrayBuffer>, own: Float32Array) => {
    whole.set(own, start * whole.length / layout.tokens);
    return whole;
  };
  layout.dropout!.tokenKeys.set(Uint32Array.from({ length }, (_, t) => tokenKey(77, t)), start);
  const qkv = place(normal(layout.tokens * 3 * W, sequence + 10), normal(length * 3 * W, 1));
  const dy = place(normal(layout.tokens * W, sequence + 20), normal(length * W, 2));
  return { layout, start, W, qkv, dys: [dy] };
}

for (const [name, schedule] of Object.entries(schedules)) {
  Deno.test(`attention() gives a sequence the same bits wherever it lies in a batch (${name})`, async () => {
    const W = 64, length = 75;
    const alone = batchOf([length], 0, W);
    const behind = batchOf([13, 1, 37, length, 5], 3, W);
    const [a, b] = [await run(schedule, alone.layout, alone), await run(schedule, behind.layout, behind)];
    const rows = (values: Float32Array, width: number) =>
      values.subarray(behind.start * width, (behind.start + length) * width);
    assert.deepEqual(rows(b.y, W), a.y);
    assert.deepEqual(rows(b.dqkv, 3 * W), a.dqkv);
  });

  Deno.test(`attention() adds to a gradient that has a contribution already (${name})`, async () => {
    const { layout, W, qkv, dys } = batchOf([20, 33], 1, 64);
    const more = normal(dys[0].length, 8);
    const { dqkv } = await run(schedule, layout, { W, qkv, dys: [dys[0], more] });
    const both = Float64Array.from(dys[0], (dy, i) => dy + more[i]);
    compare("dqkv", dqkv, attentionBackward(Float64Array.from(qkv), layout, both), 1e-5);
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
    assert.deepEqual(rows, Array.from({ length: tokens }, (_, t) => t));
  }
});

Deno.test("attention() refuses heads that are not whole vec4f, at record time", async () => {
  const { gpu } = await testGpu();
  const recorder = new Recorder(gpu), tape = new Tape(recorder, { schedules: schedules.tiles });
  const qkv = recorder.tensor([5, 36], { live: "tokens" }), blocks = recorder.tensor([1, 4], { dtype: "u32" });
  assert.throws(() => attention(tape, { qkv, heads: 2, blocks }), /heads of 4/);
});
