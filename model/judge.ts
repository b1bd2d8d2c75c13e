// A judge: a backbone and the head that turns its hidden states into the logits A wins, B wins, tie.
//
//   siamese  (prompt, A) and (prompt, B) through the same weights, mean-pooled over real tokens to u and v, then
//            `swap`    z_A = a.u + b.v + c; z_B = a.v + b.u + c; z_tie = t.(u + v) + d.|u - v| + e
//            `concat`  Dense(3) on [u; v]
//            with numbers beside the text, number_head.wgsl adds their part to either
//   joint    one sequence of prompt, A and B: exactly the architecture's …ForSequenceClassification
import { numberColumns, type NumberSet } from "../data/numbers.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { type Adapters } from "../kernels/adapters.ts";
import { concatHead } from "../kernels/concat_head.ts";
import { numberHead } from "../kernels/number_head.ts";
import { pool } from "../kernels/pool.ts";
import { swapHead } from "../kernels/swap_head.ts";
import { type Tape } from "../kernels/tape.ts";
import { type FamilyConfig } from "./architecture.ts";
import { type DropoutRates, DropoutSites } from "./dropout_sites.ts";
import { type ModelInputs } from "./inputs.ts";
import { adapterParameters, judgeAdapters, type Lora } from "./lora.ts";
import { type BaseForm, type Parameters, type ParameterSpec } from "./parameters.ts";
import { quantiseFrozen } from "./quantised_parameters.ts";
import { architectureOf } from "./registry.ts";
import { type Pairing, type SiameseHead } from "./tiebreak_entry.ts";
import { trainedLayers } from "./train_layers.ts";

export interface JudgeShape {
  config: FamilyConfig;
  pairing: Pairing;
  /** Used where the pairing is siamese. */
  head: SiameseHead;
  /** Adapters of the backbone's weights. */
  lora?: Lora;
  /** Trains only so many of the backbone's top layers. @default all */
  trainLayers?: number;
  /** The form in which the backbone's frozen dense weights are held. @default floats of 32 bits */
  quant?: BaseForm;
  /** Numbers beside the text, where the pairing is siamese. @default {"none"} */
  features?: NumberSet;
  /** The frozen backbone has made its part of every sequence already: only the siamese head runs. @default {false} */
  pooledOnce?: boolean;
}

/** `full` trains everything; `head` freezes the backbone, a pooler of the joint head excepted; `lora` too, but trains adapters
 *  of its weights; `qlora` trains them on a quantised backbone. */
export type Method = "full" | "head" | "lora" | "qlora";

/** Whether a method trains adapters. */
export function trainsAdapters(method: Method): boolean {
  return method === "lora" || method === "qlora";
}

/** Every parameter of the judge, by checkpoint name. */
export function judgeParameters(shape: JudgeShape, method: Method): ParameterSpec[] {
  const { config, lora, trainLayers, quant } = shape;
  let backbone = architectureOf(config).parameters(config, method === "full");
  if (trainLayers !== undefined) {
    const isTrained = trainedLayers(backbone, trainLayers);
    backbone = backbone.map((spec) => ({ ...spec, trainable: spec.trainable && isTrained(spec.name) }));
  }
  const adapters = lora ? adapterParameters(backbone, lora, trainsAdapters(method)) : [];
  return [...(quant ? quantiseFrozen(backbone, quant) : backbone), ...adapters, ...headParameters(shape)];
}

/** The parameters that a backbone's checkpoint need not hold; those of the joint head are taken from it where it does. */
export function headParameters(shape: JudgeShape): ParameterSpec[] {
  return [...textHeadParameters(shape), ...(hasNumbers(shape) ? numberParameters : [])];
}

/** Whether the judge's head reads numbers beside the text. */
export function hasNumbers({ pairing, features }: Pick<JudgeShape, "pairing" | "features">): boolean {
  return pairing === "siamese" && features === "length";
}

