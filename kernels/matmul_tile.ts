// Matmul through tiles in workgroup memory, for any sizes and strides: the schedule of real GPUs.
//
//   out[m, n] = epilogue(sum_k A(m, k) * B(k, n)),  A(m, k) = a[m * aRow + k * aSum],  B(k, n) = b[k * bSum + n * bColumn]
//   epilogue: + bias[n], then one of: pre = sum and GELU; * GELU'(pre); residual + mask * sum; + out where `accumulate` is set
//   aFirst, outFirst, outRow: operands and result may be columns of wider matrices; bias is then as wide as out
//   split: group z sums k from z * chunk to (z + 1) * chunk and stores its part in out[z]; column_sum.wgsl adds the parts in order
//
// Shapes    a [M, K] or [K, M]   b [K, N] or [N, K]   out pre [M, N], split: out [S, M, N]   bias [N]
// Dispatch  [ceil(N / tile columns), ceil(M / tile rows), S] groups of `group` invocations
// Limits    M, N, K >= 1; live rows are counted by `rowSource` (of M) and `sumSource` (of K)
// Numerics  f32, k ascending whatever the tile, so a row's result does not depend on where the row lies
// Source    the classic tiled product
//
// The WGSL is generated because Naga does not unroll loops: the sums of one invocation are named variables, as many as the
// tile says. An invocation's rows and columns lie apart by the group's width in vec4f, so that neighbours read neighbours.
import dropoutFunctions from "./dropout.wgsl" with { type: "text" };
import gelu from "./gelu.wgsl" with { type: "text" };
import quantisedFunctions from "./quantised.wgsl" with { type: "text" };
import { type Kernel } from "../gpu/kernel.ts";
import { type GeluForm, geluNames } from "./gelu_forms.ts";
import { stepKernel } from "./step.ts";

/** The tile of one group of invocations. */
export interface WorkgroupTile {
  /** Output rows of one invocation, in vec4f. */
  rows: number;
  /** Output columns of one invocation, in vec4f. */
  columns: number;
  /** Steps of k that workgroup memory holds. */
  sums: number;
  /** Invocations of a group along columns and along rows. */
  group: readonly [number, number];
}

/** What is done with a sum before it is stored. */
export interface TileEpilogue {
  bias?: boolean;
  /** Stores the sum in `pre` and applies this form of GELU. */
  gelu?: GeluForm;
  /** Multiplies by this form's derivative at `pre`. */
  slope?: GeluForm;
  /** Adds the sum, or what dropout leaves of it, to `residual`. */
  residual?: "whole" | "dropped";
  split?: boolean;
  /** `b` is a quantised weight, [N, K] or [K, N]: `bSum` or `bColumn` is 1, and rows are blocks of 64. @default {false} */
  quantised?: boolean;
}

/** Output rows and columns of one group. */
export function tileSize({ rows, columns, group }: WorkgroupTile): { rows: number; columns: number } {
  return { rows: rows * 4 * group[1], columns: columns * 4 * group[0] };
}

const cache = new Map<string, Kernel>();

/** The kernel of one tile and epilogue; entry point `main`. */
export function tileMatmulKernel(tile: WorkgroupTile, epilogue: TileEpilogue): Kernel {
  const key = JSON.stringify([tile, epilogue]);
  let kernel = cache.get(key);
  if (!kernel) cache.set(key, kernel = stepKernel("matmul_tile", generate(tile, epilogue)));
  return kernel;
}

function times(n: number, line: (i: number) => string): string {
  return Array.from({ length: n }, (_, i) => line(i)).join("\n");
}

const denseLoads = `
fn load_b(k: u32, n: u32, K: u32) -> f32 {
  if (n < size.N && k < K) { return f32(b[k * size.bSum + n * size.bColumn]); }
  return 0.0;
}
`;

