// Rows as text, JSON and a page; a run against an earlier one; the goals.
import assert from "node:assert/strict";
import { join } from "node:path";
import { chartPage } from "../../bench/chart.ts";
import { compareLines, readEarlier } from "../../bench/compare.ts";
import { goalLines } from "../../bench/goals.ts";
import { figure, jsonLine, percent, type RunFacts, textTable } from "../../bench/report.ts";
import { resultsPage } from "../../bench/results_page.ts";
import { rates, type Row, shares } from "../../bench/row.ts";

const facts: RunFacts = {
  adapter: "adapter",
  driver: "driver 1",
  cores: 2,
  deno: "2.9.6",
  commit: "0123456",
  date: "2026-01-31",
  clock: "timestamps",
  model: "a model",
};

const norm: Row = {
  section: "Row kernels",
  kernel: "layer_norm.forward",
  size: { T: 2048, W: 384 },
  ms: 2.00049,
  spread: 0.1,
  n: 7,
  GBps: 3.146,
  ofCopy: 0.7812,
};

const step = (length: number, ofMatmul: number): Row => ({
  section: "Training step",
  kernel: "train_step",
  size: { T: 2048, length },
  ms: 5000,
  spread: 100,
  n: 5,
  tokensPerSecond: 409.6,
  ofMatmul,
  MiB: 700,
  note: "all of it",
});

