// What the project set out to reach, held against a run's rows.
import { figure, percent } from "./report.ts";
import { type Row, sizeText } from "./row.ts";

interface Goal {
  kernel: string;
  size?: Record<string, number | string>;
  /** Whether it speaks of the row at all: a kernel also stands in the breakdown of a step. @default {every row} */
  applies?(row: Row): boolean;
  /** The figure, what it must be, and whether it is. */
  figure(row: Row): string;
  wanted: string;
  reached(row: Row): boolean;
}

const matmulShare = (length: number): Goal => ({
  kernel: "train_step",
  size: { length },
  figure: ({ ofMatmul }) => `${percent(ofMatmul!)} of the best matmul`,
  wanted: "at least 75 %",
  reached: ({ ofMatmul }) => ofMatmul! >= 0.75,
});

const fmaShare = (kernel: string): Goal => ({
  kernel,
  size: { T: 2048, schedule: "textures" },
  figure: ({ ofFma }) => `${percent(ofFma!)} of multiply-adds`,
  wanted: "at least 25 %",
  reached: ({ ofFma }) => ofFma! >= 0.25,
});

const copyShare = (kernel: string): Goal => ({
  kernel,
  applies: ({ ofCopy }) => ofCopy !== undefined,
  figure: ({ ofCopy }) => `${percent(ofCopy!)} of a copy`,
  wanted: "at least 70 %",
  reached: ({ ofCopy }) => ofCopy! >= 0.7,
});

/** Held to the end of compilation, which on some adapters comes after the first submit. */
const startSeconds = (caches: string, seconds: number): Goal => ({
  kernel: "start.ready",
  size: { caches },
  figure: ({ ms }) => `${(ms / 1000).toFixed(1)} s until everything is loaded and compiled`,
  wanted: `under ${seconds} s`,
  reached: ({ ms }) => ms < seconds * 1000,
});

const loraShare: Goal = {
  kernel: "lora_step",
  size: { length: 128 },
  figure: ({ ofFull }) => `${percent(ofFull!)} of a step that trains everything`,
  wanted: "at most 75 %",
  reached: ({ ofFull }) => ofFull! <= 0.75,
};

const faster = (kernel: string, by: string, times: number): Goal => ({
  kernel,
  size: { by },
  figure: ({ timesOurs }) => `takes ${figure(timesOurs!)} times as long as here`,
  wanted: `at least ${times}`,
  reached: ({ timesOurs }) => timesOurs! >= times,
});

const likeArithmetic = (length: string, most: number): Goal => ({
  kernel: "decoder_step",
  size: { length },
  figure: ({ ofArithmetic }) => `${figure(ofArithmetic!)} times what its arithmetic says`,
  wanted: `at most ${most}`,
  reached: ({ ofArithmetic }) => ofArithmetic! <= most,
});

const debertaAttention: Goal = {
  kernel: "deberta_attention.both",
  figure: ({ ofPlain }) => `${figure(ofPlain!)} times plain attention's time an operation, forward and backward`,
  wanted: "at most 1.3",
  reached: ({ ofPlain }) => ofPlain! <= 1.3,
};

const goals: Goal[] = [
  ...["matmul.NT", "matmul.NN", "matmul.TN"].map(fmaShare),
  ...["layer_norm", "rms_norm", "add", "gelu", "gated", "rope", "embedding"]
    .flatMap((kernel) => [`${kernel}.forward`, `${kernel}.backward`]).map(copyShare),
  matmulShare(128),
  matmulShare(256),
  startSeconds("warm", 12),
  startSeconds("empty", 30),
  ...["1024", "2048", "4096"].map((length) => likeArithmetic(length, 1.15)),
  likeArithmetic("mixed", 1.1),
  loraShare,
  debertaAttention,
  ...["against.products", "against.block"].flatMap((kernel) => [
    faster(kernel, "TensorFlow.js", 10),
    faster(kernel, "jax-js", 8),
  ]),
  faster("against.predict", "onnxruntime-web", 10),
  ...["against.products", "against.block", "against.predict", "against.train_step"].map((kernel) =>
    faster(kernel, "PyTorch, CPU", 0.3)
  ),
];

/** One line for each goal that the rows speak of. */
export function goalLines(rows: readonly Row[]): string[] {
  return goals.flatMap((goal) => {
    const matches = (row: Row) =>
      row.kernel === goal.kernel && (goal.applies?.(row) ?? true) &&
      Object.entries(goal.size ?? {}).every(([name, value]) => row.size[name] === value);
    return rows.filter(matches).map((row) => {
      const size = /^(against|matmul)\./.test(row.kernel) || goal.size === undefined
        ? sizeText(row.size)
        : Object.entries(goal.size ?? {}).map(([name, value]) => `${name} ${value}`).join(", ");
      return `${goal.kernel} (${size}): ${goal.figure(row)}, wanted ${goal.wanted}: ` +
        (goal.reached(row) ? "reached" : "missed");
    });
  });
}
