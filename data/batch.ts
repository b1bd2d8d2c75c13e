// A packed micro-batch: sequences of all lengths laid end to end in a budget of T tokens, as the kernels read them.

/** Arrays hold the used part only; what lies beyond in the GPU's buffers is dead and masked. */
export interface PackedBatch {
  /** Used tokens, segments (sequences) and battles. */
  tokens: number;
  segments: number;
  battles: number;
  /** [tokens] */
  inputIds: Uint32Array<ArrayBuffer>;
  /** [tokens] */
  tokenTypeIds: Uint32Array<ArrayBuffer>;
  /** [tokens] 0, 1, 2 ... within each segment */
  positions: Uint32Array<ArrayBuffer>;
  /** [segments + 1] first token of each segment, then `tokens` */
  starts: Uint32Array<ArrayBuffer>;
  /** [battles, 2] segment of side A and of side B; the same one twice when the pairing is joint */
  sides: Uint32Array<ArrayBuffer>;
  /** [battles, 3] target probabilities, one-hot or smoothed */
  targets: Float32Array<ArrayBuffer>;
  /** [battles] weight in the loss, 1 unless told otherwise */
  weights: Float32Array<ArrayBuffer>;
  /** [battles] index of the battle in the data set it was packed from */
  battleIndex: Uint32Array<ArrayBuffer>;
  /** [battles] 1 where A and B were exchanged by augmentation (targets are exchanged already) */
  swapped: Uint8Array<ArrayBuffer>;
  /** Of each battle the numbers beside its text, A and B exchanged where they are; absent where the battles have none */
  numbers?: Float32Array<ArrayBuffer>[];
  /** Of each segment what a frozen backbone makes of it, where that is known of all */
  pooled?: Float32Array<ArrayBuffer>[];
}
