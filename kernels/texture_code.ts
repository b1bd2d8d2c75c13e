// What generated kernels with texture operands have in common: their unrolling, and the inner loops of products, in which
// one invocation keeps `rows` x `columns` vec4f sums in named variables.

/** `line(0)` to `line(n - 1)`. */
export function times(n: number, line: (i: number) => string): string {
  return Array.from({ length: n }, (_, i) => line(i)).join("\n");
}

/** The variable of a sum. */
export function sumName(r: number, c: number): string {
  return `s${r}_${c}`;
}

/** A tile of sums. */
export interface SumTile {
  rows: number;
  /** In vec4f. */
  columns: number;
}

export function eachSum({ rows, columns }: SumTile, line: (sum: string, r: number, c: number) => string): string {
  return times(rows, (r) => times(columns, (c) => line(sumName(r, c), r, c)));
}

// Four steps of k for a sum before the next sum: 35 GFLOP/s against 30 with one (NN; TN 33 against 29), and against 33
// with eight (1024 x 1536 x 384, 16 x 4 tile, llvmpipe LLVM 15.0.6 256 bits, 2 cores, 2026-11-24): bench/tried.md.
const steps = [0, 1, 2, 3];

/** `sum` with factors times w0, w1, ... added to it in order: one load and one store of a spilled sum for all of them. */
function fused(sum: string, factors: readonly string[]): string {
  return `${sum} = ${factors.reduce((value, factor, i) => `fma(vec4f(${factor}), w${i}, ${value})`, sum)};`;
}

/** Lines that make w0 to w3 of `texel`: what four steps of B hold for the columns of one texel, where rows of B are the steps. */
export function stepTexels(texel: (i: number) => string): string {
  return times(steps.length, (i) => `let w${i} = ${texel(i)};`);
}

/**
 * The same where rows of B are the columns: four texels, one a column, are turned into whole vectors. A dot product a sum took a
 * third longer (bench/tried.md).
 */
export function turnedTexels(texel: (column: number) => string): string {
  const turned = (i: number) => `let w${i} = vec4f(${steps.map((j) => `t${j}.${"xyzw"[i]}`).join(", ")});`;
  return times(steps.length, (j) => `let t${j} = ${texel(j)};`) + "\n" + times(steps.length, turned);
}

export interface RowTexels {
  /** The texel of row r of A that holds steps 4 k to 4 k + 3. */
  a(r: number): string;
  /** Lines that make w0 to w3 of texel c of the columns. */
  w(c: number): string;
  /** Where k begins and ends, in texels. */
  from: string;
  to: string;
}

/** Rows of sums over texels k: each texel of A, one number after the other, times whole vectors of B. */
export function sumRows({ rows, columns }: SumTile, { a, w, from, to }: RowTexels): string {
  return `
  for (var k = ${from}; k < ${to}; k++) {
    ${times(rows, (r) => `let a${r} = ${a(r)};`)}
    ${
    times(columns, (c) =>
      `{
      ${w(c)}
      ${times(rows, (r) => fused(sumName(r, c), steps.map((i) => `a${r}.${"xyzw"[i]}`)))}
    }`)
  }
  }`;
}

export interface ColumnTexels {
  /** The texel of A that holds rows 4 q to 4 q + 3 of step k + i. */
  a(q: number, i: number): string;
  /** The texel of B with step k + i of texel c of the columns. */
  w(c: number, i: number): string;
  /** Lines in front of so many steps. */
  before?(taken: number): string;
  /** Where k, a variable, ends. */
  to: string;
}

/** Rows of sums over steps k, from where k stands, where the steps are rows of both A and B. */
export function sumColumns({ rows, columns }: SumTile, { a, w, before, to }: ColumnTexels): string {
  const block = (taken: number) => `
    ${times(rows / 4, (q) => times(taken, (i) => `let g${q}_${i} = ${a(q, i)};`))}
    ${before?.(taken) ?? ""}
    ${
    times(columns, (c) =>
      `{
      ${times(taken, (i) => `let w${i} = ${w(c, i)};`)}
      ${times(rows, (r) => fused(sumName(r, c), steps.slice(0, taken).map((i) => `g${r >> 2}_${i}.${"xyzw"[r & 3]}`)))}
    }`)
  }`;
  return `
  for (; k + ${steps.length}u <= ${to}; k += ${steps.length}u) {${block(steps.length)}
  }
  for (; k < ${to}; k++) {${block(1)}
  }`;
}
