// Embedding: rows of one to three tables summed for each token; backward by ids grouped on the CPU, see embedding.wgsl.
import source from "./embedding.wgsl" with { type: "text" };
import { ShapeError } from "../errors.ts";
import { type RowPart, shape2, SplitTensor, Tensor } from "../gpu/tensor.ts";
import { rowKernel } from "./row_operands.ts";
import { liveRows, liveSource } from "./step.ts";
import { type Tape } from "./tape.ts";
import { partsOfEach } from "./weight_parts.ts";

const kernels = rowKernel("embedding", source, {
  rows: { table1: [1, "TABLE1"], table2: [2, "TABLE2"], dy: [7, "DY"] },
});

/** The tokens of a micro-batch grouped by table row; see `groupByRow`. */
export interface RowGroups {
  /** [T] u32: distinct rows, ascending. */
  rows: Tensor;
  /** [T + 1] u32: where each row's tokens begin in `order`, then their number. */
  starts: Tensor;
  /** [T] u32: tokens, grouped by row, ascending within a row. */
  order: Tensor;
  /** Field of the step uniform that holds the number of distinct rows. */
  count: "uniqueWords" | "uniquePositions";
}

export interface EmbeddingSource {
  /** [V, W] */
  table: Tensor;
  /** [T] u32 */
  ids: Tensor;
  /** Needed where the table is trainable and has more than `FEW_ROWS` rows. */
  groups?: RowGroups;
}

/** Tables of at most so many rows are summed by chunks of tokens, without groups. */
export const FEW_ROWS = 8;

/** Tokens of a chunk: at T = 2,048 a chain of 64 in each chunk, then one of 32 over the chunks. */
const CHUNK = 64;

/** Table rows of a group on CPU adapters, for the gradient: figures in bench/tried.md. */
const ROWS = 4;

/** Table rows of a chunk where the sums of a table of few rows go along with another's. */
const CHUNK_ROWS = 8;

export interface EmbedOptions {
  /** Factor of the sum: Gemma's root of the width. @default {1} */
  scale?: number;
  /** Bytes of a table bound at once. @default {what one binding holds} */
  bindingBytes?: number;
}

/**
 * The sum of `table[ids[t]]` over one to three sources: [T, W].
 *
 * @throws {ShapeError} if widths differ or do not divide by 4, or a trainable table lacks its groups
 */
