// What can be had without a language model: the constant prior, logistic regression on lengths, and on lengths and words.
// Fitted on the training battles, scored on the validation battles, so that a model's log loss has something to beat.
import type { Battle } from "../data/battle.ts";
import { promptKey, type Split, splitByPrompt } from "../data/folds.ts";
import { fitLogistic, type LogisticWeights, predictLogistic, type SparseRow } from "./logistic_regression.ts";
import { logLoss } from "./metrics.ts";

/** Predictions of one baseline for the validation battles. */
export interface Baseline {
  name: string;
  /** [B, 3] */
  probabilities: Float64Array;
  /** On the validation battles' labels. */
  logLoss: number;
}

type Labelled = readonly Battle[];

/** A baseline that has learned. */
export interface LearnedBaseline {
  name: string;
  /** Probabilities [B, 3]; a battle needs no label. */
  predict(battles: Labelled): Float64Array;
}

/** Training battles that the regressions see, evenly spread over the file: 5,000 take 5 to 15 s and 300 MB on 2 cores. */
const mostBattles = 5000;

/** Places of the training battles that the regressions see, ascending. */
export function seenPlaces(battles: number): number[] {
  const step = Math.max(battles / mostBattles, 1);
  return Array.from({ length: Math.min(battles, mostBattles) }, (_, at) => Math.floor(at * step));
}

/** All three, weakest first. Every battle needs a label. */
export function fitBaselines(train: Labelled, valid: Labelled): Baseline[] {
  const seen = seenPlaces(train.length).map((place) => train[place]);
  return learnBaselines(seen, countOutcomes(train)).map((one) => scoredOn(valid, one));
}

/** All three, weakest first, for battles that come later.
 *  @param seen the labelled battles at `seenPlaces`, or all @param outcomes how often each was seen in all of them */
export function learnBaselines(seen: Labelled, outcomes: readonly number[]): LearnedBaseline[] {
  return [learnPrior(outcomes), learnLengths(seen), learnWords(seen)];
}

/** How often each outcome was seen; one that never was counts half a battle. */
function learnPrior(outcomes: readonly number[]): LearnedBaseline {
  const counts = outcomes.map((count) => count || 0.5), sum = counts[0] + counts[1] + counts[2];
  const row = counts.map((count) => count / sum);
  return { name: "constant prior", predict: (battles) => Float64Array.from(battles.flatMap(() => row)) };
}

function countOutcomes(battles: Labelled): number[] {
  return [0, 1, 2].map((outcome) => battles.filter(({ label }) => label === outcome).length);
}

/** Logistic regression on the lengths of prompt and answers. */
function learnLengths(train: Labelled): LearnedBaseline {
  const scale = scaler(train.flatMap((battle) => [lengths(battle), lengths(exchanged(battle))]));
  return regression("length only", (battle) => dense(scale(lengths(battle))), train, lengthFeatures);
}

/** Words that count as features, most frequent first. */
const vocabularySize = 5000;

/** Logistic regression on lengths and words: of each word its TF-IDF weight in A minus that in B, which can tell winners,
 *  and how far apart the two are, which can tell ties. */
function learnWords(train: Labelled): LearnedBaseline {
  const scale = scaler(train.flatMap((battle) => [lengths(battle), lengths(exchanged(battle))]));
  const weigh = tfidf(train.flatMap(({ responseA, responseB }) => [responseA, responseB]));
  const row = (battle: Battle): SparseRow => {
    const a = weigh(battle.responseA), b = weigh(battle.responseB);
    const { columns, values } = dense(scale(lengths(battle)));
    for (const word of new Set([...a.keys(), ...b.keys()])) {
      const difference = (a.get(word) ?? 0) - (b.get(word) ?? 0);
      if (difference === 0) continue;
      columns.push(lengthFeatures + word, lengthFeatures + vocabularySize + word);
      values.push(difference, Math.abs(difference));
    }
    return { columns, values };
  };
  return regression("bag of words", row, train, lengthFeatures + 2 * vocabularySize);
}

/** Strengths of the penalty that are tried, strongest first. */
const penalties = [0.02, 0.05, 0.1, 0.2, 0.5, 1];

/** Each training battle counts both ways round, so no place is preferred. The penalty is the one that does best on a
 *  fifth of the training prompts when fitted on the others, so that the baseline is as strong as it can be. */
