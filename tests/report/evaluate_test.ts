// The evaluation: its statistics against numpy, scipy and scikit-learn (tests/oracle/evaluation.py), its groups on battles
// made by hand, and reports that stand odd texts and few battles.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Battle, Outcome } from "../../data/battle.ts";
import { Random } from "../../data/random.ts";
import { evaluate, type EvaluateInput, type Evaluation } from "../../report/evaluate/evaluation.ts";
import { HardestBattles } from "../../report/evaluate/hardest.ts";
import { LossGroups } from "../../report/evaluate/loss_groups.ts";
import { evaluationReport, summaryLines } from "../../report/evaluate/report.ts";
import { swapFindings } from "../../report/evaluate/swap.ts";
import { verdict } from "../../report/evaluate/score_sections.ts";
import { oneLine } from "../../report/format.ts";
import { bootstrapMeans } from "../../report/statistics/bootstrap.ts";
import { byOutcome, calibrationError, likeliest, reliability, rowLosses } from "../../train/metrics.ts";
import { learnFrom } from "../../train/training_part.ts";
import { promptHash } from "../../report/evaluate/battle_groups.ts";
import { root } from "../imports.ts";

const golden = JSON.parse(readFileSync(join(root, "tests/goldens/evaluation.json"), "utf8"));
const { p, q, labels, groups, kinds } = golden;

const close = (found: number, wanted: number, tolerance: number, why: string) =>
  assert(Math.abs(found - wanted) <= tolerance, `${why}: ${found}, not ${wanted}`);

Deno.test("verdict() sees no difference where all that is printed is 0.0000", () => {
  const of = (low: number, high: number) => verdict({ mean: (low + high) / 2, low, high });
  assert.deepEqual([of(1e-3, 2e-3), of(-2e-3, -1e-3), of(-1e-3, 1e-3)], ["worse", "better", "not clear"]);
  assert.equal(of(0.5, 0.5), "not clear", "all samples of one prompt are the same");
  assert.deepEqual([of(1e-10, 2e-10), of(-2e-10, -1e-10)], ["not clear", "not clear"]);
});

Deno.test("byOutcome() gives scikit-learn's confusion matrix and numpy's log loss of each outcome", () => {
  const found = byOutcome(p, labels);
  assert.deepEqual(found.map(({ likeliest }) => likeliest), golden.confusion);
  for (const [at, wanted] of golden.outcomeLoss.entries()) close(found[at].logLoss, wanted, 1e-12, `outcome ${at}`);
  assert.deepEqual(byOutcome([0.2, 0.5, 0.3], [0]).map(({ battles, logLoss }) => [battles, logLoss]), [
    [1, -Math.log(0.2)],
    [0, NaN],
    [0, NaN],
  ]);
});

Deno.test("reliability() gives the bins of scikit-learn's calibration_curve, which leaves empty ones out", () => {
  for (const { outcome, share, mean } of golden.curves) {
    const found = reliability(p, labels, { outcome: outcome ?? undefined, bins: 10 });
    const met = found.filter(({ battles }) => battles > 0);
    assert.equal(met.length, share.length, `outcome ${outcome}`);
    for (const [at, { battles, probability, hits }] of met.entries()) {
      close(probability, mean[at], 1e-12, `outcome ${outcome}, mean ${at}`);
      close(hits / battles, share[at], 1e-12, `outcome ${outcome}, share ${at}`);
    }
    assert.equal(found.reduce((sum, { battles }) => sum + battles, 0), labels.length);
  }
  // A probability on an edge belongs to the lower bin, 1 to the last.
  const edges = reliability([0.5, 0.25, 0.25, 1, 0, 0], [0, 0], { outcome: 0, bins: 2 });
  assert.deepEqual(edges.map(({ battles }) => battles), [1, 1]);
});

for (const [name, drawn] of [["alone", undefined], ["together", groups]] as const) {
  Deno.test(`bootstrapMeans() has numpy's intervals within the luck of the draw: battles drawn ${name}`, () => {
    const columns = [rowLosses(p, labels), rowLosses(q, labels)];
    const options = { seed: 3, rounds: 4000, groups: drawn }, found = bootstrapMeans(columns, options);
    const wanted = golden[name];
    for (const [at, mean] of wanted.means.entries()) {
      close(found.means[at].mean, mean, 1e-12, `mean ${at}`);
      close(found.differences[at].mean, mean - wanted.means[0], 1e-12, `difference ${at}`);
      for (const kind of ["means", "differences"] as const) {
        const [low, high] = wanted[kind === "means" ? "intervals" : "differences"][at];
        // Percentiles of 4,000 samples move by about 2 % of the interval's width.
        close(found[kind][at].low, low, 0.06 * (high - low), `${kind} ${at}, low`);
        close(found[kind][at].high, high, 0.06 * (high - low), `${kind} ${at}, high`);
      }
    }
    assert.deepEqual(bootstrapMeans(columns, options), found, "the same seed, the same interval");
  });
}

