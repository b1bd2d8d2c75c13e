// Matmul whose operands are textures, for adapters where a texel costs less than a storage load (Mesa's CPU adapter).
//
//   NT  out[m, n] = sum_k a[m, k] * b[n, k]     forward: y = x W^T
//   NN  out[m, n] = sum_k a[m, k] * b[k, n]     backward by the input: dx = dy W
//   TN  out[m, n] = sum_k a[k, m] * b[k, n]     backward by the weight: dW = dy^T x
//
// A dispatch counts groups along rows first in NT and NN, along columns first in TN: `textureGroups`.
//
// The WGSL is generated because Naga does not unroll loops: one invocation keeps `rows` x `columns` vec4f sums in named
// variables, which no hand would write eight times. Every sum runs over k in ascending order, whatever the tile, so a row's
// result does not depend on where the row lies.
import dropoutFunctions from "./dropout.wgsl" with { type: "text" };
import gelu from "./gelu.wgsl" with { type: "text" };
import { type Kernel } from "../gpu/kernel.ts";
import { type GeluForm, geluNames } from "./gelu_forms.ts";
import { stepKernel } from "./step.ts";
import {
  eachSum,
  stepTexels,
  sumColumns,
  sumName,
  sumRows,
  type SumTile,
  times,
  turnedTexels,
} from "./texture_code.ts";

export type MatmulForm = "NN" | "NT" | "TN";

/** The tile of one invocation and the shape of its group. */
export interface TextureTile {
  /** Output rows of one invocation; a multiple of 4 for TN. */
  rows: number;
  /** Output columns of one invocation, in vec4f. */
  columns: number;
  /** Invocations of a group along columns and along rows. */
  group: readonly [number, number];
}

/** What is done beside the product. Absent parts leave no trace in the kernel. */
export interface Epilogue {
  /** Adds `bias` [N]. */
  bias?: boolean;
  /** Stores the sum in `pre` and applies this form of GELU. */
  gelu?: GeluForm;
  /** Multiplies by this form's derivative at `pre`, a texture. */
  slope?: GeluForm;
  /** Adds the sum, or what dropout leaves of it, to `residual`, a texture. */
  residual?: "whole" | "dropped";
  /** Adds to what is in `out`. Known when compiled, as a load that is not done costs as much as one that is: bench/tried.md. */
  accumulate?: boolean;
  /** Operands and result are columns of wider matrices: fields aColumn, bColumn, bRow, outColumn, outWidth of Size. */
  ranges?: boolean;
  /** Invocations of a group are adjacent along rows, and `group` counts rows first: for few columns; not for TN. */
  tall?: boolean;
  /** Multiplies the sum by `scale`. */
  scaled?: boolean;
  /** Begins the sum with a product of low rank, lowA [M, .] times lowB [r, N]: fields lowSum, lowColumn of Size. */
  low?: boolean;
  /** Drops channels of operand `a` (NT), of operand `b` (TN), or of the product of low rank, by `keys`, one a token. */
  dropout?: "a" | "b" | "low";
}

/**
 * Groups of a dispatch. A group of 16 rows x 64 columns reads four times as much of b as of a: the next one shares its columns of b,
 * which no near cache would hold until the next rows. TN is faster the other way; both measured in bench/tried.md.
 */
export function textureGroups(
  form: MatmulForm,
  { rows, columns, group }: TextureTile,
  { M, N, tall = false }: { M: number; N: number; tall?: boolean },
): [number, number, number] {
  const [across, down] = tall ? [group[1], group[0]] : group;
  const rowGroups = Math.ceil(M / rows / down), columnGroups = Math.ceil(N / 4 / columns / across);
  return form === "TN" ? [columnGroups, rowGroups, 1] : [rowGroups, columnGroups, 1];
}

const cache = new Map<string, Kernel>();

/** The kernel of one form, tile and epilogue; entry point `main`. */
export function textureMatmulKernel(form: MatmulForm, tile: TextureTile, epilogue: Epilogue): Kernel {
  const key = JSON.stringify([form, tile, epilogue]);
  let kernel = cache.get(key);
  if (!kernel) cache.set(key, kernel = stepKernel(`matmul_texture_${form}`, generate(form, tile, epilogue)));
  return kernel;
}

