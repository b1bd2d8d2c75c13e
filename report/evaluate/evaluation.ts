// One pass over labelled battles whose predictions are known: everything that the evaluation's report and summary say.
// Losses and probabilities stay in memory (some 100 bytes a battle), texts do not.
import { type BattleSource, type Outcome, partsOf } from "../../data/battle.ts";
import { InputError } from "../../errors.ts";
import type { LearnedBaseline } from "../../train/baselines.ts";
import {
  accuracy,
  byOutcome,
  calibrationError,
  expectedLogLoss,
  likeliest,
  logLoss,
  type OutcomeScore,
  reliability,
  type ReliabilityBin,
  rowLosses,
} from "../../train/metrics.ts";
import { bootstrapMeans, type MeanInterval } from "../statistics/bootstrap.ts";
import { BattleGroupCounter, type BattleGroups } from "./battle_groups.ts";
import { type HardBattle, HardestBattles } from "./hardest.ts";
import type { BattleLoss } from "./loss_groups.ts";
import { type BothWays, type SwapFindings, swapFindings } from "./swap.ts";

/** One row of the table of scores. */
export interface ScoreRow {
  name: string;
  /** The judged one, others beside it, baselines, the truth. */
  kind: "model" | "other" | "baseline" | "truth";
  logLoss: MeanInterval;
  accuracy: number;
  /** By the true outcome: A wins, B wins, tie. */
  outcomes: OutcomeScore[];
  calibrationError: number;
  /** Where the true probabilities are known. */
  expectedLogLoss?: number;
  /** Log loss less that of the first row, on the same battles; absent for the first row itself. */
  difference?: MeanInterval;
}

export interface Evaluation {
  /** Names of what was judged and of the battles, for titles. */
  judged: string;
  data: string;
  battles: number;
  prompts: number;
  /** The model, others, the baselines, the true probabilities where they are known. */
  rows: ScoreRow[];
  /** Where the baselines learned, and from how many battles. */
  training?: { name: string; battles: number };
  /** Battles whose prompt is in the training part, where that is known. */
  seen?: number;
  /** Log loss without the model's calibration. */
  uncalibrated?: number;
  reliability: { likeliest: ReliabilityBin[]; outcomes: ReliabilityBin[][] };
  groups: BattleGroups;
  swap?: SwapFindings & { symmetric: boolean };
  hardest: HardBattle[];
  /** Bootstrap samples. */
  rounds: number;
}

export interface EvaluateInput {
  judged: string;
  data: string;
  /** Name of the first row, e.g. `this model`. */
  name: string;
  /** [B, 3], in the order of the battles. */
  probabilities: Float64Array;
  /** Without the model's calibration, where it has one. */
  uncalibrated?: Float64Array;
  /** Other predictions of the same battles. */
  others?: readonly { name: string; probabilities: Float64Array }[];
  baselines?: readonly LearnedBaseline[];
  training?: { name: string; battles: number; isTrained: (promptHash: number) => boolean };
  /** Predictions of some battles with A and B exchanged; `symmetric` where the model cannot tell them apart. */
  bothWays?: BothWays & { symmetric: boolean };
  seed: number;
  rounds: number;
  /** Battles listed. */
  hardest: number;
}

/** Battles read at a time. */
const together = 1000;

/** Reads `source` once. @throws {InputError} if it does not hold as many battles as there are predictions */
export async function evaluate(source: BattleSource, input: EvaluateInput): Promise<Evaluation> {
  const { probabilities: p, others = [], baselines = [], training } = input;
  const labels: Outcome[] = [], truth: number[] = [], predicted: number[][] = baselines.map(() => []);
  const groups = new BattleGroupCounter(training?.isTrained), hardest = new HardestBattles(input.hardest);
  const losses: BattleLoss[] = [];
  for await (const part of partsOf(source(), together)) {
    const before = labels.length, partLabels = part.map(({ label }) => label!);
    labels.push(...partLabels);
    if (labels.length * 3 > p.length) break;
    truth.push(...part.flatMap(({ truth }) => truth ?? []));
    const own = p.subarray(before * 3, labels.length * 3), ownLosses = rowLosses(own, partLabels);
    for (const [at, { predict }] of baselines.entries()) for (const value of predict(part)) predicted[at].push(value);
    const references = baselines.length > 0 ? rowLosses(predicted[0].slice(before * 3), partLabels) : undefined;
    for (const [at, battle] of part.entries()) {
      const correct = likeliest(own, at) === battle.label;
      const loss: BattleLoss = { loss: ownLosses[at], correct, ...(references && { reference: references[at] }) };
      losses.push(loss);
      groups.add(battle, loss);
      hardest.offer(battle, loss.loss, own.subarray(at * 3, at * 3 + 3));
    }
  }
  if (labels.length * 3 !== p.length) {
    throw new InputError(`Cannot read ${input.data} again: it changed meanwhile: run again`);
  }
  const known = truth.length === p.length;
  const judged: { name: string; kind: ScoreRow["kind"]; p: Float64Array }[] = [
    { name: input.name, kind: "model", p },
    ...others.map(({ name, probabilities }) => ({ name, kind: "other" as const, p: probabilities })),
    ...baselines.map(({ name }, at) => ({ name, kind: "baseline" as const, p: Float64Array.from(predicted[at]) })),
    ...(known ? [{ name: "true probabilities", kind: "truth" as const, p: Float64Array.from(truth) }] : []),
  ];
  const { seed, rounds, uncalibrated, bothWays } = input;
  const { means, differences } = bootstrapMeans(judged.map(({ p }) => rowLosses(p, labels)), {
    seed,
    rounds,
    groups: groups.promptNumbers,
  });
  const rows = judged.map(({ name, kind, p }, at): ScoreRow => ({
    name,
    kind,
    logLoss: means[at],
    accuracy: accuracy(p, labels),
    outcomes: byOutcome(p, labels),
    calibrationError: calibrationError(p, labels),
    ...(known && { expectedLogLoss: expectedLogLoss(p, truth) }),
    ...(at > 0 && { difference: differences[at] }),
  }));
  return {
    judged: input.judged,
    data: input.data,
    battles: labels.length,
    prompts: groups.prompts,
    rows,
    ...(training && { training, seen: groups.seen }),
    ...(uncalibrated && { uncalibrated: logLoss(uncalibrated, labels) }),
    reliability: {
      likeliest: reliability(p, labels, { bins: 10 }),
      outcomes: ([0, 1, 2] as const).map((outcome) => reliability(p, labels, { outcome, bins: 10 })),
    },
    groups: groups.finish(),
    ...(bothWays && {
      swap: { ...swapFindings(bothWays, (place) => losses[place]), symmetric: bothWays.symmetric },
    }),
    hardest: hardest.items,
    rounds,
  };
}