/** @param quads columns of the tile in vec4f */
function fillDense(sums: number, quads: number, lanes: number): string {
  return `for (var i = lane; i < ${sums * quads}u; i += ${lanes}u) {
      var k = i / ${quads}u; var q = i % ${quads}u;
      if (size.bSum == 1u) { k = i % ${sums}u; q = i / ${sums}u; }
      let n = n0 + q * 4u;
      bTile[k * ${quads}u + q] = vec4f(load_b(k0 + k, n, K), load_b(k0 + k, n + 1u, K),
                                load_b(k0 + k, n + 2u, K), load_b(k0 + k, n + 3u, K));
    }`;
}

const quantisedLoads = `
// Four values of one row, zeros outside of the weight.
fn load_four(row: u32, column: u32, rows: u32, columns: u32) -> vec4f {
  if (row >= rows || column >= columns) { return vec4f(); }
  return four_values(size.firstValue + row * columns + column, size.bound, size.blocks);
}
`;

/** Four codes lie in one word: of one column of the product along k (NT), four columns at a time, or of one k (NN). */
function fillQuantised(sums: number, quads: number, lanes: number): string {
  return `for (var i = lane; i < ${sums * quads}u; i += ${lanes}u) {
      if (size.bSum == 1u) {
        if (i >= ${sums / 4 * quads}u) { break; }
        let k = i % ${sums / 4}u * 4u; let q = i / ${sums / 4}u; let n = n0 + q * 4u;
        let w = transpose(mat4x4f(load_four(n, k0 + k, size.N, size.K), load_four(n + 1u, k0 + k, size.N, size.K),
                                  load_four(n + 2u, k0 + k, size.N, size.K), load_four(n + 3u, k0 + k, size.N, size.K)));
        ${times(4, (j) => `bTile[(k + ${j}u) * ${quads}u + q] = w[${j}];`)}
      } else {
        let k = i / ${quads}u; let q = i % ${quads}u;
        bTile[k * ${quads}u + q] = load_four(k0 + k, n0 + q * 4u, size.K, size.N);
      }
    }`;
}