Deno.test("bootstrapMeans(): battles of one prompt drawn together give a wider interval where they agree", () => {
  const random = new Random(1);
  const values = Array.from({ length: 50 }, () => random.normal()).flatMap((value) => new Array(6).fill(value));
  const width = (groups?: number[]) => {
    const { low, high } = bootstrapMeans([values], { seed: 1, groups }).means[0];
    return high - low;
  };
  const ratio = width(values.map((_, at) => Math.floor(at / 6))) / width();
  close(ratio, Math.sqrt(6), 0.3, "ratio of the widths");
});

Deno.test("LossGroups gives numpy's means and scipy's intervals, in the order of the names", () => {
  const found = new LossGroups(["2", "never", "1"]), losses = rowLosses(p, labels), references = rowLosses(q, labels);
  for (const [row, kind] of kinds.entries()) {
    const correct = likeliest(p, row) === labels[row];
    found.add(String(kind), { loss: losses[row], correct, reference: references[row] });
  }
  assert.deepEqual(found.rows().map(({ name }) => name), ["2", "1", "0"]);
  for (const { name, battles, logLoss, low, high, accuracy, reference } of found.rows()) {
    const wanted = golden.byKind[Number(name)];
    assert.equal(battles, wanted.battles);
    close(logLoss, wanted.mean, 1e-12, `${name}: mean`);
    close(high - logLoss, wanted.half, 1e-9, `${name}: interval`);
    close(logLoss - low, wanted.half, 1e-9, `${name}: interval`);
    close(reference!, wanted.reference, 1e-12, `${name}: reference`);
    close(accuracy, wanted.accuracy, 1e-12, `${name}: accuracy`);
  }
});

Deno.test("swapFindings() measures how far predictions move, and to which side", () => {
  const asGiven = [0.5, 0.3, 0.2, 0.4, 0.4, 0.2], exchanged = [0.3, 0.5, 0.2, 0.4, 0.4, 0.2];
  const loss = (place: number) => ({ loss: place, correct: true });
  const found = swapFindings({ places: [4, 7], asGiven, exchanged }, loss);
  close(found.mean, 0.1, 1e-12, "mean");
  close(found.largest, 0.2, 1e-12, "largest");
  close(found.towardsA, 0.1, 1e-12, "towards A");
  assert.equal(found.changed, 1);
  assert.deepEqual(found.groups.map(({ name, battles, logLoss }) => [name, battles, logLoss]), [
    ["none", 1, 7],
    ["0.1 – 0.2", 1, 4],
  ]);
});

Deno.test("HardestBattles keeps the greatest losses in order, with texts of one line", () => {
  const hardest = new HardestBattles(3);
  const losses = [0.5, 2, 1, 2, 3, 0.1];
  for (const [at, loss] of losses.entries()) {
    hardest.offer(battleOf(at, { prompt: ["a\n\u001b[31mb"] }), loss, [0, 1, 0]);
  }
  assert.deepEqual(hardest.items.map(({ id, loss }) => [id, loss]), [["4", 3], ["1", 2], ["3", 2]]);
  assert.equal(hardest.items[0].prompt, "a [31mb");
  assert.equal(oneLine(`x${"y".repeat(50)}`, 10), "xyyyyyyyy…");
  assert.equal(oneLine("a\u202eb\ud83d c", 10), "ab\ufffd c");
});

function battleOf(at: number, changes: Partial<Battle> = {}): Battle {
  return {
    id: String(at),
    row: at + 2,
    prompt: [`What is ${at}?`],
    responseA: ["one"],
    responseB: ["another one"],
    label: (at % 3) as Outcome,
    modelA: "m",
    modelB: "n",
    ...changes,
  };
}

async function evaluated(battles: Battle[], changes: Partial<EvaluateInput> = {}): Promise<Evaluation> {
  const probabilities = Float64Array.from(battles.flatMap((_, at) => [0.5 + at / 1000, 0.3 - at / 1000, 0.2]));
  const input = { judged: "m", data: "d.csv", name: "this model", probabilities, seed: 1, rounds: 50, hardest: 5 };
  return await evaluate(() => battles, { ...input, ...changes });
}

