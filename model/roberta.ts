// RoBERTa and XLM-R: BERT's layers, positions counted from pad_token_id + 1, and a head of their own; Liu et al. 2019, Conneau
// et al. 2020. Mirrors RobertaForSequenceClassification and XLMRobertaForSequenceClassification of transformers'
// modeling_roberta.py and modeling_xlm_roberta.py, weights by their checkpoint names.
import { robertaTemplate } from "../data/template.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { dropout } from "../kernels/add.ts";
import { linear } from "../kernels/linear.ts";
import { pool } from "../kernels/pool.ts";
import { tanh } from "../kernels/tanh.ts";
import { type Tape } from "../kernels/tape.ts";
import { type Architecture } from "./architecture.ts";
import { bert, bertDropout, type BertOptions, bertParameters } from "./bert.ts";
import { type BertConfig, type BertModelType, bertParser } from "./bert_config.ts";
import { type ParameterSpec } from "./parameters.ts";

/** A dense layer with tanh on the first token, and the projection to the logits. */
function headParameters({ hidden_size: W }: BertConfig): ParameterSpec[] {
  const dense = (prefix: string, outputs: number): ParameterSpec[] => [
    { name: `${prefix}.weight`, shape: [outputs, W], decay: true, trainable: true },
    { name: `${prefix}.bias`, shape: [outputs], decay: false, trainable: true },
  ];
  return [...dense("classifier.dense", W), ...dense("classifier.out_proj", 3)];
}

/** RobertaClassificationHead: dropout before each of its layers. */
function logits(tape: Tape, hidden: Tensor, { parameters: w, inputs, dropout: drop }: BertOptions): Tensor {
  const site = () => drop?.sites.segment(drop.rates.classifier);
  const first = dropout(tape, pool(tape, hidden, { mode: "first", starts: inputs.starts }), site());
  const h = tanh(tape, linear(tape, first, w.linear("classifier.dense")));
  return linear(tape, dropout(tape, h, site()), w.linear("classifier.out_proj"));
}

/** The architecture of one of the model types; `name` is how transformers spells it in class names. */
export function robertaArchitecture(type: Exclude<BertModelType, "bert">, name: string): Architecture {
  return {
    parse: bertParser(type),
    dropout: bertDropout,
    parameters: bertParameters,
    record: bert,
    joint: { parameters: headParameters, record: logits, outside: ["classifier."] },
    pairing: "siamese",
    template: robertaTemplate,
    classes: { backbone: `${name}Model`, joint: `${name}ForSequenceClassification` },
    prefix: "roberta.",
  };
}