function generate(form: MatmulForm, tile: TextureTile, epilogue: Epilogue): string {
  const { rows, columns, group } = tile;
  const { bias, gelu: activated, slope, residual, accumulate, ranges, tall, scaled, low, dropout } = epilogue;
  const fields = [
    "M: u32, N: u32, K: u32, rowSource: u32, sumSource: u32",
    ...(ranges ? ["aColumn: u32, bColumn: u32, bRow: u32, outColumn: u32, outWidth: u32"] : []),
    ...(scaled ? ["scale: f32"] : []),
    ...(low ? ["lowSum: u32, lowColumn: u32"] : []),
    ...(dropout ? ["dropThreshold: u32, dropScale: f32, site: u32"] : []),
    ...(residual === "dropped" ? ["residualThreshold: u32, residualScale: f32, residualSite: u32"] : []),
  ];
  const at = (offset: string) => ranges ? `size.${offset} + ` : "";
  const operands = ranges ? { a: "aColumn + ", b: "bColumn + ", bRow: "bRow + " } : { a: "", b: "", bRow: "" };
  // Bases of a row's dropout are read once where the rows are the tokens.
  const rowBases = dropout === "a" || dropout === "low"
    ? times(rows, (r) => `let base${r} = dropout_base(keys[m + ${r}u], size.site);`)
    : "";
  return `${activated || slope ? gelu : ""}${dropout || residual === "dropped" ? dropoutFunctions : ""}
struct Size { ${fields.join(", ")} }
@group(0) @binding(0) var a: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var b: texture_storage_2d<rgba32float, read>;
alias Out = vec4f;
alias Pre = vec4f;
@group(0) @binding(2) var<storage, read_write> out: array<Out>;
${bias ? "@group(0) @binding(3) var<storage, read> bias: array<vec4f>;" : ""}
${activated ? "@group(0) @binding(4) var<storage, read_write> pre: array<Pre>;" : ""}
@group(0) @binding(5) var<uniform> size: Size;
@group(0) @binding(6) var<uniform> step: Step;
${
    low
      ? "@group(0) @binding(7) var lowA: texture_storage_2d<rgba32float, read>;\n@group(0) @binding(8) var lowB: texture_storage_2d<rgba32float, read>;"
      : ""
  }
${dropout ? `@group(0) @binding(9) var<storage, read> keys: array<${dropout === "b" ? "vec4u" : "u32"}>;` : ""}

${slope ? "@group(0) @binding(4) var pre: texture_storage_2d<rgba32float, read>;" : ""}
${residual ? "@group(0) @binding(10) var residual: texture_storage_2d<rgba32float, read>;" : ""}
${residual === "dropped" ? "@group(0) @binding(11) var<storage, read> residualKeys: array<u32>;" : ""}

fn store(row: u32, column: u32, sum: vec4f) {
  let at = row * ${ranges ? "size.outWidth" : "(size.N / 4u)"} + ${at("outColumn")}column;
  var v = sum;
  ${scaled ? "v *= size.scale;" : ""}
  ${bias ? `v += bias[${at("outColumn")}column];` : ""}
  ${activated ? `pre[at] = Pre(v);\n  v = gelu(${geluNames[activated]}, v);` : ""}
  ${slope ? `v *= gelu_derivative(${geluNames[slope]}, textureLoad(pre, vec2u(${at("outColumn")}column, row)));` : ""}
  ${residual === "dropped" ? residualMask(at("outColumn")) : ""}
  ${residual ? `v += textureLoad(residual, vec2u(${at("outColumn")}column, row));` : ""}
  ${accumulate ? "v += vec4f(out[at]);" : ""}
  out[at] = Out(v);
}
@compute @workgroup_size(${group[0]}, ${group[1]})
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let M = live_rows(size.rowSource, size.M);
  let m = (tile.${form === "TN" ? "y" : "x"} * ${tall ? group[0] : group[1]}u + local.${tall ? "x" : "y"}) * ${rows}u;
  let n = (tile.${form === "TN" ? "x" : "y"} * ${tall ? group[1] : group[0]}u + local.${
    tall ? "y" : "x"
  }) * ${columns}u;
  if (m >= M || n >= size.N / 4u) { return; }
  // Read once: llvmpipe reads a uniform anew wherever a loop names it.
  ${ranges ? "let aColumn = size.aColumn; let bColumn = size.bColumn; let bRow = size.bRow;" : ""}
  ${low ? "let lowColumn = size.lowColumn;" : ""}
  ${dropout ? "let dropThreshold = size.dropThreshold; let dropScale = size.dropScale;" : ""}
  ${rowBases}
  ${eachSum(tile, (sum) => `var ${sum} = vec4f();`)}
  ${low ? sumLow(tile) : ""}
  ${dropout === "low" ? eachSum(tile, (sum, r, c) => `${sum} *= ${mask(`base${r}`, `n + ${c}u`)};`) : ""}
  ${
    form === "NT"
      ? sumNT(tile, operands, dropout === "a")
      : form === "NN"
      ? sumNN(tile, operands)
      : sumTN(tile, operands, dropout === "b")
  }
  ${
    times(columns, (c) => `
  if (n + ${c}u < size.N / 4u) {
    ${times(rows, (r) => `if (m + ${r}u < M) { store(m + ${r}u, n + ${c}u, ${sumName(r, c)}); }`)}
  }`)
  }
}
`;
}

