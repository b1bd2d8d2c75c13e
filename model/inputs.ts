// What a micro-batch looks like on the GPU: the tensors a recorded model reads, and the bytes a packed batch puts there.
import { type PackedBatch } from "../data/batch.ts";
import { expandNumbers, numberColumns } from "../data/numbers.ts";
import { ShapeError } from "../errors.ts";
import { type Gpu } from "../gpu/device.ts";
import { ownedTensor } from "../gpu/recorder.ts";
import { type Live, type Tensor } from "../gpu/tensor.ts";
import { upload } from "../gpu/transfer.ts";
import { attentionBlocks, maxAttentionBlocks } from "../kernels/attention_blocks.ts";
import { sideKey, tokenKey } from "../kernels/dropout.ts";
import { groupByRow, type RowGroups } from "../kernels/embedding.ts";
import { type StepUniform } from "../kernels/step.ts";

/** Bounds of one micro-batch. */
export interface Capacity {
  tokens: number;
  segments: number;
  battles: number;
}

/** Tensors of one micro-batch, rewritten before each replay. */
export interface ModelInputs {
  capacity: Capacity;
  /** Added to the positions of a packed batch. */
  firstPosition: number;
  /** [T] u32 each */
  inputIds: Tensor;
  tokenTypeIds: Tensor;
  positions: Tensor;
  /** [T] and [S] u32: what dropout masks are made from. */
  tokenKeys: Tensor;
  segmentKeys: Tensor;
  /** [relative embeddings] u32, the same for all micro-batches of a step; one row where a model has none. */
  relativeKeys: Tensor;
  /** [S + 1] u32 */
  starts: Tensor;
  /** Work list of attention. */
  blocks: Tensor;
  words: RowGroups;
  places: RowGroups;
  /** [B, 2] u32 */
  sides: Tensor;
  /** [B, 3] */
  targets: Tensor;
  /** [B] */
  weights: Tensor;
  /** [B, N] and [B, M]: the columns of the numbers beside the text, where the judge has some. */
  numbers?: { winner: Tensor; tie: Tensor };
  /** [S, W]: what the backbone made of each sequence, where only the head runs. */
  pooled?: Tensor;
}

/** @param config says from which number on the model counts positions, and how many relative embeddings it has */
export function makeInputs(
  gpu: Gpu,
  capacity: Capacity,
  { first_position: firstPosition = 0, relative_embeddings = 0 }: {
    first_position?: number;
    relative_embeddings?: number;
  } = {},
  { hasNumbers = false, pooledWidth }: { hasNumbers?: boolean; pooledWidth?: number } = {},
): ModelInputs {
  const { tokens: T, segments: S, battles: B } = capacity;
  const integers = (label: string, shape: number[], live?: Live) =>
    ownedTensor(gpu, shape, { label, live, dtype: "u32" });
  const groups = (label: string, count: RowGroups["count"]): RowGroups => ({
    rows: integers(`${label} rows`, [T]),
    starts: integers(`${label} starts`, [T + 1]),
    order: integers(`${label} order`, [T]),
    count,
  });
  return {
    capacity,
    firstPosition,
    inputIds: integers("inputIds", [T], "tokens"),
    tokenTypeIds: integers("tokenTypeIds", [T], "tokens"),
    positions: integers("positions", [T], "tokens"),
    tokenKeys: integers("tokenKeys", [T], "tokens"),
    segmentKeys: integers("segmentKeys", [S], "segments"),
    relativeKeys: integers("relativeKeys", [Math.max(1, relative_embeddings)]),
    starts: integers("starts", [S + 1]),
    blocks: integers("blocks", [maxAttentionBlocks(T, S), 4]),
    words: groups("words", "uniqueWords"),
    places: groups("places", "uniquePositions"),
    sides: integers("sides", [B, 2], "battles"),
    targets: ownedTensor(gpu, [B, 3], { label: "targets", live: "battles" }),
    weights: ownedTensor(gpu, [B], { label: "weights", live: "battles" }),
    ...(pooledWidth !== undefined && {
      pooled: ownedTensor(gpu, [S, pooledWidth], { label: "pooled", live: "segments" }),
    }),
    ...(hasNumbers && {
      numbers: {
        winner: ownedTensor(gpu, [B, numberColumns.winner], { label: "numbers", live: "battles" }),
        tie: ownedTensor(gpu, [B, numberColumns.tie], { label: "numbers", live: "battles" }),
      },
    }),
  };
}

/** Where in the run a micro-batch stands; absent while predicting, when nothing is dropped or differentiated. */
export interface TrainingPlace {
  seed: number;
  /** Optimizer step, from 1. */
  step: number;
}

