// What the loop is fed with: encoded battles planned into optimizer steps, and a validation set that scores itself.
import type { EncodedBattle } from "../data/dataset.ts";
import { packBatch } from "../data/packed_batch.ts";
import { type Capacity, planEpoch } from "../data/packing.ts";
import type { TrainingData, Validate, ValidationResult } from "./loop.ts";
import { accuracy, expectedLogLoss, logLoss } from "./metrics.ts";
import { predictAll } from "./predict.ts";

export interface FeedOptions {
  capacity: Capacity;
  batch: number;
  seed: number;
  shuffle: boolean;
  swapAugment: boolean;
  labelSmoothing: number;
}

/** Plans each epoch when the loop comes to it. */
export function trainingData(battles: readonly EncodedBattle[], options: FeedOptions): TrainingData {
  const { labelSmoothing, ...planning } = options;
  return {
    stepsPerEpoch: Math.ceil(battles.length / options.batch),
    planEpoch: (epoch) =>
      planEpoch({ battles, epoch, ...planning }).map((step) => () =>
        step.map((microBatch) => packBatch(battles, microBatch, { labelSmoothing }))
      ),
  };
}

/** A validation over labelled battles. */
export function validation(battles: readonly EncodedBattle[], capacity: Capacity): Validate {
  return async (predict) => scored(battles, await predictAll({ predict, capacity }, battles));
}

/** Scores of predictions [B, 3] for labelled battles. */
export function scored(battles: readonly EncodedBattle[], p: ArrayLike<number>): ValidationResult {
  const labels = battles.map(({ label }) => label!);
  const truth = battles.flatMap(({ truth }) => truth ?? []);
  return {
    logLoss: logLoss(p, labels),
    accuracy: accuracy(p, labels),
    ...(truth.length === battles.length * 3 && { expectedLogLoss: expectedLogLoss(p, truth) }),
  };
}