async function inFile(text: string, test: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "before.json"), text);
    await test(join(folder, "before.json"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("textTable() aligns its columns under their names", () => {
  const [title, names, first, second] = textTable("Title", [norm, step(128, 0.5)]).split("\n");
  assert.equal(title, "Title");
  assert.equal(first.indexOf("T 2048"), names.indexOf("size"));
  assert.equal(first.indexOf("2.00") + 4, names.indexOf("ms") + 2);
  assert.match(first, /2\.00 +0\.100 +7 +3\.15 GB\/s +78 % of copy$/);
  assert.match(second, /5,000 +100 +5 +410 tokens\/s +50 % of matmul +700 MiB planned; all of it$/);
});

Deno.test("figure() and percent() keep what counts", () => {
  assert.deepEqual([0.01234, 1.234, 12.34, 123.4, 99.96, -0.5].map(figure), [
    "0.012",
    "1.23",
    "12.3",
    "123",
    "100",
    "-0.500",
  ]);
  assert.deepEqual([0.0123, 0.1234, 1.5].map(percent), ["1.2 %", "12 %", "150 %"]);
});

Deno.test("shares() holds a kernel against the copy of the nearest size, round by round", () => {
  const copies = [{ bytes: 1e6, ms: [0.1, 0.2, 0.1] }, { bytes: 1e8, ms: [50, 50, 50] }];
  const ceilings = { fma: { flops: 1e8, ms: [1, 2, 1] }, copies };
  assert.deepEqual(rates({ ms: 2 }, { bytes: 4e6, flops: 6e6 }), { GFLOPs: 3, GBps: 2 });
  // The machine was half as fast in the second round; the median of the times alone would say more for less.
  assert.deepEqual(shares([1, 2, 2], { bytes: 2e6 }, ceilings), { ofCopy: 0.2 });
  assert.deepEqual(shares([1, 1, 1], { bytes: 4e7 }, ceilings), { ofCopy: 20 });
  assert.deepEqual(shares([1, 2, 1], { flops: 5e7 }, ceilings), { ofFma: 0.5 });
});

Deno.test("jsonLine() is one flat object with the circumstances, and readEarlier() reads it back", async () => {
  const line = jsonLine(norm, facts);
  const { section, kernel, T, W, ms, ofCopy, adapter, commit } = JSON.parse(line);
  assert.deepEqual([section, kernel, T, W, ms, ofCopy], ["Row kernels", "layer_norm.forward", 2048, 384, 2, 0.7812]);
  assert.deepEqual([adapter, commit], ["adapter", "0123456"]);
  await inFile(`${line}\n${jsonLine({ ...norm, ofPlain: 1.2 }, facts)}\n`, async (path) => {
    const [earlier, withPlain] = await readEarlier(path);
    assert.deepEqual(withPlain.size, norm.size, "a share is no part of the size");
    assert.deepEqual(earlier, {
      kernel: norm.kernel,
      size: norm.size,
      ms: 2,
      spread: 0.1,
      share: 0.7812,
      adapter: "adapter",
      driver: "driver 1",
    });
  });
});

Deno.test("readEarlier() names the line it cannot use", async () => {
  await assert.rejects(readEarlier("no such file"), /^InputError: Cannot open no such file: there is no such file/);
  await inFile("", (path) => assert.rejects(readEarlier(path), /^InputError: Cannot compare with .*it is empty/));
  await inFile(`${jsonLine(norm, facts)}\nnull\n`, (path) => assert.rejects(readEarlier(path), /line 2: kernel, ms/));
  await inFile("{", (path) => assert.rejects(readEarlier(path), /line 1: it is no JSON/));
});

Deno.test("compareLines() calls a row slower only beyond a tenth and beyond the spreads", () => {
  const old = { kernel: norm.kernel, size: norm.size, spread: 0.1, share: 0.9, adapter: "adapter", driver: "driver 1" };
  const against = (ms: number, spread = 0.1) => compareLines([norm], [{ ...old, ms, spread }], facts);
  assert.match(against(1.5)[1], /1\.50 +2\.00 +\+33 % +90 % +78 % +SLOWER$/);
  assert.match(against(3)[1], /-33 % +90 % +78 % +faster$/);
  assert.match(against(1.5, 0.6)[1], /78 %$/);
  assert.match(against(1.9)[1], /78 %$/);
  assert.match(compareLines([norm], [], facts)[0], /^Nothing to compare/);
  assert.match(
    compareLines([norm], [{ ...old, ms: 2, driver: "driver 2" }], facts)[0],
    /^The earlier run had adapter, driver 2/,
  );
});

Deno.test("goalLines() says which goals are reached", () => {
  const decoder = { ...norm, kernel: "decoder_step", size: { T: 4096, length: "mixed" }, ofArithmetic: 1.2 };
  const product = (schedule: string) => ({ ...norm, kernel: "matmul.NT", size: { T: 2048, schedule }, ofFma: 0.5 });
  const peer = { ...norm, kernel: "against.block", size: { T: 2048, by: "jax-js" }, timesOurs: 9.5 };
  const deberta = { ...norm, kernel: "deberta_attention.both", size: { T: 2048, length: 128 }, ofPlain: 1.34 };
  const rows = [norm, step(128, 0.76), step(256, 0.74), decoder, deberta, product("textures"), product("tiles"), peer];
  assert.deepEqual(goalLines(rows), [
    "matmul.NT (T 2048, schedule textures): 50 % of multiply-adds, wanted at least 25 %: reached",
    "layer_norm.forward (T 2048, W 384): 78 % of a copy, wanted at least 70 %: reached",
    "train_step (length 128): 76 % of the best matmul, wanted at least 75 %: reached",
    "train_step (length 256): 74 % of the best matmul, wanted at least 75 %: missed",
    "decoder_step (length mixed): 1.20 times what its arithmetic says, wanted at most 1.1: missed",
    "deberta_attention.both (T 2048, length 128): 1.34 times plain attention's time an operation, forward and backward, wanted at most 1.3: missed",
    "against.block (T 2048, by jax-js): takes 9.50 times as long as here, wanted at least 8: reached",
  ]);
});

Deno.test("resultsPage() has the circumstances, the goals and a table for each section", () => {
  const page = resultsPage([norm, step(128, 0.77)], facts);
  assert.match(page, /^# Results\n/);
  assert.match(page, /- adapter, driver driver 1, 2 cores\n/);
  assert.match(page, /## Goals\n\n- layer_norm.*\n- train_step \(length 128\): 77 % .*: reached\n/);
  assert.match(page, /## Training step\n\n\| kernel \|.*\n\| --- \|.*\n\| train_step \| T 2048, length 128 \|/);
});

Deno.test("chartPage() draws a bar for each row, against the ceiling that it is held to", () => {
  const page = chartPage([norm, { ...norm, kernel: "add.forward", ofCopy: 1.083 }, step(128, 0.7)], facts);
  assert.match(page, /aria-label="Row kernels: share of the copy ceiling"/);
  assert.match(page, /aria-label="Training step: share of the best matmul"/);
  assert.match(page, />layer_norm\.forward, T 2048, W 384</);
  assert.match(page, />108 %</);
  assert.match(page, /2 of 3/);
  assert.doesNotMatch(page, /<script/);
});