Deno.test("evaluate() groups battles by length, prompt, signs of the answers and chatbots", async () => {
  const long = "word ".repeat(500);
  const battles = [
    battleOf(0, { responseA: [long], responseB: ["```\ncode\n```"] }),
    battleOf(1, { prompt: ["same"], modelA: "n", modelB: "m" }),
    battleOf(2, { prompt: ["Same "], modelA: "n", modelB: "o" }),
    battleOf(3, { prompt: ["one", "two"], responseA: ["I’m sorry, but I can’t."] }),
  ];
  const train = [battleOf(3, { prompt: ["one", "two"] }), battleOf(9)];
  const { baselines, prompts, battles: count } = await learnFrom(() => train, promptHash);
  const training = { name: "t.csv", battles: count, isTrained: (hash: number) => prompts.has(hash) };
  const found = await evaluated(battles, { baselines, training });
  const counts = (rows: { name: string; battles: number }[]) =>
    Object.fromEntries(rows.map(({ name, battles }) => [name, battles]));
  const { lengths, prompts: kinds, traits, chatbots } = found.groups;
  assert.deepEqual(counts(lengths[0].rows), { "under 500": 3, "2,000 – 4,000": 1 });
  assert.deepEqual(counts(lengths[1].rows), {
    "A over 2 × as long": 1,
    "A 1.2 – 2 ×": 1,
    "B over 2 × as long": 2,
  });
  assert.deepEqual(counts(kinds[0].rows), { "trained on": 1, "not trained on": 3 });
  assert.deepEqual(counts(kinds[1].rows), { "in one battle": 2, "in 2 to 5 battles": 2 });
  assert.deepEqual(counts(kinds[2].rows), { "1 turn": 3, "2 turns": 1 });
  assert.deepEqual(counts(traits[0].rows), { code: 1, refusal: 1, "none of these": 2 });
  assert.deepEqual(counts(chatbots!.pairs.rows), { "m / n": 3, "n / o": 1 });
  assert.deepEqual(counts(chatbots!.each.rows), { m: 3, n: 4, o: 1 });
  assert.deepEqual(found.rows.map(({ name }) => name), ["this model", "constant prior", "length only", "bag of words"]);
  assert.equal(found.prompts, 3);
  close(
    found.rows[0].calibrationError,
    calibrationError([0.5, 0.3, 0.2, 0.501, 0.299, 0.2, 0.502, 0.298, 0.2, 0.503, 0.297, 0.2], [0, 1, 2, 0]),
    1e-12,
    "ECE",
  );
  const flattered = "1 of the 4 battles has a prompt of the training part: what learned from it is flattered there.";
  assert.ok(summaryLines(found, 0).includes(flattered));
  assert.ok(evaluationReport(found).includes(flattered));
  const { difference, logLoss } = found.rows[1];
  close(difference!.mean, logLoss.mean - found.rows[0].logLoss.mean, 1e-12, "difference");
});

Deno.test("evaluate() refuses a file whose number of battles changed meanwhile", async () => {
  const battles = [battleOf(0), battleOf(1)];
  for (const probabilities of [new Float64Array(3).fill(1 / 3), new Float64Array(9).fill(1 / 3)]) {
    await assert.rejects(evaluated(battles, { probabilities }), /^InputError: Cannot read d\.csv again: it changed/);
  }
});

Deno.test("evaluationReport() and summaryLines() hold no markup and no control character of users' texts", async () => {
  const evil = '<script>alert(1)</script>"\u001b[31m\u0007\u202e';
  const battles = Array.from(
    { length: 30 },
    (_, at) =>
      battleOf(at, { id: `${evil}${at}`, prompt: [evil], responseA: [evil], modelA: evil, modelB: `${evil}2` }),
  );
  const evaluation = await evaluated(battles);
  const html = evaluationReport(evaluation), lines = summaryLines(evaluation, 5).join("\n");
  assert.doesNotMatch(html, /<script|src=|href="[^#]/);
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(html + lines, /[\u0000-\u0008\u000b-\u001f\u007f\u202e]/);
  assert.match(lines, /hardest battles\n {2}1\.\d\d {2}<script>/);
});

Deno.test("evaluationReport() stands the least of files: one battle, only ties, no chatbots, exact predictions", async () => {
  const none = { modelA: undefined, modelB: undefined };
  const cases: [Battle[], Partial<EvaluateInput>][] = [
    [[battleOf(0)], {}],
    [[battleOf(2, none), battleOf(5, none)], {}],
    [[battleOf(0), battleOf(1)], { probabilities: Float64Array.of(1, 0, 0, 0, 1, 0), hardest: 0 }],
  ];
  for (const [battles, changes] of cases) {
    const evaluation = await evaluated(battles, changes);
    const html = evaluationReport(evaluation), text = summaryLines(evaluation, 3).join("\n");
    assert.doesNotMatch(html + text, /NaN|undefined|Infinity/);
    assert.match(text, new RegExp(`^battles +${battles.length}\n`));
  }
});
