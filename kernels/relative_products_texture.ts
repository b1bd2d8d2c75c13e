// The products of relative_products.wgsl with operands as textures: one invocation keeps 16 x 4 sums of one head in named
// variables, as the matmul of matmul_texture.ts, and walks only the band of columns that its block of rows can use.
import { type Kernel } from "../gpu/kernel.ts";
import { attentionBlockRows } from "./attention_blocks.ts";
import { GROUP } from "./attention_texture_code.ts";
import { BAND, bandSource, columnSource } from "./relative_positions.ts";
import { stepKernel } from "./step.ts";
import { eachSum, stepTexels, sumColumns, sumName, sumRows, times, turnedTexels } from "./texture_code.ts";

export type RelativeProduct = "scores" | "rows" | "table";

/** Rows of a tile (of columns in `table`), and its width in vec4f. */
const ROWS = BAND, WIDTH = 4;
const tile = { rows: ROWS, columns: WIDTH };

/** Parts of a block, of ROWS rows each. */
const PARTS = attentionBlockRows / ROWS;

const cache = new Map<RelativeProduct, Kernel>();

/** The kernel of one product; entry point `main`. */
export function relativeTextureKernel(product: RelativeProduct): Kernel {
  let kernel = cache.get(product);
  if (!kernel) {
    const code = { scores: scoresCode, rows: rowsCode, table: tableCode }[product];
    kernel = stepKernel(`relative_${product}_texture`, columnSource(true) + bandSource + code());
    cache.set(product, kernel);
  }
  return kernel;
}

/** Groups of one dispatch. */
export function relativeTextureGroups(
  product: RelativeProduct,
  { blocks, columns, D, headCount }: { blocks: number; columns: number; D: number; headCount: number },
): number {
  const tiles = { scores: Math.ceil(columns / ROWS), rows: Math.ceil(D / 16), table: Math.ceil(D / 16) }[product];
  const rows = product === "table" ? Math.ceil(columns / ROWS) : blocks * PARTS;
  return Math.ceil(rows * tiles * headCount / GROUP);
}

/** Bindings and the invocation's head, tile and, of products over rows, block. Lanes lie along the heads first. */
function begin(tiles: string, items: string): string {
  return `
struct Size {
  queries: u32,
  D: u32,
  tableRow: u32,
  tableFirst: u32,
  firstHead: u32,
  headCount: u32,
  columns: u32,
  reach: u32,
  xRow: u32,
  xFirst: u32,
  scale: f32,
  accumulate: u32,
}
@group(0) @binding(0) var x: texture_storage_2d<rgba32float, read>;
@group(0) @binding(1) var embeddings: texture_storage_2d<rgba32float, read>;
@group(0) @binding(2) var<storage, read> blocks: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var dout: texture_storage_2d<rgba32float, read>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> dembeddings: array<vec4f>;
@group(0) @binding(7) var<uniform> size: Size;
@group(0) @binding(8) var<uniform> step: Step;

@compute @workgroup_size(${GROUP})
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let item = (group.y * groups.x + group.x) * ${GROUP}u + lane;
  let own = item % size.headCount;
  let tiles = ${tiles};
  let tile = item / size.headCount % tiles;
  let index = item / size.headCount / tiles;
  if (index >= ${items}) { return; }
  // Texels of the head in x, in the embeddings and in out.
  let x_head = size.xFirst / 4u + (size.firstHead + own) * (size.D / 4u);
  let e_head = size.tableFirst / 4u + (size.firstHead + own) * (size.D / 4u);
  let o_head = own * (size.columns / 4u);
  ${eachSum(tile, (sum) => `var ${sum} = vec4f();`)}
`;
}

/** The block of a tile of rows, its first row and its band. */
const ownBlock = `
  let block = blocks[index / ${PARTS}u];
  let first = block.x + index % ${PARTS}u * ${ROWS}u;
  if (first >= block.y) { return; }
  let whole = band_of(vec4u(first, min(first + ${ROWS}u, block.y), block.zw));
  // Rows past the block's last one repeat it and store nothing.
  ${times(ROWS, (r) => `let row${r} = min(first + ${r}u, block.y - 1u);`)}
`;

function scoresCode(): string {
  return `${begin(`(size.columns + ${ROWS - 1}u) / ${ROWS}u`, `step.blocks * ${PARTS}u`)}${ownBlock}
  let n = whole.x + tile * ${ROWS}u;
  if (n >= whole.y) { return; }
  ${
    sumRows(tile, {
      a: (r) => `textureLoad(x, vec2u(x_head + k, row${r}))`,
      w: (c) => turnedTexels((j) => `textureLoad(embeddings, vec2u(e_head + k, n + ${4 * c + j}u))`),
      from: "0u",
      to: "size.D / 4u",
    })
  }
  ${
    times(ROWS, (r) => `
  if (first + ${r}u < block.y) {
    let at = row${r} * size.headCount * (size.columns / 4u) + o_head + n / 4u;
    ${times(WIDTH, (c) => `out[at + ${c}u] = ${sumName(r, c)} * size.scale;`)}
  }`)
  }
}
`;
}

function rowsCode(): string {
  return `${begin("(size.D + 15u) / 16u", `step.blocks * ${PARTS}u`)}${ownBlock}
  let d = tile * 4u;
  ${
    sumRows(tile, {
      a: (r) => `textureLoad(dout, vec2u(o_head + k, row${r}))`,
      w: (c) => stepTexels((i) => `textureLoad(embeddings, vec2u(e_head + d + ${c}u, k * 4u + ${i}u))`),
      from: "whole.x / 4u",
      to: "whole.y / 4u",
    })
  }
  ${
    times(ROWS, (r) => `
  if (first + ${r}u < block.y) {
    let at = row${r} * (size.xRow / 4u) + x_head + d;
    ${times(WIDTH, (c) => `if (d + ${c}u < size.D / 4u) { dx[at + ${c}u] += ${sumName(r, c)} * size.scale; }`)}
  }`)
  }
}
`;
}

function tableCode(): string {
  return `${begin("(size.D + 15u) / 16u", `(size.columns + ${ROWS - 1}u) / ${ROWS}u`)}
  let n = index * ${ROWS}u;
  let column4 = o_head + n / 4u;
  let d = tile * 4u;
  for (var b = 0u; b < step.blocks; b++) {
    let block = blocks[b];
    let whole = band_of(block);
    if (n < whole.x || n >= whole.y) { continue; }
    var k = block.x;
    ${
    sumColumns(tile, {
      a: (q, i) => `textureLoad(dout, vec2u(column4 + ${q}u, k + ${i}u))`,
      w: (c, i) => `textureLoad(x, vec2u(x_head + d + ${c}u, k + ${i}u))`,
      to: "block.y",
    })
  }
  }
  ${
    times(ROWS, (r) => `
  {
    let at = (n + ${r}u) * (size.tableRow / 4u) + e_head + d;
    ${
      times(WIDTH, (c) => `
    if (d + ${c}u < size.D / 4u) {
      var v = ${sumName(r, c)} * size.scale;
      if (size.accumulate != 0u) { v += dembeddings[at + ${c}u]; }
      dembeddings[at + ${c}u] = v;
    }`)
    }
  }`)
  }
}
`;
}
