// Two layers of a Llama-shaped decoder: what long sequences and mixed lengths cost beside their arithmetic, and in memory.
import { type PackedBatch } from "../data/batch.ts";
import { Random } from "../data/random.ts";
import { type Schedules } from "../kernels/schedules.ts";
import { parseConfig } from "../model/config.ts";
import { interleaveWithCeilings, type References } from "./ceilings.ts";
import { quantile, sums, timing } from "./interleave.ts";
import { batchOf, openRandomModel } from "./model.ts";
import { type Row } from "./row.ts";
import { type Bench } from "./runs.ts";

const shape = { layers: 2, W: 512, heads: 8, kvHeads: 4, F: 1536, vocabulary: 1024 };

const config = {
  model_type: "llama",
  vocab_size: shape.vocabulary,
  hidden_size: shape.W,
  num_hidden_layers: shape.layers,
  num_attention_heads: shape.heads,
  num_key_value_heads: shape.kvHeads,
  intermediate_size: shape.F,
  max_position_embeddings: 4096,
  rms_norm_eps: 1e-6,
};

/** Tokens of a step, whatever the lengths: one sequence of the longest. */
const TOKENS = 4096;

const LENGTHS = [512, 1024, 2048, 4096];

/** Lengths of real battles in tokens: half are shorter than the first, one in twenty is longer than the second. */
const MIXED = { median: 300, percentile95: 1500 };

/** A step takes seconds on a CPU adapter. */
const MOST_SAMPLES = 3;

export const decoderKernels = ["decoder_step"];

export interface DecoderOptions {
  references: References;
  schedules: Schedules;
}

interface Step {
  name: string;
  batch: PackedBatch;
  flops: number;
}

export async function measureDecoder(bench: Bench, { references, schedules }: DecoderOptions): Promise<Row[]> {
  const mixed = mixedLengths();
  const steps: Step[] = [
    ...LENGTHS.map((length) => ({ name: String(length), lengths: Array<number>(TOKENS / length).fill(length) })),
    { name: "mixed", lengths: mixed },
    { name: "equal", lengths: equalLengths(mixed) },
  ].map(({ name, lengths }) => ({
    name,
    batch: batchOf({ lengths, sequences: 1, vocabulary: shape.vocabulary }),
    flops: stepFlops(lengths),
  }));
  const segments = Math.max(...steps.map(({ batch }) => batch.segments));
  const open = (tokens: number) =>
    openRandomModel({
      gpu: bench.gpu,
      schedules,
      config: parseConfig(JSON.stringify(config), "the decoder's config.json"),
      pairing: "joint",
      capacity: { tokens, segments, battles: segments },
    });
  // Half the tokens first, for its memory alone.
  const half = open(TOKENS / 2);
  await half.record();
  const halfBytes = half.bytes;
  half.dispose();
  const engine = open(TOKENS);
  try {
    let step = 0;
    const work = steps.map(({ batch }) => ({
      laps: {
        micro: () => engine.accumulate(batch, { step: ++step, stepWeight: batch.battles }),
        update: () => engine.update({ step, lr: 1e-5 }),
      },
    }));
    const { samples } = await interleaveWithCeilings(bench, references, work, {
      rounds: Math.min(bench.rounds, MOST_SAMPLES),
      sampleMs: 1,
      onRound: async () => void await engine.readSteps(),
    });
    const times = samples.map(({ micro, update }) => timing(sums(micro, update)));
    const base = (i: number) => steps[i].name === "mixed" ? steps.length - 1 : 0;
    return steps.map(({ name, batch, flops }, i): Row => {
      const to = base(i);
      const memory = `${((engine.bytes - halfBytes) / 2 ** 20).toFixed(0)} MiB more than for half the tokens`;
      const notes = [
        ...(name === "512" ? [memory] : []),
        ...(name === "mixed" ? [`${batch.segments} sequences, median ${quantile(lengthsOf(batch), 0.5)} tokens`] : []),
        ...(name === "equal" ? [`${batch.segments} sequences with the attention of the mixed ones`] : []),
      ];
      return {
        section: "Llama-shaped decoder, two layers",
        kernel: "decoder_step",
        size: { T: batch.tokens, length: name },
        ...times[i],
        GFLOPs: flops / times[i].ms / 1e6,
        tokensPerSecond: batch.tokens / times[i].ms * 1000,
        ...(name === "512" && { MiB: engine.bytes / 2 ** 20 }),
        ...(i !== to && name !== "equal" && { ofArithmetic: times[i].ms / times[to].ms / (flops / steps[to].flops) }),
        ...(notes.length > 0 && { note: notes.join("; ") }),
      };
    });
  } finally {
    engine.dispose();
  }
}

function lengthsOf({ starts, segments }: PackedBatch): number[] {
  return Array.from({ length: segments }, (_, s) => starts[s + 1] - starts[s]);
}

/** Log-normal lengths whose sum is TOKENS, drawn by a fixed seed; the last is cut to fit. */
function mixedLengths(): number[] {
  const { median, percentile95 } = MIXED;
  const sigma = Math.log(percentile95 / median) / 1.645, random = new Random(7);
  const lengths: number[] = [];
  for (let rest = TOKENS; rest > 0;) {
    const length = Math.max(16, Math.round(median * Math.exp(sigma * random.normal())));
    lengths.push(Math.min(rest, length));
    rest -= lengths.at(-1)!;
  }
  return lengths;
}

/** As equal as can be, with the tokens of `lengths` and as nearly their squares as a whole number of sequences allows. */
function equalLengths(lengths: readonly number[]): number[] {
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const squares = lengths.reduce((sum, length) => sum + length ** 2, 0);
  const count = Math.max(1, Math.round(tokens ** 2 / squares));
  return Array.from({ length: count }, (_, i) => Math.floor((i + 1) * tokens / count) - Math.floor(i * tokens / count));
}

/**
 * Multiplications and additions of forward and backward. Causal attention counts pairs seen: two products forward, three in
 * dq's kernel and four in dk's and dv's, with the scores that both compute again.
 */
function stepFlops(lengths: readonly number[]): number {
  const { layers, W, heads, kvHeads, F } = shape, D = W / heads;
  const multiplied = layers * (W * D * (heads + 2 * kvHeads) + W * W + 3 * W * F);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const pairs = lengths.reduce((sum, length) => sum + length * (length + 1) / 2, 0);
  return 6 * multiplied * tokens + 9 * 2 * W * layers * pairs;
}