/** Their weights, and what they are standardised by. */
const numberParameters: ParameterSpec[] = [
  { name: "head.numbers.winner", shape: [numberColumns.winner], decay: false, trainable: true },
  { name: "head.numbers.tie", shape: [numberColumns.tie], decay: false, trainable: true },
  { name: "head.numbers.winner_scale", shape: [numberColumns.winner], decay: false, trainable: false, initial: 1 },
  { name: "head.numbers.tie_mean", shape: [numberColumns.tie], decay: false, trainable: false },
  { name: "head.numbers.tie_scale", shape: [numberColumns.tie], decay: false, trainable: false, initial: 1 },
];

function textHeadParameters({ config, pairing, head }: JudgeShape): ParameterSpec[] {
  const W = config.hidden_size;
  const weight = (name: string, shape: number[]): ParameterSpec => ({ name, shape, decay: true, trainable: true });
  const bias = (name: string, size: number): ParameterSpec => ({ name, shape: [size], decay: false, trainable: true });
  if (pairing === "joint") return architectureOf(config).joint.parameters(config);
  if (head === "concat") return [weight("head.weight", [3, 2 * W]), bias("head.bias", 3)];
  return [...["a", "b", "t", "d"].map((part) => weight(`head.${part}`, [W])), bias("head.bias", 2)];
}

export interface JudgeOptions extends JudgeShape {
  parameters: Parameters;
  inputs: ModelInputs;
  /** Absent while predicting. */
  dropout?: DropoutRates;
}

/** The adapters of the judge's weights, for the tape that records it. */
export function adaptersOf(
  { config, lora, parameters, inputs, dropout }: JudgeOptions,
): Map<Tensor, Adapters> | undefined {
  const backbone = architectureOf(config).parameters(config, false);
  return lora && judgeAdapters(parameters, backbone, lora, dropout && inputs.tokenKeys);
}

/** Records the judge: logits [B, 3]. */
export function judge(tape: Tape, options: JudgeOptions): Tensor {
  const { pairing, inputs } = options;
  if (pairing === "siamese") {
    const pooled = inputs.pooled ?? pooledSides(tape, options);
    return withNumbers(tape, siameseHead(tape, pooled, options), options);
  }
  const recording = recordingOf(tape, options);
  const hidden = recording.architecture.record(tape, recording);
  return recording.architecture.joint.record(tape, hidden, recording);
}

/** Records the backbone and its pooling: a row for each sequence, [S, W]. */
export function pooledSides(tape: Tape, options: JudgeOptions): Tensor {
  const recording = recordingOf(tape, options);
  return pool(tape, recording.architecture.record(tape, recording), { mode: "mean", starts: options.inputs.starts });
}

function recordingOf(tape: Tape, { config, parameters, inputs, dropout: rates }: JudgeOptions) {
  const dropout = rates && { sites: new DropoutSites(tape, inputs), rates };
  return { architecture: architectureOf(config), config, parameters, inputs, dropout };
}

/** Adds what the numbers beside the text say, where the judge has some. */
function withNumbers(tape: Tape, logits: Tensor, { parameters: w, inputs }: JudgeOptions): Tensor {
  if (!inputs.numbers) return logits;
  const number = (name: string) => w.tensor(`head.numbers.${name}`);
  return numberHead(tape, logits, {
    x: inputs.numbers.winner,
    t: inputs.numbers.tie,
    winner: number("winner"),
    winnerScale: number("winner_scale"),
    tie: number("tie"),
    tieMean: number("tie_mean"),
    tieScale: number("tie_scale"),
  });
}

/** Records the head on the pooled sides: logits [B, 3]. */
function siameseHead(tape: Tape, pooled: Tensor, { head, parameters: w, inputs }: JudgeOptions): Tensor {
  if (head === "concat") return concatHead(tape, pooled, { sides: inputs.sides, ...w.linear("head") });
  const part = (name: string) => w.tensor(`head.${name}`);
  return swapHead(tape, pooled, {
    sides: inputs.sides,
    a: part("a"),
    b: part("b"),
    t: part("t"),
    d: part("d"),
    bias: part("bias"),
  });
}
