// What a family of models brings: its configuration, its parameters, its layers, its own classification head and its names.
// registry.ts maps a config.json's model_type to one of these.
import { type Pairing, type Template } from "../data/template.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { type Tape } from "../kernels/tape.ts";
import { type ConfigFields } from "./config_fields.ts";
import { type DropoutRates, type DropoutSites } from "./dropout_sites.ts";
import { type ModelInputs } from "./inputs.ts";
import { type Parameters, type ParameterSpec } from "./parameters.ts";

/** Fields that every family's configuration has, named as in config.json. */
export interface FamilyConfig {
  model_type: string;
  vocab_size: number;
  hidden_size: number;
  /** Tokens of the longest sequence that the model has positions for. */
  max_position_embeddings: number;
  /** Number of a sequence's first position. @default {0} */
  first_position?: number;
  /** Deviation of a head that the checkpoint lacks. */
  initializer_range: number;
}

/** What layers are recorded from. */
export interface RecordOptions {
  config: FamilyConfig;
  parameters: Parameters;
  inputs: ModelInputs;
  /** Dropout sites and rates; absent while predicting. */
  dropout?: { sites: DropoutSites; rates: DropoutRates };
}

/** A family of models. Its methods get only configurations that its own `parse` made. */
export interface Architecture {
  /** Reads the family's fields of config.json. @throws {InputError} with the field, if we would compute it wrongly */
  parse(fields: ConfigFields): FamilyConfig;
  /** The rates that the configuration asks for. */
  dropout(config: FamilyConfig): DropoutRates;
  /** Every parameter of the backbone, without what belongs to the joint head only. */
  parameters(config: FamilyConfig, trainable: boolean): ParameterSpec[];
  /** Records the backbone: last hidden states [T, W]. */
  record(tape: Tape, options: RecordOptions): Tensor;
  joint: JointHead;
  /** How `train` pairs a battle where the user does not say. */
  pairing: Pairing;
  template: Template;
  /** Names of transformers' classes. */
  classes: { backbone: string; joint: string };
  /** What the joint class puts before the names of the backbone's tensors. */
  prefix: string;
}

/** The head of transformers' `…ForSequenceClassification`. */
export interface JointHead {
  parameters(config: FamilyConfig): ParameterSpec[];
  /** Records the logits [B, 3] from the last hidden states; a joint batch holds one segment a battle. */
  record(tape: Tape, hidden: Tensor, options: RecordOptions): Tensor;
  /** Beginnings of the names that lie outside of the backbone: they bear no prefix, and a checkpoint may hold them for
   *  another task, in another shape. */
  outside: readonly string[];
  /** Whether transformers' class looks for the last token that is not `pad_token_id`, which an export must then carry. */
  readsLastToken?: boolean;
}

/** Whether a parameter of the joint head lies outside of the backbone. */
export function isOutside({ joint }: Architecture, name: string): boolean {
  return joint.outside.some((start) => name.startsWith(start));
}
