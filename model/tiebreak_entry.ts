// The `tiebreak` entry of config.json: what a run folder says about itself that Hugging Face's fields cannot.
import { type NumberSet, numberSets } from "../data/numbers.ts";
import { InputError } from "../errors.ts";
import { type CalibrationEntry, parseCalibration } from "./calibration_entry.ts";
import { ConfigFields } from "./config_fields.ts";
import { type BaseForm } from "./parameters.ts";
import { isObject } from "./json_text.ts";

export type Pairing = "joint" | "siamese";
export type SiameseHead = "swap" | "concat";

export interface TiebreakEntry {
  pairing: Pairing;
  /** Siamese only: the form of head.safetensors. */
  head?: SiameseHead;
  /** Name of the documented template that turned battles into tokens. */
  template: string;
  /** Tokens of one sequence, at most. */
  max_tokens: number;
  /** The form of the base's frozen weights that the run's adapters were trained on, and are used on. Absent: floats. */
  quant?: BaseForm;
  /** Siamese only: numbers beside the text, whose weights are in head.safetensors too. Absent: none. */
  features?: NumberSet;
  /** Set by `calibrate`, applied to every prediction. */
  calibration?: CalibrationEntry;
}

/** The entry of a config.json, checked; undefined where there is none. */
export function parseTiebreakEntry(config: ConfigFields): TiebreakEntry | undefined {
  const raw = config.get("tiebreak");
  if (raw === undefined) return undefined;
  if (!isObject(raw)) throw config.refuse("tiebreak", "must be an object", "use a folder that Tiebreak wrote");
  const fields = new ConfigFields(`${config.path} entry "tiebreak"`, raw);
  const pairing = fields.choice<Pairing | "">("pairing", "", ["joint", "siamese"]) as Pairing;
  const template = fields.get("template");
  if (typeof template !== "string" || template === "") {
    throw fields.refuse("template", "must be the name of a template");
  }
  const calibration = parseCalibration(fields);
  return {
    pairing,
    ...(pairing === "siamese" && {
      head: fields.choice<SiameseHead | "">("head", "", ["swap", "concat"]) as SiameseHead,
    }),
    template,
    max_tokens: fields.count("max_tokens", 0),
    ...(fields.has("quant") && { quant: fields.choice<BaseForm>("quant", "nf4", ["nf4", "int8", "f16"]) }),
    ...(fields.has("features") && { features: fields.choice<NumberSet>("features", "none", numberSets) }),
    ...(calibration && { calibration }),
  };
}

/** Refuses a siamese run as a joint model: its backbone never saw A and B together and it holds no classifier. */
export function checkPairing(folder: string, config: { tiebreak?: TiebreakEntry }, pairing: Pairing): void {
  if (pairing === "joint" && config.tiebreak?.pairing === "siamese") {
    throw new InputError(
      `Cannot open ${folder} as a joint model: its config.json says pairing is "siamese": leave --pairing joint out`,
    );
  }
}
