// Scores any submission file against labelled battles, by the competition's metric.
import { matchPredictions } from "../data/predictions.ts";
import { accuracy, calibrationError, expectedLogLoss, logLoss } from "./metrics.ts";

/** What a submission file is worth. */
export interface Score {
  battles: number;
  logLoss: number;
  accuracy: number;
  calibrationError: number;
  /** Where the battles' file holds the true probabilities. */
  expectedLogLoss?: number;
  /** Rows whose probabilities are off 1 by more than 1e-6; they are scored after division by their sum. */
  rowsOffOne: number;
}

/** Matches rows by id. @throws {InputError} with file and row, if an id is missing, there twice or unknown, or a
 *  probability is no number, negative or not finite */
export async function scorePredictions(predictionsPath: string, dataPath: string): Promise<Score> {
  const { probabilities, labels, truth } = await matchPredictions(predictionsPath, dataPath);
  const offOne = labels.filter((_, row) => {
    const sum = probabilities[row * 3] + probabilities[row * 3 + 1] + probabilities[row * 3 + 2];
    return Math.abs(sum - 1) > 1e-6;
  });
  return {
    battles: labels.length,
    logLoss: logLoss(probabilities, labels),
    accuracy: accuracy(probabilities, labels),
    calibrationError: calibrationError(probabilities, labels),
    ...(truth && { expectedLogLoss: expectedLogLoss(probabilities, truth) }),
    rowsOffOne: offOne.length,
  };
}
