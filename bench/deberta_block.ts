// Two layers of a DeBERTa-shaped encoder with a judge's head, end to end: a training step and a prediction.
import { type Schedules } from "../kernels/schedules.ts";
import { parseConfig } from "../model/config.ts";
import { attentionWork, debertaShape } from "./deberta.ts";
import { interleave, sums, timing } from "./interleave.ts";
import { openRandomModel, uniformBatch } from "./model.ts";
import { type Row } from "./row.ts";
import { type Bench } from "./runs.ts";
import { wallClock } from "./stopwatch.ts";

const LAYERS = 2, VOCABULARY = 1024;

/** config.json of DeBERTa-v3-xsmall but for its number of layers and words. */
const config = {
  model_type: "deberta-v2",
  vocab_size: VOCABULARY,
  hidden_size: debertaShape.W,
  num_hidden_layers: LAYERS,
  num_attention_heads: debertaShape.heads,
  intermediate_size: debertaShape.F,
  hidden_act: "gelu",
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  max_position_embeddings: debertaShape.positions,
  type_vocab_size: 0,
  layer_norm_eps: 1e-7,
  relative_attention: true,
  max_relative_positions: -1,
  position_buckets: debertaShape.buckets,
  norm_rel_ebd: "layer_norm",
  share_att_key: true,
  pos_att_type: "p2c|c2p",
  position_biased_input: false,
};

/** Tokens of every sequence of a batch. */
const LENGTHS = [128, 512];

/** A step takes half a second on a CPU adapter. */
const SAMPLE_MS = 200;

export const debertaBlockKernels = ["deberta_step", "deberta_predict"];

export interface DebertaBlockOptions {
  schedules: Schedules;
  tokens: number;
}

export async function measureDebertaBlock(bench: Bench, { schedules, tokens }: DebertaBlockOptions): Promise<Row[]> {
  const batches = LENGTHS.filter((length) => 2 * length <= tokens)
    .map((length) => ({ length, batch: uniformBatch({ tokens, length, vocabulary: VOCABULARY }) }));
  const segments = Math.max(...batches.map(({ batch }) => batch.segments));
  const engine = openRandomModel({
    gpu: bench.gpu,
    schedules,
    config: parseConfig(JSON.stringify(config), "the encoder's config.json"),
    pairing: "siamese",
    capacity: { tokens, segments, battles: segments },
  });
  try {
    let step = 0;
    const work = batches.map(({ batch }) => ({
      laps: {
        micro: () => engine.accumulate(batch, { step: ++step, stepWeight: batch.battles }),
        update: () => engine.update({ step, lr: 1e-5 }),
        predict: async () => void await engine.predict(batch),
      },
    }));
    const samples = await interleave(wallClock(bench.gpu), work, {
      ...bench,
      sampleMs: SAMPLE_MS,
      onRound: async () => void await engine.readSteps(),
    });
    return batches.flatMap(({ length, batch }, i) => {
      const flops = stepFlops(batch.starts), { micro, update, predict } = samples[i];
      const row = (kernel: string, ms: number[], flops: number, note: string): Row => ({
        section: "DeBERTa-shaped encoder, two layers",
        kernel,
        size: { T: batch.tokens, length },
        ...timing(ms),
        GFLOPs: flops / timing(ms).ms / 1e6,
        tokensPerSecond: batch.tokens / timing(ms).ms * 1000,
        note,
      });
      const trained = row("deberta_step", sums(micro, update), flops.step, "forward, backward and AdamW");
      return [
        { ...trained, MiB: engine.bytes / 2 ** 20 },
        row("deberta_predict", predict, flops.predict, "probabilities read back after each micro-batch"),
      ];
    });
  } finally {
    engine.dispose();
  }
}

/** Multiplications and additions: the layers' products, both projections of the relative embeddings, and attention. */
function stepFlops(starts: Uint32Array): { step: number; predict: number } {
  const { W, F, relativeEmbeddings } = debertaShape, { forward, backward } = attentionWork(starts);
  const tokens = starts[starts.length - 1];
  const products = LAYERS * ((4 * W * W + 2 * W * F) * tokens + 2 * W * W * relativeEmbeddings);
  return {
    step: 6 * products + LAYERS * (forward + backward),
    predict: 2 * products + LAYERS * forward,
  };
}