function generate(tile: WorkgroupTile, epilogue: TileEpilogue): string {
  const { rows, columns, sums, group: [across, down] } = tile;
  const size = tileSize(tile), lanes = across * down;
  const eachRow = (line: (row: number, q: number, component: string) => string) =>
    times(rows * 4, (r) => line(r, r >> 2, "xyzw"[r & 3]));
  const dropped = epilogue.residual === "dropped";
  return `${epilogue.gelu || epilogue.slope ? gelu : ""}${dropped ? dropoutFunctions : ""}
struct Size {
  M: u32, N: u32, K: u32,
  aRow: u32, aSum: u32, bSum: u32, bColumn: u32,
  aFirst: u32, outFirst: u32, outRow: u32,
  rowSource: u32, sumSource: u32, accumulate: u32,${epilogue.split ? " chunk: u32," : ""}
  ${epilogue.quantised ? "firstValue: u32, bound: u32, blocks: u32," : ""}
  ${dropped ? "residualThreshold: u32, residualScale: f32, residualSite: u32," : ""}
}
alias A = f32;
alias B = f32;
alias Out = f32;
alias Pre = f32;
alias Residual = f32;
@group(0) @binding(0) var<storage, read> a: array<A>;
${epilogue.quantised ? quantisedFunctions : "@group(0) @binding(1) var<storage, read> b: array<B>;"}
@group(0) @binding(2) var<storage, read_write> out: array<Out>;
${epilogue.bias ? "@group(0) @binding(3) var<storage, read> bias: array<f32>;" : ""}
${epilogue.gelu ? "@group(0) @binding(4) var<storage, read_write> pre: array<Pre>;" : ""}
@group(0) @binding(5) var<uniform> size: Size;
@group(0) @binding(6) var<uniform> step: Step;
${epilogue.slope ? "@group(0) @binding(4) var<storage, read> pre: array<Pre>;" : ""}
${epilogue.residual ? "@group(0) @binding(7) var<storage, read> residual: array<Residual>;" : ""}
${dropped ? "@group(0) @binding(8) var<storage, read> residualKeys: array<u32>;" : ""}

// Four values of one k side by side, so that an invocation loads its rows (or columns) as vec4f.
var<workgroup> aTile: array<vec4f, ${sums * size.rows / 4}>;
var<workgroup> bTile: array<vec4f, ${sums * size.columns / 4}>;

fn load_a(m: u32, k: u32, M: u32, K: u32) -> f32 {
  if (m < M && k < K) { return f32(a[size.aFirst + m * size.aRow + k * size.aSum]); }
  return 0.0;
}

${epilogue.quantised ? quantisedLoads : denseLoads}
fn store(m: u32, n: u32, part: u32, sums: vec4f) {
  ${dropped ? "let base = dropout_base(residualKeys[m], size.residualSite);" : ""}
  for (var i = 0u; i < min(4u, size.N - min(n, size.N)); i++) {
    let at = ${epilogue.split ? "part * size.M * size.N + " : ""}m * size.outRow + size.outFirst + n + i;
    var v = sums[i]${epilogue.bias ? " + bias[size.outFirst + n + i]" : ""};
    ${epilogue.gelu ? `pre[at] = Pre(v);\n    v = gelu(${geluNames[epilogue.gelu]}, vec4f(v)).x;` : ""}
    ${epilogue.slope ? `v *= gelu_derivative(${geluNames[epilogue.slope]}, vec4f(f32(pre[at]))).x;` : ""}
    ${dropped ? "v *= dropout1(base, size.outFirst + n + i, size.residualThreshold, size.residualScale);" : ""}
    ${epilogue.residual ? "v += f32(residual[at]);" : ""}
    ${epilogue.split ? "" : "if (size.accumulate != 0u) { v += f32(out[at]); }"}
    out[at] = Out(v);
  }
}

@compute @workgroup_size(${across}, ${down})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let M = live_rows(size.rowSource, size.M);
  let lane = local.y * ${across}u + local.x;
  let m0 = group.y * ${size.rows}u;
  let n0 = group.x * ${size.columns}u;
  ${
    epilogue.split
      ? "let first = group.z * size.chunk;\n  let K = min(live_rows(size.sumSource, size.K), first + size.chunk);"
      : "let first = 0u;\n  let K = live_rows(size.sumSource, size.K);"
  }
  ${eachRow((r) => times(columns, (c) => `var s${r}_${c} = vec4f();`))}
  for (var k0 = first; k0 < K; k0 += ${sums}u) {
    // k runs with the lane where the operand's k is contiguous, else the other index.
    for (var i = lane; i < ${sums * size.rows / 4}u; i += ${lanes}u) {
      var k = i / ${size.rows / 4}u; var q = i % ${size.rows / 4}u;
      if (size.aSum == 1u) { k = i % ${sums}u; q = i / ${sums}u; }
      let m = m0 + q * 4u;
      aTile[k * ${size.rows / 4}u + q] = vec4f(load_a(m, k0 + k, M, K), load_a(m + 1u, k0 + k, M, K),
                                load_a(m + 2u, k0 + k, M, K), load_a(m + 3u, k0 + k, M, K));
    }
    ${epilogue.quantised ? fillQuantised(sums, size.columns / 4, lanes) : fillDense(sums, size.columns / 4, lanes)}
    workgroupBarrier();
    for (var k = 0u; k < ${sums}u; k++) {
      ${times(rows, (q) => `let x${q} = aTile[k * ${size.rows / 4}u + local.y + ${q * down}u];`)}
      ${times(columns, (c) => `let w${c} = bTile[k * ${size.columns / 4}u + local.x + ${c * across}u];`)}
      ${eachRow((r, q, component) => times(columns, (c) => `s${r}_${c} += x${q}.${component} * w${c};`))}
    }
    workgroupBarrier();
  }
  ${
    eachRow((r, q) => `
  {
    let m = m0 + (local.y + ${q * down}u) * 4u + ${r & 3}u;
    if (m < M) {
      ${times(columns, (c) => `store(m, n0 + (local.x + ${c * across}u) * 4u, group.z, s${r}_${c});`)}
    }
  }`)
  }
}
`;
}
