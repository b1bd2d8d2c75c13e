// A judge: a backbone and the head that turns its hidden states into the logits A wins, B wins, tie.
//
//   siamese  (prompt, A) and (prompt, B) through the same weights, mean-pooled over real tokens to u and v, then
//            `swap`    z_A = a.u + b.v + c; z_B = a.v + b.u + c; z_tie = t.(u + v) + d.|u - v| + e
//            `concat`  Dense(3) on [u; v]
//   joint    one sequence of prompt, A and B: exactly BertForSequenceClassification
import { type Tensor } from "../gpu/tensor.ts";
import { concatHead } from "../kernels/concat_head.ts";
import { dropout } from "../kernels/add.ts";
import { linear } from "../kernels/linear.ts";
import { pool } from "../kernels/pool.ts";
import { swapHead } from "../kernels/swap_head.ts";
import { tanh } from "../kernels/tanh.ts";
import { type Tape } from "../kernels/tape.ts";
import { bert, bertParameters } from "./bert.ts";
import { type BertConfig } from "./bert_config.ts";
import { type DropoutRates, DropoutSites } from "./dropout_sites.ts";
import { type ModelInputs } from "./inputs.ts";
import { type Parameters, type ParameterSpec } from "./parameters.ts";
import { type Pairing, type SiameseHead } from "./tiebreak_entry.ts";

export interface JudgeShape {
  config: BertConfig;
  pairing: Pairing;
  /** Used where the pairing is siamese. */
  head: SiameseHead;
}

/** `full` trains everything; `head` freezes the backbone, the joint pooler excepted. */
export type Method = "full" | "head";

/** Every parameter of the judge, by checkpoint name. */
export function judgeParameters(shape: JudgeShape, method: Method): ParameterSpec[] {
  return [...bertParameters(shape.config, method === "full"), ...headParameters(shape)];
}

/** The parameters that a backbone's checkpoint need not hold; the joint pooler is taken from it where it does. */
export function headParameters({ config, pairing, head }: JudgeShape): ParameterSpec[] {
  const W = config.hidden_size;
  const weight = (name: string, shape: number[]): ParameterSpec => ({ name, shape, decay: true, trainable: true });
  const bias = (name: string, size: number): ParameterSpec => ({ name, shape: [size], decay: false, trainable: true });
  if (pairing === "joint") {
    return [
      weight("pooler.dense.weight", [W, W]),
      bias("pooler.dense.bias", W),
      weight("classifier.weight", [3, W]),
      bias("classifier.bias", 3),
    ];
  }
  if (head === "concat") return [weight("head.weight", [3, 2 * W]), bias("head.bias", 3)];
  return [...["a", "b", "t", "d"].map((part) => weight(`head.${part}`, [W])), bias("head.bias", 2)];
}

export interface JudgeOptions extends JudgeShape {
  parameters: Parameters;
  inputs: ModelInputs;
  /** Absent while predicting. */
  dropout?: DropoutRates;
}

/** Records the judge: logits [B, 3]. */
export function judge(tape: Tape, options: JudgeOptions): Tensor {
  const { config, pairing, head, parameters: w, inputs, dropout: rates } = options;
  const sites = rates && new DropoutSites(inputs);
  const hidden = bert(tape, { config, parameters: w, inputs, dropout: rates && { sites: sites!, rates } });
  if (pairing === "joint") {
    const first = pool(tape, hidden, { mode: "first", starts: inputs.starts });
    const pooled = tanh(tape, linear(tape, first, w.linear("pooler.dense")));
    return linear(tape, dropout(tape, pooled, rates && sites!.segment(rates.classifier)), w.linear("classifier"));
  }
  const pooled = pool(tape, hidden, { mode: "mean", starts: inputs.starts });
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