export function embed(tape: Tape, sources: readonly EmbeddingSource[], options: EmbedOptions = {}): Tensor {
  const { scale = 1, bindingBytes = tape.recorder.gpu.limits.maxStorageBufferBindingSize } = options;
  const [{ table, ids }] = sources;
  const T = ids.size, W = shape2(table)[1];
  if (sources.length > 3) throw new ShapeError(`Cannot sum ${sources.length} tables: at most 3 in one dispatch`);
  for (const each of sources) {
    if (shape2(each.table)[1] !== W || W % 4 !== 0 || each.ids.size !== T || each.ids.live !== ids.live) {
      throw new ShapeError(
        `Cannot embed with ${each.table.label} [${each.table.shape}] by ${each.ids.size} ids: tables need one width, ` +
          `a multiple of 4, and ids one count (here ${W} and ${T})`,
      );
    }
  }
  const y = tape.output([T, W], ids.live, sources.map((each) => each.table), "embedding");
  const common = { T, W, rowSource: liveSource(ids.live), firstRow: 0, chunk: CHUNK, groups: NO_GROUPS, scale };
  const wide = tape.schedules.rowPerGroup, lanes = { LANES: wide ? 64 : 8 }, tokens = wide ? 1 : 8;
  // The words' table is far larger than what of it is read, and stays a buffer; a table of at most T rows costs less to copy.
  const rest = Object.fromEntries(sources.slice(1).map((each, i) => [`table${i + 1}`, each.table]));
  const { kernel, read } = Object.values(rest).every((table) => table.shape[0] <= T)
    ? kernels.take(tape, rest)
    : { kernel: kernels.plain, read: rest };
  const idsOf = Object.fromEntries(sources.map((each, i) => [`ids${i}`, each.ids]));
  for (const { firstRow, rows } of partsOf(table, bindingBytes)) {
    tape.run(kernel, `sum${sources.length}`, {
      read: { ...read, ...idsOf, table0: rows },
      write: { y },
      size: { ...common, firstRow, V: rows.shape[0] },
      constants: { ...lanes, TOKENS: tokens },
      groups: (step) => Math.ceil(liveRows(ids.live, T, step) / tokens),
    });
  }

  // As in layer_norm.ts.
  const four = !wide && W % 16 === 0, suffix = four ? "" : "_wide", columns = Math.ceil(four ? W / 16 / 8 : W / 4 / 64);

  tape.onBackward(y, (dy) =>
    tape.sharingTextures(() => {
      const pair = pairOf(sources.filter(({ table }) => tape.grad(table)));
      if (pair) addTogether(dy, pair);
      for (const each of sources) if (!pair || !Object.values(pair).includes(each)) addAlone(dy, each);
    }));

  /** A table of few rows and a grouped one that is bound whole, whose gradients one pass over dy can add. */
  function pairOf(trained: readonly EmbeddingSource[]): Record<"few" | "grouped", EmbeddingSource> | undefined {
    const few = trained.find((each) => each.table.shape[0] <= 2);
    const grouped = trained.find((each) =>
      each.groups?.count === "uniquePositions" && each.table.bytes <= bindingBytes
    );
    return four && few && grouped && grouped.table.shape[0] > FEW_ROWS ? { few, grouped } : undefined;
  }

  function addTogether(dy: Tensor, { few, grouped }: Record<"few" | "grouped", EmbeddingSource>) {
    const { kernel, read } = kernels.take(tape, { dy });
    const { rows, starts, order, count } = grouped.groups!, V = few.table.shape[0];
    const size = { ...common, V, chunk: CHUNK_ROWS, groups: groupsOf(count) };
    const partial = partialOf(few.table, Math.min(T, grouped.table.shape[0]) / CHUNK_ROWS);
    tape.run(kernel, "add_groups_few", {
      read: { ...read, ids0: few.ids, rows, starts, order },
      write: { partial, dtable: tape.grad(grouped.table)!.tensor },
      size,
      groups: (step) => [columns, Math.ceil(step[count] / CHUNK_ROWS), 1],
    });
    finish(few.table, partial, size);
  }

  function addAlone(dy: Tensor, { table, ids, groups }: EmbeddingSource) {
    const target = tape.grad(table), V = table.shape[0];
    if (!target) return;
    const { kernel, read } = kernels.take(tape, { dy });
    if (V <= FEW_ROWS) {
      const size = { ...common, V }, partial = partialOf(table, T / CHUNK);
      tape.run(kernel, `partial_few${suffix}`, {
        read: { ...read, ids0: ids },
        write: { partial },
        size,
        groups: (step) => [columns, Math.ceil(liveRows(ids.live, T, step) / CHUNK), four ? Math.ceil(V / 2) : V],
      });
      finish(table, partial, size);
      return;
    }
    if (!groups) throw new ShapeError(`Cannot differentiate by ${table.label}: its ids are not grouped`);
    const { rows, starts, order, count } = groups;
    for (const { firstRow, rows: dtable } of partsOf(target.tensor, bindingBytes)) {
      tape.run(kernel, `add_groups${suffix}`, {
        read: { ...read, rows, starts, order },
        write: { dtable },
        size: { ...common, firstRow, V: dtable.shape[0], groups: groupsOf(count) },
        ...(four && { constants: { ROWS } }),
        groups: (step) => Math.ceil(step[count] / (four ? ROWS : 1)),
      });
    }
  }

  function partialOf(table: Tensor, chunks: number): Tensor {
    return tape.tensor([Math.ceil(chunks), table.shape[0], W], undefined, `partial d ${table.label}`);
  }

  function finish(table: Tensor, partial: Tensor, size: typeof common & { V: number }) {
    const write = { partial, dtable: tape.grad(table)!.tensor };
    const groups = [Math.ceil(W / 4 / lanes.LANES), table.shape[0], 1] as const;
    tape.run(kernels.plain, "finish_few", { write, size, constants: lanes, groups });
  }
  return y;
}

/** As embedding.wgsl knows them. */
const NO_GROUPS = 2;
const groupsOf = (count: RowGroups["count"]) => count === "uniqueWords" ? 0 : 1;

/** A table's rows, as many together as may be bound at once. */
function partsOf(table: Tensor, bytes: number): RowPart[] {
  if (table instanceof SplitTensor) return partsOfEach(table, (rows) => partsOf(rows, bytes));
  const [V, W] = shape2(table);
  if (table.bytes <= bytes || !table.region) return [{ firstRow: 0, rows: table }];
  // 16 rows of 4n floats are a multiple of 256 bytes, at which bindings begin.
  const most = Math.floor(bytes / (W * 4) / 16) * 16, { buffer, offset } = table.region;
  if (most === 0) throw new ShapeError(`Cannot bind 16 rows of ${table.label} [${table.shape}] at once`);
  return Array.from({ length: Math.ceil(V / most) }, (_, i) => {
    const firstRow = i * most, shape = [Math.min(most, V - firstRow), W];
    const region = { buffer, offset: offset + firstRow * W * 4, size: shape[0] * W * 4 };
    return { firstRow, rows: new Tensor(shape, { label: `${table.label} from row ${firstRow}` }, region) };
  });
}

/** Groups tokens by the table row they ask for; `rows.length` goes into the step uniform's field. */
export function groupByRow(ids: Uint32Array): {
  rows: Uint32Array<ArrayBuffer>;
  starts: Uint32Array<ArrayBuffer>;
  order: Uint32Array<ArrayBuffer>;
} {
  const T = ids.length;
  // One number sorts by row, then by token: exact up to 2^53, while rows times tokens stay below 2^50.
  const keys = new Float64Array(T);
  for (let t = 0; t < T; t++) keys[t] = ids[t] * T + t;
  keys.sort();
  const rows = new Uint32Array(T), starts = new Uint32Array(T + 1), order = new Uint32Array(T);
  let count = 0;
  for (let i = 0; i < T; i++) {
    const id = Math.floor(keys[i] / T);
    order[i] = keys[i] - id * T;
    if (count === 0 || rows[count - 1] !== id) {
      rows[count] = id;
      starts[count++] = i;
    }
  }
  starts[count] = T;
  return { rows: rows.subarray(0, count), starts: starts.subarray(0, count + 1), order };
}
