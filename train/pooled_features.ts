// What a frozen backbone makes of each sequence, computed once: a head then trains for many epochs in seconds. Rows are kept
// in the cache folder, so that another run of the same model and battles, or another fold of them, begins at once.
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import type { EncodedBattle } from "../data/dataset.ts";
import { packBatch } from "../data/packed_batch.ts";
import { planPrediction } from "../data/packing.ts";
import type { Sequence } from "../data/template.ts";
import { UsageError } from "../errors.ts";
import { writeAtomically, writeFully } from "../model/atomic_file.ts";
import { ownCache, processEnvironment } from "../model/environment.ts";
import type { CreatedEngine } from "./create_engine.ts";
import type { GpuEngine } from "./gpu_engine.ts";
import { fileSha256 } from "./run_record.ts";

/** Bytes that all rows may take in memory. */
const mostBytes = 2 ** 31;

export interface PoolOptions {
  /** Folder of the backbone's weights. */
  base: string;
  /** Of adapters that are added to them. */
  adapters?: string;
  created: Pick<CreatedEngine, "adapter"> & { engine: GpuEngine };
  onNotice?: (line: string) => void;
  /** Where rows are kept; undefined: nowhere. @default {the cache folder} */
  cache?: string;
}

/** Gives every sequence of `battles` its pooled row, from the cache or from the engine.
 *  @throws {UsageError} if the rows would take more memory than is sensible */
export async function poolAll(battles: readonly EncodedBattle[], options: PoolOptions): Promise<void> {
  const { engine } = options.created, { cache = ownCache(processEnvironment), onNotice } = options;
  const sequences = battles.flatMap((battle) => battle.sequences);
  if (sequences.length === 0) return;
  const keys = new Map(sequences.map((sequence) => [sequence, keyOf(sequence)]));
  // Sorted, so that the same battles have the same file however they are split.
  const wanted = [...new Set(keys.values())].sort();
  const W = engine.width;
  if (wanted.length * W * 4 > mostBytes) {
    throw new UsageError(
      `Cannot pool ${wanted.length} sequences once: they take ${wanted.length * W * 4} bytes: add --no-pool-once`,
    );
  }
  const path = cache && join(cache, "pooled", `${await modelKey(options, wanted)}.f32`);
  let rows = path && await readRows(path, wanted.length * W);
  if (!rows) {
    onNotice?.(`The backbone reads ${wanted.length} sequences once; the head then trains on what it makes of them`);
    const found = await computeRows(new Map(sequences.map((one) => [keys.get(one)!, one])), engine);
    rows = new Float32Array(wanted.length * W);
    for (const [at, key] of wanted.entries()) rows.set(found.get(key)!, at * W);
    const bytes = new Uint8Array(rows.buffer);
    if (path) await keep(path, bytes, onNotice);
  }
  const place = new Map(wanted.map((key, at) => [key, at]));
  for (const sequence of sequences) {
    const at = place.get(keys.get(sequence)!)! * W;
    sequence.pooled = rows.subarray(at, at + W);
  }
}

/** A cache that cannot be written takes nothing from the run. */
async function keep(path: string, bytes: Uint8Array, onNotice?: (line: string) => void): Promise<void> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    await writeAtomically(path, (file) => writeFully(file, bytes), `${path}.${Deno.pid}.partial`);
  } catch (error) {
    onNotice?.(`The rows are not kept for other runs: ${(error as Error).message}`);
  }
}

/** Each different sequence once through the backbone. */
async function computeRows(
  sequences: ReadonlyMap<string, Sequence>,
  engine: GpuEngine,
): Promise<Map<string, Float32Array>> {
  const keys = [...sequences.keys()], W = engine.width;
  const alone = [...sequences.values()].map((sequence, index): EncodedBattle => {
    return { index, id: "", row: 0, sequences: [sequence], tokens: sequence.inputIds.length, segments: 1 };
  });
  const found = new Map<string, Float32Array>();
  for (const microBatch of planPrediction({ battles: alone, capacity: engine.capacity })) {
    const rows = await engine.pool(packBatch(alone, microBatch));
    for (const [at, index] of microBatch.battles.entries()) found.set(keys[index], rows.subarray(at * W, at * W + W));
  }
  return found;
}

function keyOf({ inputIds, tokenTypeIds }: Sequence): string {
  return createHash("sha256").update(inputIds).update(tokenTypeIds).digest("hex");
}

/** Weights, configuration, kernels, and what runs them, decide the rows to the last bit. */
async function modelKey(options: PoolOptions, wanted: readonly string[]): Promise<string> {
  const { base, adapters, created: { engine, adapter } } = options, hash = createHash("sha256");
  for (const folder of adapters === undefined ? [base] : [base, adapters]) {
    const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) =>
      /^(?:config\.json|adapter_config\.json|(?:model|pytorch_model|adapter_model).*\.(?:safetensors|bin))$/.test(name)
    ).sort();
    for (const name of names) hash.update(`${name} ${await fileSha256(join(folder, name))}\n`);
  }
  hash.update(`${engine.poolingDigest()}\n${adapter.name}\n${adapter.driver}\n${Deno.version.deno}\n`);
  for (const key of wanted) hash.update(key);
  return hash.digest("hex");
}

/** Undefined where there is no such file, or not a whole one. */
async function readRows(path: string, values: number): Promise<Float32Array<ArrayBuffer> | undefined> {
  try {
    const bytes = await Deno.readFile(path);
    return bytes.length === values * 4 ? new Float32Array(bytes.buffer) : undefined;
  } catch {
    return undefined;
  }
}