function residualMask(first: string): string {
  return `v *= dropout4(dropout_base(residualKeys[row], size.residualSite), (${first}column) * 4u,
    size.residualThreshold, size.residualScale);`;
}

/** What is kept of the four channels of a texel column, scaled, or zeros. */
function mask(base: string, column: string): string {
  return `dropout4(${base}, (${column}) * 4u, dropThreshold, dropScale)`;
}

/** What is added to the coordinates of each operand's texels: empty, or a field of Size and a plus. */
interface Operands {
  a: string;
  b: string;
  bRow: string;
}

function sumNT(tile: SumTile, at: Operands, masked: boolean): string {
  return `let nRow = ${at.bRow}n * 4u;` + sumRows(tile, {
    a: (r) => `textureLoad(a, vec2u(${at.a}k, m + ${r}u))${masked ? ` * ${mask(`base${r}`, "k")}` : ""}`,
    w: (c) => turnedTexels((j) => `textureLoad(b, vec2u(k, nRow + ${4 * c + j}u))`),
    from: "0u",
    to: "size.K / 4u",
  });
}

function sumNN(tile: SumTile, at: Operands): string {
  return sumRows(tile, {
    a: (r) => `textureLoad(a, vec2u(${at.a}k, m + ${r}u))`,
    w: (c) => stepTexels((i) => `textureLoad(b, vec2u(${at.b}n + ${c}u, k * 4u + ${i}u))`),
    from: "0u",
    to: "size.K / 4u",
  });
}

function sumLow(tile: SumTile): string {
  return sumRows(tile, {
    a: (r) => `textureLoad(lowA, vec2u(lowColumn + k, m + ${r}u))`,
    w: (c) => stepTexels((i) => `textureLoad(lowB, vec2u(n + ${c}u, k * 4u + ${i}u))`),
    from: "0u",
    to: "size.lowSum / 4u",
  });
}

function sumTN(tile: SumTile, at: Operands, masked: boolean): string {
  const bases = (taken: number) =>
    "let key = keys[k / 4u];\n" +
    times(taken, (i) => `let base${i} = dropout_base(key[${taken > 1 ? `${i}u` : "k % 4u"}], size.site);`);
  return `
  let K = live_rows(size.sumSource, size.K);
  var k = 0u;` + sumColumns(tile, {
    a: (q, i) => `textureLoad(a, vec2u(${at.a}m / 4u + ${q}u, k + ${i}u))`,
    w: (c, i) =>
      `textureLoad(b, vec2u(${at.b}n + ${c}u, k + ${i}u))${masked ? ` * ${mask(`base${i}`, `n + ${c}u`)}` : ""}`,
    ...(masked && { before: bases }),
    to: "K",
  });
}
