// One table of cases drives forward, gradients and both schedules of attention(); then what the table cannot say.
import { attention } from "../../kernels/attention.ts";
import { attentionBlocks, maxAttentionBlocks } from "../../kernels/attention_blocks.ts";
import { sideKey, tokenKey } from "../../kernels/dropout.ts";
import { defaultSchedules, type Schedules } from "../../kernels/schedules.ts";
import { checkCase, type Input, normal } from "./harness.ts";
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
