// One table of cases drives forward, gradients and both schedules of attention() by relative positions.
import assert from "node:assert/strict";
import { Recorder } from "../../gpu/recorder.ts";
import { attention } from "../../kernels/attention.ts";
import { attentionBlocks, maxAttentionBlocks } from "../../kernels/attention_blocks.ts";
import { headGroups } from "../../kernels/attention_relative.ts";
import { sideKey, tokenKey } from "../../kernels/dropout.ts";
import { relativeColumns } from "../../kernels/relative_positions.ts";
import { defaultSchedules, type Schedules } from "../../kernels/schedules.ts";
import { Tape } from "../../kernels/tape.ts";
import { checkCase, type Input, normal, testGpu } from "./harness.ts";
import { relativeAttentionBackward, relativeAttentionForward } from "./reference/relative_attention.ts";

interface Row {
  why: string;
  heads: number;
  D: number;
  lengths: number[];
  /** Rows of the tables. */
  columns: number;
  /** Distances up to this have columns of their own, those further out share them: by twos, then by fours. */
  own: number;
  /** Which halves there are. @default {both} */
  only?: "c2p" | "p2c";
  /** Both halves read the same columns of the embeddings, whose gradient is overwritten. */
  same?: boolean;
  dead?: number;
  rate?: number;
  scale?: number;
}

const all = Deno.env.get("TIEBREAK_ALL_TESTS") === "1";

// Few forms of kernels, since each is compiled: heads of 32 without dropout, with either half alone, heads of 64 with dropout.
const cases: Row[] = [
  { why: "one token", heads: 2, D: 32, lengths: [1], columns: 64, own: 8 },
  {
    why: "odd lengths, all distances of their own",
    heads: 2,
    D: 32,
    lengths: [5, 1, 17, 3],
    dead: 9,
    columns: 64,
    own: 31,
  },
  { why: "shared columns, borders of blocks", heads: 2, D: 32, lengths: [70, 1, 33, 32], dead: 3, columns: 64, own: 6 },
  { why: "distances beyond the table", heads: 4, D: 32, lengths: [75, 9], columns: 64, own: 2 },
  {
    why: "a group for each head, a scale of its own",
    heads: 2,
    D: 32,
    lengths: [70, 3],
    dead: 8300,
    columns: 512,
    own: 9,
    scale: 0.3,
  },
  { why: "one table for both halves", heads: 2, D: 32, lengths: [37, 6], dead: 1, columns: 64, own: 6, same: true },
  { why: "c2p alone", heads: 2, D: 32, lengths: [37, 6], dead: 1, columns: 64, own: 6, only: "c2p" },
  { why: "p2c alone", heads: 2, D: 32, lengths: [37, 6], dead: 1, columns: 64, own: 6, only: "p2c" },
  { why: "three heads of 20, columns that no texture takes", heads: 3, D: 20, lengths: [39, 2], columns: 36, own: 9 },
  { why: "DeBERTa's heads, dropout", heads: 2, D: 64, lengths: [40, 7], dead: 2, columns: 128, own: 16, rate: 0.1 },
];

const schedules: Record<string, Schedules> = {
  tiles: { ...defaultSchedules(true), attentionTexture: false },
  textures: { ...defaultSchedules(true), attentionTexture: true },
};

/** Distances from -n to n, growing apart: the ends of the table are met. */
function columnsOf(
  { columns, own }: Pick<Row, "columns" | "own">,
): { list: number[]; at: (distance: number) => number } {
  const half = columns / 2;
  const steps = (d: number) =>
    d <= own ? d : d <= 3 * own ? own + Math.ceil((d - own) / 2) : 2 * own + Math.ceil((d - 3 * own) / 4);
  const at = (d: number) => Math.min(Math.max(half + Math.sign(d) * steps(Math.abs(d)), 0), columns - 1);
  // Beyond 50 all are as at 50, as the kernel takes a table that ends.
  const n = 50, clamped = (d: number) => at(Math.min(Math.max(d, -n), n));
  return { list: Array.from({ length: 2 * n + 1 }, (_, i) => at(i - n)), at: clamped };
}

