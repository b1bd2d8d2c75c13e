// The baselines: their regression against scikit-learn (tests/oracle/logistic.py), and what each of them can and cannot see.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Battle, Outcome } from "../../data/battle.ts";
import { Random } from "../../data/random.ts";
import { fitBaselines } from "../../train/baselines.ts";
import { fitLogistic, predictLogistic } from "../../train/logistic_regression.ts";
import { root } from "../imports.ts";

const { cases } = JSON.parse(readFileSync(join(root, "tests/goldens/logistic.json"), "utf8"));

for (const { why, c, features, rows, labels, probabilities } of cases) {
  Deno.test(`fitLogistic() gives the probabilities of scikit-learn: ${why}`, () => {
    const found = predictLogistic(rows, fitLogistic(rows, labels, { features, c, tolerance: 1e-9, maxSteps: 2000 }));
    const worst = Math.max(...found.map((p, at) => Math.abs(p - probabilities[at])));
    assert(worst < 1e-5, `${worst}`);
  });
}

/** Battles whose outcome `decide` draws from two answers made of `words`. */
function invent(count: number, seed: number, decide: (a: string[], b: string[], random: Random) => Outcome): Battle[] {
  const random = new Random(seed), words = ["sun", "sea", "sand", "salt", "song", "soap", "good"];
  const answer = () => Array.from({ length: 3 + random.below(8) }, () => words[random.below(words.length)]);
  return Array.from({ length: count }, (_, at) => {
    const a = answer(), b = answer();
    return {
      id: String(at),
      row: at + 2,
      prompt: [`question ${at}`],
      responseA: [a.join(" ")],
      responseB: [b.join(" ")],
      label: decide(a, b, random),
    };
  });
}

const goodWords = (answer: string[]) => answer.filter((word) => word === "good").length / answer.length;

Deno.test("fitBaselines(): the constant prior gives the shares of the training outcomes", () => {
  const battles = invent(8, 1, () => 0).map((battle, at): Battle => ({
    ...battle,
    label: at < 4 ? 0 : at < 6 ? 1 : 2,
  }));
  const [{ probabilities, logLoss }] = fitBaselines(battles, battles.slice(0, 2));
  assert.deepEqual([...probabilities], [0.5, 0.25, 0.25, 0.5, 0.25, 0.25]);
  assert.equal(logLoss, Math.log(2));
  const [noTies] = fitBaselines(battles.slice(0, 6), battles.slice(7));
  assert(Number.isFinite(noTies.logLoss), "an outcome that was never seen stays possible");
});

Deno.test("fitBaselines(): length only learns that the longer answer wins, and that equal ones tie", () => {
  const decide = (a: string[], b: string[]): Outcome => a.length === b.length ? 2 : a.length > b.length ? 0 : 1;
  const [, found] = fitBaselines(invent(500, 1, decide), invent(200, 2, decide));
  assert(found.logLoss < 0.45, `${found.logLoss}`);
});

Deno.test("fitBaselines(): bag of words learns which word wins, where lengths say nothing", () => {
  const decide = (a: string[], b: string[], random: Random): Outcome => {
    const gap = goodWords(a) - goodWords(b);
    return Math.abs(gap) < 0.05 ? 2 : (gap > 0) === random.uniform() < 0.9 ? 0 : 1;
  };
  const [prior, lengths, words] = fitBaselines(invent(600, 1, decide), invent(300, 2, decide));
  assert.deepEqual([prior, lengths, words].map(({ name }) => name), ["constant prior", "length only", "bag of words"]);
  assert(lengths.logLoss > prior.logLoss - 0.02, `${lengths.logLoss} of ${prior.logLoss}`);
  assert(words.logLoss < prior.logLoss - 0.25, `${words.logLoss} of ${prior.logLoss}`);
});

Deno.test("fitBaselines(): the regressions exchange the winners' probabilities when A and B change places", () => {
  const decide = (a: string[], b: string[]): Outcome => goodWords(a) > goodWords(b) ? 0 : a.length > 7 ? 2 : 1;
  const train = invent(200, 1, decide), valid = invent(20, 2, decide);
  const mirrored = valid.map((battle) => ({ ...battle, responseA: battle.responseB, responseB: battle.responseA }));
  for (const which of [1, 2]) {
    const one = fitBaselines(train, valid)[which].probabilities,
      other = fitBaselines(train, mirrored)[which].probabilities;
    for (let at = 0; at < one.length; at += 3) {
      // The fit stops a little before the optimum, where both sides are exactly alike.
      assert(Math.abs(one[at] - other[at + 1]) < 1e-3 && Math.abs(one[at + 2] - other[at + 2]) < 1e-3);
    }
  }
});

Deno.test("fitBaselines() never looks at the validation labels, and copes with one prompt and one battle", () => {
  const decide = (_a: string[], _b: string[], random: Random): Outcome => random.below(3) as Outcome;
  const train = invent(60, 1, decide), valid = invent(10, 2, decide);
  const others = valid.map((battle): Battle => ({ ...battle, label: 2 }));
  const probabilities = (battles: Battle[]) => fitBaselines(train, battles).map((found) => found.probabilities);
  assert.deepEqual(probabilities(valid), probabilities(others));
  for (const { logLoss } of fitBaselines(train.slice(0, 1), valid)) assert(Number.isFinite(logLoss));
  const empty = train.map((battle): Battle => ({ ...battle, prompt: [], responseA: [], responseB: [""] }));
  for (const { logLoss } of fitBaselines(empty, empty)) assert(Number.isFinite(logLoss));
});
