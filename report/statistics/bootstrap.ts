// Bootstrap intervals of mean losses, and of their differences on the same battles.
import { Random } from "../../data/random.ts";
import { quantile } from "./quantile.ts";

export interface MeanInterval {
  mean: number;
  /** 95 %, percentiles over the samples. */
  low: number;
  high: number;
}

export interface BootstrapOptions {
  seed: number;
  /** Samples. @default {1000} */
  rounds?: number;
  /** [B] numbers from 0: battles of the same group (e.g. of one prompt) are drawn together. @default {each its own} */
  groups?: ArrayLike<number>;
}

export interface BootstrapResult {
  /** Of each column. */
  means: MeanInterval[];
  /** Of each column less the first one, from the same samples. */
  differences: MeanInterval[];
}

/** Draws as many groups as there are, with replacement, `rounds` times, and takes each column's mean over the battles drawn.
 *  @param columns [B] each: the losses of one model after another on the same battles */
export function bootstrapMeans(
  columns: readonly ArrayLike<number>[],
  { seed, rounds = 1000, groups }: BootstrapOptions,
): BootstrapResult {
  const { sums, battles } = groupSums(columns, groups);
  const width = columns.length, random = new Random(seed), drawn = new Float64Array(width);
  const samples = columns.map(() => new Float64Array(rounds)),
    differences = columns.map(() => new Float64Array(rounds));
  for (let round = 0; round < rounds; round++) {
    let count = 0;
    drawn.fill(0);
    for (let draw = 0; draw < battles.length; draw++) {
      const group = random.below(battles.length);
      count += battles[group];
      for (let column = 0; column < width; column++) drawn[column] += sums[group * width + column];
    }
    for (let column = 0; column < width; column++) {
      samples[column][round] = drawn[column] / count;
      differences[column][round] = (drawn[column] - drawn[0]) / count;
    }
  }
  const total = columns[0].length;
  const means = columns.map((column) => Array.from(column).reduce((sum, value) => sum + value, 0) / total);
  return {
    means: samples.map((of, column) => interval(means[column], of)),
    differences: differences.map((of, column) => interval(means[column] - means[0], of)),
  };
}

/** Sums of each group, [groups, columns], and its battles. */
function groupSums(columns: readonly ArrayLike<number>[], groups: ArrayLike<number> | undefined) {
  const rows = columns[0].length, width = columns.length;
  let count = groups ? 0 : rows;
  for (let row = 0; groups && row < rows; row++) count = Math.max(count, groups[row] + 1);
  const sums = new Float64Array(count * width), battles = new Float64Array(count);
  for (let row = 0; row < rows; row++) {
    const group = groups ? groups[row] : row;
    battles[group]++;
    for (let column = 0; column < width; column++) sums[group * width + column] += columns[column][row];
  }
  return { sums, battles };
}

function interval(mean: number, samples: Float64Array): MeanInterval {
  const ascending = samples.toSorted();
  return { mean, low: quantile(ascending, 0.025), high: quantile(ascending, 0.975) };
}