for (const row of cases) {
  const { why, heads, D, lengths, columns, only, dead = 0, rate, scale, same = false } = row;
  const starts = [0];
  for (const length of lengths) starts.push(starts[starts.length - 1] + length);
  const tokens = starts[lengths.length], T = tokens + dead, W = heads * D;
  const width = same ? W : 2 * W, keyFirst = same ? 0 : W;
  const { list, at } = columnsOf(row);
  const tokenKeys = Uint32Array.from(
    { length: T },
    (_, t) => tokenKey(sideKey({ seed: 4, step: 3, battle: 1, side: 1 }), t),
  );
  const layout = { heads, scale, starts, column: at, columns, ...(rate && { dropout: { rate, tokenKeys, site: 6 } }) };
  const blocks = attentionBlocks(starts), rows = maxAttentionBlocks(T, lengths.length);
  const padded = new Uint32Array(rows * 4).fill(0xffffffff);
  padded.set(blocks);
  const inputs: Record<string, Input> = {
    qkv: { shape: [T, 3 * W], live: "tokens", data: normal(T * 3 * W, 1), grad: "activation" },
    // Columns of queries, then of keys.
    embeddings: {
      shape: [columns, width],
      data: normal(columns * width, 2),
      grad: only || same ? "activation" : "parameter",
    },
    blocks: { shape: [rows, 4], data: padded },
    tokenKeys: { shape: [T], live: "tokens", data: tokenKeys },
  };
  const halves = (embeddings: Float64Array) => {
    const half = (first: number) =>
      Float64Array.from({ length: columns * W }, (_, i) => embeddings[Math.floor(i / W) * width + first + i % W]);
    return { ...(only !== "c2p" && { queries: half(0) }), ...(only !== "p2c" && { keys: half(keyFirst) }) };
  };
  for (const [name, schedule] of Object.entries(schedules)) {
    // Three kernels of its own for each half, ten seconds of cold compiling: with --all only.
    const ignore = only !== undefined && name === "textures" && !all;
    const test = `attention() by relative positions matches f64: ${why} (${heads} x ${D}, ${lengths}, ${name})`;
    Deno.test(test, { ignore }, () =>
      checkCase("relative attention", {
        why,
        inputs,
        step: { tokens, segments: lengths.length, blocks: blocks.length / 4 },
        record: (tape, { qkv, embeddings, blocks, tokenKeys }) =>
          attention(tape, {
            qkv,
            heads,
            scale,
            blocks,
            relative: {
              embeddings,
              columns: relativeColumns(tape, list, columns),
              ...(only !== "c2p" && { queries: 0 }),
              ...(only !== "p2c" && { keys: keyFirst }),
            },
            ...(rate && { dropout: { rate, site: 6, tokenKeys } }),
          }),
        forward: ({ qkv, embeddings }) => relativeAttentionForward({ qkv, ...halves(embeddings) }, layout),
        backward({ qkv, embeddings }, dy) {
          const { qkv: dqkv, keys, queries } = relativeAttentionBackward({ qkv, ...halves(embeddings) }, layout, dy);
          const part = (half: Float64Array | undefined, at: number) => half ? half[at] : 0;
          return {
            qkv: dqkv,
            embeddings: embeddings.map((_, i) => {
              const n = Math.floor(i / width), w = i % width;
              if (same) return part(queries, i) + part(keys, i);
              return w < W ? part(queries, n * W + w) : part(keys, n * W + w - W);
            }),
          };
        },
        schedules: schedule,
      }));
  }
}

Deno.test("headGroups() takes all heads where their scores are small, and cuts them evenly where not", () => {
  const groups = (T: number, columns: number, heads: number) => headGroups({ T, size: { heads, columns } });
  assert.deepEqual(groups(64, 512, 6), [{ firstHead: 0, headCount: 6 }]);
  assert.deepEqual(groups(4096, 512, 6), [{ firstHead: 0, headCount: 3 }, { firstHead: 3, headCount: 3 }]);
  assert.deepEqual(groups(4096, 512, 5).map(({ headCount }) => headCount), [3, 2]);
  assert.equal(groups(100_000, 512, 3).length, 3);
  assert.deepEqual(groups(100_000, 0, 3), [{ firstHead: 0, headCount: 3 }]);
});

Deno.test("attention() refuses relative embeddings that it cannot take, at record time", async () => {
  const { gpu } = await testGpu();
  const recorder = new Recorder(gpu), tape = new Tape(recorder, { schedules: schedules.tiles });
  const qkv = recorder.tensor([5, 24], { live: "tokens" }), blocks = recorder.tensor([1, 4], { dtype: "u32" });
  const columns = relativeColumns(tape, [0, 4, 7], 8);
  const attend = (rows: number, keys: number, causal = false) => () =>
    attention(tape, {
      qkv,
      heads: 2,
      blocks,
      causal,
      relative: { embeddings: recorder.tensor([rows, 8]), keys, columns },
    });
  assert.throws(attend(8, 0, true), /whole segments/);
  assert.throws(attend(12, 0), /one for each of 8 columns/);
  assert.throws(attend(8, 8), /parts of 8/);
  assert.throws(() => relativeColumns(tape, [0, 4, 8], 8), /lie below 8/);
  assert.throws(() => relativeColumns(tape, [4, 0, 7], 8), /never descend/);
});