function regression(
  name: string,
  row: (battle: Battle) => SparseRow,
  train: Labelled,
  features: number,
): LearnedBaseline {
  const rows = train.flatMap((battle) =>
    [battle, exchanged(battle)].map((one) => ({ row: row(one), label: one.label! }))
  );
  const fit = (places: number[], c: number, start?: LogisticWeights) => {
    const chosen = places.flatMap((place) => [rows[place * 2], rows[place * 2 + 1]]);
    return fitLogistic(chosen.map((one) => one.row), chosen.map(({ label }) => label), { features, c, start });
  };
  let best = { c: penalties[0], loss: Infinity }, weights: LogisticWeights | undefined;
  const inner = innerSplit(train);
  for (const c of inner ? penalties : []) {
    weights = fit(inner!.train, c, weights);
    const p = predictLogistic(inner!.valid.map((place) => rows[place * 2].row), weights);
    const loss = logLoss(p, inner!.valid.map((place) => train[place].label!));
    // A weaker penalty after the best one only fits worse: the loss over c has one valley.
    if (loss > best.loss) break;
    best = { c, loss };
  }
  const found = fit([...train.keys()], best.c, weights);
  return { name, predict: (battles) => predictLogistic(battles.map(row), found) };
}

/** Undefined where all battles share one prompt. */
function innerSplit(train: Labelled): Split | undefined {
  const different = new Set(train.map(({ prompt }) => promptKey(prompt))).size;
  return different > 1 ? splitByPrompt(train, 0.2, 0) : undefined;
}

function scoredOn(valid: Labelled, { name, predict }: LearnedBaseline): Baseline {
  const probabilities = predict(valid);
  return { name, probabilities, logLoss: logLoss(probabilities, valid.map(({ label }) => label!)) };
}

function exchanged(battle: Battle): Battle {
  const label = battle.label === 0 ? 1 : battle.label === 1 ? 0 : battle.label;
  return { ...battle, responseA: battle.responseB, responseB: battle.responseA, label };
}

const lengthFeatures = 7;

function lengths({ prompt, responseA, responseB }: Battle): number[] {
  const [p, a, b] = [prompt, responseA, responseB].map((turns) => Math.log1p(turns.join("\n").length));
  const share = (Math.exp(a) - Math.exp(b)) / (Math.exp(a) + Math.exp(b));
  return [a - b, Math.abs(a - b), share, Math.abs(share), a + b, p, (a - b) * p];
}

/** Shifts and stretches features to mean 0 and deviation 1 over `rows`. */
function scaler(rows: number[][]): (row: number[]) => number[] {
  const means = Array.from({ length: lengthFeatures }, (_, at) => mean(rows.map((row) => row[at])));
  const deviations = means.map((center, at) => Math.sqrt(mean(rows.map((row) => (row[at] - center) ** 2))) || 1);
  return (row) => row.map((value, at) => (value - means[at]) / deviations[at]);
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function dense(values: number[]): { columns: number[]; values: number[] } {
  return { columns: Array.from(values.keys()), values: [...values] };
}

function words(turns: readonly string[]): string[] {
  return turns.join("\n").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** Weights a text's words by how often it has them, (1 + log count), and how few texts do; the weights' squares add up to 1.
 *  The vocabulary is that of the training texts: words of two texts or more. */
function tfidf(texts: (readonly string[])[]): (turns: readonly string[]) => Map<number, number> {
  const textsWith = new Map<string, number>();
  for (const turns of texts) {
    for (const word of new Set(words(turns))) textsWith.set(word, (textsWith.get(word) ?? 0) + 1);
  }
  const known = [...textsWith].filter(([, count]) => count > 1)
    .sort(([one, n], [other, m]) => m - n || (one < other ? -1 : 1)).slice(0, vocabularySize);
  const column = new Map(known.map(([word], at) => [word, at]));
  const rarity = known.map(([, count]) => Math.log((1 + texts.length) / (1 + count)) + 1);
  return (turns) => {
    const counts = new Map<number, number>();
    for (const word of words(turns)) {
      const at = column.get(word);
      if (at !== undefined) counts.set(at, (counts.get(at) ?? 0) + 1);
    }
    let squares = 0;
    for (const [at, count] of counts) {
      const weight = (1 + Math.log(count)) * rarity[at];
      counts.set(at, weight);
      squares += weight * weight;
    }
    for (const [at, weight] of counts) counts.set(at, weight / Math.sqrt(squares));
    return counts;
  };
}
