// The `calibration` part of config.json's `tiebreak` entry: how a model's probabilities are set right, and what that was
// learned from.
import { ConfigFields } from "./config_fields.ts";
import { isObject } from "./json_text.ts";

export const calibrationMethods = ["temperature", "vector", "prior"] as const;
export type CalibrationMethod = typeof calibrationMethods[number];

/** p' = softmax(scale * log p + bias), columns A wins, B wins, tie; every method has this form. */
export interface Calibration {
  method: CalibrationMethod;
  scale: [number, number, number];
  bias: [number, number, number];
}

export interface CalibrationEntry extends Calibration {
  fitted_on: FittedOn;
}

/** The battles a calibration was fitted on: it is never judged on them. */
export interface FittedOn {
  /** File name, without its folder. */
  source: string;
  /** Of the whole file, also where only a part of it was used. */
  sha256: string;
  battles: number;
  /** Whether predictions were averaged over A and B exchanged. */
  swap_average: boolean;
}

/** Checks the field `calibration` of a `tiebreak` entry. @throws {InputError} with the field */
export function parseCalibration(entry: ConfigFields): CalibrationEntry | undefined {
  const raw = entry.get("calibration");
  if (raw === undefined) return undefined;
  const advice = "fit it again with deno task calibrate";
  if (!isObject(raw)) throw entry.refuse("calibration", "must be an object", advice);
  const fields = new ConfigFields(`${entry.path} field "calibration"`, raw);
  const triple = (name: "scale" | "bias", sound: (value: number) => boolean, wanted: string) => {
    const value = fields.get(name);
    const isSound = Array.isArray(value) && value.length === 3 && value.every((v) => Number.isFinite(v) && sound(v));
    if (!isSound) throw fields.refuse(name, `must be ${wanted}`, advice);
    return value as [number, number, number];
  };
  const fitted = fields.get("fitted_on");
  if (!isObject(fitted) || typeof fitted.source !== "string" || typeof fitted.sha256 !== "string") {
    throw fields.refuse("fitted_on", "must hold source and sha256", advice);
  }
  const on = new ConfigFields(`${fields.path} field "fitted_on"`, fitted);
  return {
    method: fields.choice<CalibrationMethod | "">("method", "", calibrationMethods) as CalibrationMethod,
    scale: triple("scale", (value) => value > 0, "three numbers above 0"),
    bias: triple("bias", () => true, "three numbers"),
    fitted_on: {
      source: fitted.source,
      sha256: fitted.sha256,
      battles: on.count("battles", 0),
      swap_average: fitted.swap_average === true,
    },
  };
}
