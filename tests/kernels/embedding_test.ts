// One table of cases drives forward and gradients of embed(); groupByRow() is held to its contract by a plain recount.
import assert from "node:assert/strict";
import { type Tensor } from "../../gpu/tensor.ts";
import { embed, groupByRow } from "../../kernels/embedding.ts";
import { Recorder } from "../../gpu/recorder.ts";
import { defaultSchedules } from "../../kernels/schedules.ts";
import { Tape } from "../../kernels/tape.ts";
import { checkCase, type Input, normal, random, testGpu } from "./harness.ts";
import { embedBackward, embedForward } from "./reference/embedding.ts";

interface Row {
  why: string;
  T: number;
  W: number;
  tokens?: number;
  /** Rows of the word, position and type tables, as many as are summed. */
  tables: number[];
  /** Share of tokens that ask for row 0: a hot row is one long chain. */
  hot?: number;
  scale?: number;
  /** Rows of the word table that are bound at once. */
  bound?: number;
  /** Whether the kernels of GPUs run too, and not those of CPU adapters alone. */
  both?: true;
}

const cases: Row[] = [
  { why: "one token, one table, four channels", T: 1, W: 4, tables: [9] },
  { why: "one table, a width past 64 lanes of vec4f", T: 20, W: 260, tables: [31], both: true },
  { why: "two tables (no token types)", T: 33, W: 36, tables: [50, 12] },
  { why: "BERT's three, types past one chunk", T: 150, W: 64, tokens: 131, tables: [40, 20, 2], both: true },
  { why: "an odd number of types, past 8 lanes of 4 vec4f", T: 80, W: 192, tokens: 77, tables: [40, 20, 3] },
  { why: "four columns an invocation, rows no texture has", T: 70, W: 48, tokens: 66, tables: [40, 20, 1] },
  { why: "token types without positions", T: 70, W: 64, tokens: 67, tables: [40, 2] },
  { why: "a table of more rows than tokens", T: 30, W: 64, tokens: 29, tables: [40, 31, 2] },
  { why: "a chunk that ends with the last live token", T: 192, W: 8, tokens: 128, tables: [40, 20, 2] },
  { why: "nearly all tokens ask for one row", T: 100, W: 8, tokens: 97, tables: [40, 20, 1], hot: 0.95 },
  { why: "all rows dead but one", T: 70, W: 8, tokens: 1, tables: [40, 20, 2] },
  { why: "more tokens than groups in one dimension", T: 65_600, W: 4, tokens: 65_571, tables: [66_000] },
  { why: "scaled as Gemma's, a table of few rows beside", T: 70, W: 36, tokens: 66, tables: [40, 20, 2], scale: 6 },
  { why: "scaled, one table", T: 9, W: 8, tables: [40], scale: 0.5 },
  { why: "scaled, two tables", T: 9, W: 8, tables: [40, 20], scale: 3 },
  { why: "words bound in three parts, the last one short", T: 70, W: 36, tokens: 66, tables: [40, 20, 2], bound: 16 },
  { why: "words alone bound in parts, a width past 64 lanes", T: 40, W: 260, tables: [33], bound: 16 },
  { why: "MiniLM's width", T: 96, W: 384, tables: [500, 60, 2] },
];

const names = [["word", "inputIds"], ["position", "positions"], ["type", "tokenTypeIds"]] as [string, string][];
const dead = 0xffffffff;

const runs = cases.flatMap((row) => [{ ...row, isCpu: true }, ...(row.both ? [{ ...row, isCpu: false }] : [])]);

for (const { why, T, W, tokens = T, tables, hot = 0, scale = 1, bound, isCpu } of runs) {
  const pairs = names.slice(0, tables.length);
  const size = `T ${tokens} of ${T}, W ${W}, V ${tables}, as on a ${isCpu ? "CPU adapter" : "GPU"}`;
  Deno.test(`embed() matches f64 forward and backward: ${why} (${size})`, () => {
    const inputs: Record<string, Input> = {}, step: Record<string, number> = { tokens };
    pairs.forEach(([table, name], i) => {
      const V = tables[i], uniform = random(i + 7);
      // A dead id would point far outside of every table.
      const ids = Uint32Array.from({ length: T }, (_, t) => t < tokens ? pickRow(uniform, V, hot) : dead);
      inputs[table] = { shape: [V, W], data: normal(V * W, i + 1), grad: "parameter" };
      inputs[name] = { shape: [T], live: "tokens", data: ids };
      const groups = groupByRow(ids.subarray(0, tokens));
      for (const key of ["rows", "starts", "order"] as const) {
        const length = key === "starts" ? T + 1 : T;
        const data = new Uint32Array(length).fill(dead);
        data.set(groups[key]);
        inputs[`${name}.${key}`] = { shape: [length], data };
      }
      step[i === 0 ? "uniqueWords" : "uniquePositions"] ??= groups.rows.length;
    });
    const groupsOf = (x: Record<string, Tensor>, name: string, i: number) => ({
      rows: x[`${name}.rows`],
      starts: x[`${name}.starts`],
      order: x[`${name}.order`],
      count: i === 0 ? "uniqueWords" as const : "uniquePositions" as const,
    });
    return checkCase("embed", {
      why,
      inputs,
      step,
      record: (tape, x) =>
        embed(
          tape,
          pairs.map(([table, name], i) => ({ table: x[table], ids: x[name], groups: groupsOf(x, name, i) })),
          { scale, ...(bound && { bindingBytes: bound * W * 4 + 4 }) },
        ),
      forward: (x) => embedForward(x, pairs, W).map((value) => scale * value),
      backward: (x, dy) => embedBackward(x, pairs, W, dy.map((value) => scale * value)),
      schedules: defaultSchedules(isCpu),
    });
  });
}

function pickRow(uniform: () => number, V: number, hot: number): number {
  return uniform() < hot ? 0 : Math.floor(uniform() * V);
}

Deno.test("groupByRow() lists each row once, ascending, and its tokens in order", () => {
  const uniform = random(3);
  for (const [T, V] of [[1, 1], [100, 7], [1000, 30_522], [257, 4_000_000_000]]) {
    const ids = Uint32Array.from({ length: T }, () => Math.floor(uniform() * V));
    const { rows, starts, order } = groupByRow(ids);
    assert.deepEqual([...rows], [...new Set(ids)].sort((a, b) => a - b));
    assert.equal(starts.length, rows.length + 1);
    rows.forEach((row, r) => {
      const wanted = [...ids.keys()].filter((t) => ids[t] === row);
      assert.deepEqual([...order.subarray(starts[r], starts[r + 1])], wanted);
    });
  }
});

Deno.test("embed() refuses a width that is not a multiple of 4, at record time", async () => {
  const { gpu } = await testGpu();
  const recorder = new Recorder(gpu);
  const tape = new Tape(recorder, { schedules: defaultSchedules(true) });
  const table = recorder.tensor([9, 6], { label: "word" }), ids = recorder.tensor([5], { dtype: "u32" });
  assert.throws(() => embed(tape, [{ table, ids }]), /multiple of 4/);
});