/** What a program reads of a micro-batch: groups of tokens only where it differentiates the tables that they ask. */
export type ReadInputs = Omit<ModelInputs, "words" | "places"> & Partial<Pick<ModelInputs, "words" | "places">>;

/**
 * Enqueues the upload of a micro-batch.
 *
 * @returns the counts that the step uniform carries
 */
export function uploadBatch(
  gpu: Gpu,
  inputs: ReadInputs,
  batch: PackedBatch,
  training?: TrainingPlace,
): Pick<StepUniform, "tokens" | "segments" | "battles" | "blocks" | "uniqueWords" | "uniquePositions"> {
  upload(gpu, inputs.inputIds, batch.inputIds);
  upload(gpu, inputs.tokenTypeIds, batch.tokenTypeIds);
  const positions = batch.positions.map((position) => position + inputs.firstPosition);
  upload(gpu, inputs.positions, positions);
  upload(gpu, inputs.starts, batch.starts);
  upload(gpu, inputs.sides, batch.sides);
  if (inputs.pooled) uploadPooled(gpu, inputs.pooled, batch);
  if (inputs.numbers) uploadNumbers(gpu, inputs.numbers, batch);
  const blocks = attentionBlocks(batch.starts);
  upload(gpu, inputs.blocks, blocks);
  const counts = {
    tokens: batch.tokens,
    segments: batch.segments,
    battles: batch.battles,
    blocks: blocks.length / 4,
    uniqueWords: 0,
    uniquePositions: 0,
  };
  if (!training) return counts;
  upload(gpu, inputs.targets, batch.targets);
  upload(gpu, inputs.weights, batch.weights);
  const keys = dropoutKeys(batch, training);
  upload(gpu, inputs.tokenKeys, keys.tokens);
  upload(gpu, inputs.segmentKeys, keys.segments);
  // A side that no battle has.
  const relative = sideKey({ ...training, battle: 0, side: 2 });
  upload(
    gpu,
    inputs.relativeKeys,
    Uint32Array.from({ length: inputs.relativeKeys.size }, (_, i) => tokenKey(relative, i)),
  );
  if (inputs.words) counts.uniqueWords = uploadGroups(gpu, inputs.words, batch.inputIds);
  if (inputs.places) counts.uniquePositions = uploadGroups(gpu, inputs.places, positions);
  return counts;
}

function uploadPooled(gpu: Gpu, into: Tensor, { pooled, segments }: PackedBatch): void {
  if (pooled?.length !== segments) {
    throw new ShapeError("Cannot upload a batch that was not pooled to a head whose backbone runs once: pool it first");
  }
  const W = into.shape[1], rows = new Float32Array(pooled.length * W);
  for (const [segment, row] of pooled.entries()) rows.set(row, segment * W);
  upload(gpu, into, rows);
}

function uploadNumbers(gpu: Gpu, into: NonNullable<ModelInputs["numbers"]>, batch: PackedBatch): void {
  if (batch.numbers?.length !== batch.battles) {
    throw new ShapeError("Cannot upload a batch without numbers: the model was trained with --features length");
  }
  const winner = new Float32Array(batch.battles * numberColumns.winner);
  const tie = new Float32Array(batch.battles * numberColumns.tie);
  for (const [row, numbers] of batch.numbers.entries()) expandNumbers(numbers, { winner, tie }, row);
  upload(gpu, into.winner, winner);
  upload(gpu, into.tie, tie);
}

function uploadGroups(gpu: Gpu, into: RowGroups, ids: Uint32Array): number {
  const { rows, starts, order } = groupByRow(ids);
  upload(gpu, into.rows, rows);
  upload(gpu, into.starts, starts);
  upload(gpu, into.order, order);
  return rows.length;
}

/** Keys from (seed, step, battle, side, position) alone, so that a token's mask does not depend on its place in a batch. */
function dropoutKeys(batch: PackedBatch, { seed, step }: TrainingPlace) {
  const segments = new Uint32Array(batch.segments), tokens = new Uint32Array(batch.tokens);
  for (let b = 0; b < batch.battles; b++) {
    for (const side of [0, 1]) {
      const s = batch.sides[2 * b + side];
      // A joint battle's two sides are one segment: the first visit, side 0, is the one that counts.
      if (side === 1 && s === batch.sides[2 * b]) continue;
      segments[s] = sideKey({ seed, step, battle: batch.battleIndex[b], side });
      for (let t = batch.starts[s]; t < batch.starts[s + 1]; t++) tokens[t] = tokenKey(segments[s], batch.positions[t]);
    }
  }
  return { segments, tokens };
}
