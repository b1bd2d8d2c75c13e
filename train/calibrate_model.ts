// Fits the calibration of a model folder on battles it has not learned from, and says what it changes.
import { basename } from "node:path";
import type { Outcome } from "../data/battle.ts";
import type { Calibration, CalibrationEntry, CalibrationMethod } from "../model/calibration_entry.ts";
import { calibrate, fitCalibration } from "./calibration.ts";
import { calibrationError, logLoss } from "./metrics.ts";
import { crossFittedLogLoss, rowsAt } from "./out_of_fold.ts";
import type { DataRecord } from "./run_record.ts";

/** Predictions of the model for labelled battles. */
export interface CalibrationData {
  /** [B, 3] */
  probabilities: Float64Array;
  labels: Outcome[];
  /** Of the battles' prompts. */
  keys: string[];
  record: DataRecord;
  swapAverage: boolean;
}

export interface FittedCalibration {
  entry: CalibrationEntry;
  before: { logLoss: number; calibrationError: number };
  /** On the battles it was fitted on: better than it will be elsewhere. */
  after: { logLoss: number; calibrationError: number };
  /** Each fifth of the prompts calibrated by the others. */
  crossFitted?: number;
}

/** Fits and compares; nothing is written. */
export function calibrationFrom(
  data: CalibrationData,
  options: { method: CalibrationMethod; symmetric: boolean },
): FittedCalibration {
  const { probabilities, labels, keys, record, swapAverage } = data;
  const scores = (p: ArrayLike<number>) => ({
    logLoss: logLoss(p, labels),
    calibrationError: calibrationError(p, labels),
  });
  const fit = (places: number[]): Calibration =>
    fitCalibration(rowsAt(probabilities, places), places.map((place) => labels[place]), options);
  const calibration = fit([...labels.keys()]);
  const crossFitted = crossFittedLogLoss(keys, labels, (places) => {
    const part = fit(places);
    return (held) => calibrate(rowsAt(probabilities, held), part);
  });
  const { sha256, battles: _all, source } = record;
  const fitted_on = { source: basename(source), sha256, battles: labels.length, swap_average: swapAverage };
  return {
    entry: { ...calibration, fitted_on },
    before: scores(probabilities),
    after: scores(calibrate(probabilities, calibration)),
    crossFitted,
  };
}
