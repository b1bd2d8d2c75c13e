// The calibration of a model folder: found and written in config.json, and kept away from the battles it was fitted on.
import { join } from "node:path";
import { InputError, UsageError } from "../errors.ts";
import { writeTextAtomically } from "../model/atomic_file.ts";
import type { CalibrationEntry } from "../model/calibration_entry.ts";
import { readConfig } from "../model/config.ts";
import { stringifyObject } from "../model/json_text.ts";
import { isFile } from "../model/model_files.ts";
import { type DataRecord, fileSha256 } from "./run_record.ts";

/** Undefined where the model was never calibrated. */
export async function readCalibration(folder: string): Promise<CalibrationEntry | undefined> {
  // Adapters made elsewhere have no config.json.
  const isOwn = await isFile(join(folder, "config.json"));
  return isOwn ? (await readConfig(folder)).tiebreak?.calibration : undefined;
}

/** Puts it in the place of an earlier one. @throws {InputError} if Tiebreak did not write the folder */
export async function saveCalibration(folder: string, calibration: CalibrationEntry): Promise<void> {
  const { raw, tiebreak } = await readConfig(folder);
  if (!tiebreak) {
    throw new InputError(
      `Cannot calibrate ${folder}: its config.json has no tiebreak entry: train the model here first`,
    );
  }
  const config = { ...raw, tiebreak: { ...tiebreak, calibration } };
  await writeTextAtomically(join(folder, "config.json"), stringifyObject(config));
}

/** @throws {UsageError} if `data` holds the battles that the calibration was fitted on */
export async function checkNotFittedOn(
  data: string | DataRecord,
  model: string,
  { fitted_on }: CalibrationEntry,
): Promise<void> {
  const { source, sha256 } = typeof data === "string" ? { source: data, sha256: await fileSha256(data) } : data;
  if (sha256 !== fitted_on.sha256) return;
  throw new UsageError(
    `Cannot judge ${model} on ${source}: its calibration was fitted on these battles: give others, or add --no-calibration`,
  );
}

/** What was fitted, in a few words for the user. */
export function calibrationWords({ method, scale, bias, fitted_on }: CalibrationEntry): string {
  const triple = (values: number[]) => values.map((value) => value.toFixed(3)).join(" ");
  const found = method === "temperature"
    ? `temperature ${(1 / scale[0]).toFixed(3)}`
    : method === "prior"
    ? `prior shift ${triple(bias)}`
    : `vector scale ${triple(scale)}, bias ${triple(bias)}`;
  return `${found}, fitted on ${fitted_on.battles} battles of ${fitted_on.source}`;
}
