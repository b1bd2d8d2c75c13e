// Two layers of a Llama-shaped decoder: what long sequences and mixed lengths cost beside their arithmetic, and in memory.
import { type PackedBatch } from "../data/batch.ts";
import { Random } from "../data/random.ts";
import { type Schedules } from "../kernels/schedules.ts";
import { parseConfig } from "../model/config.ts";
import { type GpuEngine } from "../train/gpu_engine.ts";
import { interleaveWithCeilings, type References } from "./ceilings.ts";
import { interleave, quantile, ratio, sums, timing } from "./interleave.ts";
import { batchOf, openRandomModel } from "./model.ts";
import { type Row } from "./row.ts";
import { type Bench } from "./runs.ts";
import { wallClock } from "./stopwatch.ts";

const shape = { layers: 2, W: 512, heads: 8, kvHeads: 4, F: 1536, vocabulary: 1024 };

const section = "Llama-shaped decoder, two layers";

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

export const decoderKernels = ["decoder_step", "decoder_predict"];

export interface DecoderOptions {
  references: References;
  schedules: Schedules;
  wanted(kernel: string): boolean;
}

interface Step {
  name: string;
  batch: PackedBatch;
  flops: number;
}

export async function measureDecoder(bench: Bench, options: DecoderOptions): Promise<Row[]> {
  const { references, schedules, wanted } = options;
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
    return [
      ...wanted("decoder_step") ? await measureSteps(bench, references, { engine, steps, halfBytes }) : [],
      ...wanted("decoder_predict") ? await measurePredictions(bench, engine, steps) : [],
    ];
  } finally {
    engine.dispose();
  }
}

async function measureSteps(
  bench: Bench,
  references: References,
  { engine, steps, halfBytes }: { engine: GpuEngine; steps: readonly Step[]; halfBytes: number },
): Promise<Row[]> {
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
  const totals = samples.map(({ micro, update }) => sums(micro, update)), times = totals.map(timing);
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
      section,
      kernel: "decoder_step",
      size: { T: batch.tokens, length: name },
      ...times[i],
      GFLOPs: flops / times[i].ms / 1e6,
      tokensPerSecond: batch.tokens / times[i].ms * 1000,
      ...(name === "512" && { MiB: engine.bytes / 2 ** 20 }),
      ...(i !== to && name !== "equal" && { ofArithmetic: ratio(totals[i], totals[to]) / (flops / steps[to].flops) }),
      ...(notes.length > 0 && { note: notes.join("; ") }),
    };
  });
}

/** Probabilities read back after each micro-batch, as `submit` does. */
async function measurePredictions(bench: Bench, engine: GpuEngine, steps: readonly Step[]): Promise<Row[]> {
  const chosen = steps.filter(({ name }) => name !== "equal");
  const work = chosen.map(({ batch }) => ({ laps: { predict: async () => void await engine.predict(batch) } }));
  const samples = await interleave(wallClock(bench.gpu), work, {
    rounds: Math.min(bench.rounds, MOST_SAMPLES),
    sampleMs: 1,
  });
  return chosen.map(({ name, batch }, i): Row => {
    const time = timing(samples[i].predict);
    return {
      section,
      kernel: "decoder_predict",
      size: { T: batch.tokens, length: name },
      ...time,
      GFLOPs: predictFlops(lengthsOf(batch)) / time.ms / 1e6,
      tokensPerSecond: batch.tokens / time.ms * 1000,
    };
  });
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
  const { multiplied, pairs, tokens } = arithmetic(lengths);
  return 6 * multiplied * tokens + 9 * 2 * shape.W * shape.layers * pairs;
}

/** The same without a backward pass. */
function predictFlops(lengths: readonly number[]): number {
  const { multiplied, pairs, tokens } = arithmetic(lengths);
  return 2 * multiplied * tokens + 2 * 2 * shape.W * shape.layers * pairs;
}

/** Parameters of the layers that tokens are multiplied by, pairs that attention sees in one of them, tokens. */
function arithmetic(lengths: readonly number[]): { multiplied: number; pairs: number; tokens: number } {
  const { layers, W, heads, kvHeads, F } = shape, D = W / heads;
  const multiplied = layers * (W * D * (heads + 2 * kvHeads) + W * W + 3 * W * F);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const pairs = lengths.reduce((sum, length) => sum + length * (length + 1) / 2, 0);
  return { multiplied, pairs, tokens };
}
