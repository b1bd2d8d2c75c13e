// The joint head of decoders: one dense layer without bias, `score`, on each sequence's last token.
// Mirrors GenericForSequenceClassification of transformers' modeling_layers.py.
import { type Tensor } from "../gpu/tensor.ts";
import { linear } from "../kernels/linear.ts";
import { pool } from "../kernels/pool.ts";
import { type Tape } from "../kernels/tape.ts";
import { type FamilyConfig, type JointHead, type RecordOptions } from "./architecture.ts";

export const scoreHead: JointHead = {
  parameters: ({ hidden_size: W }: FamilyConfig) => [
    { name: "score.weight", shape: [3, W], decay: true, trainable: true },
  ],
  record(tape: Tape, hidden: Tensor, { parameters: w, inputs }: RecordOptions): Tensor {
    const last = pool(tape, hidden, { mode: "last", starts: inputs.starts });
    return linear(tape, last, { weight: w.tensor("score.weight") });
  },
  outside: ["score."],
  readsLastToken: true,
};
