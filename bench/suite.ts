// The whole benchmark in order: ceilings, schedules, matmul, row kernels, training and prediction, start.
import { UsageError } from "../errors.ts";
import { measureSchedules } from "../kernels/measure.ts";
import { measureClasses } from "../kernels/measure_classes.ts";
import { usualClasses } from "../train/usual_classes.ts";
import { ceilingKernels, measureCeilings } from "./ceilings.ts";
import { decoderKernels, measureDecoder } from "./decoder.ts";
import { debertaBlockKernels, measureDebertaBlock } from "./deberta_block.ts";
import { debertaKernels, measureDeberta } from "./deberta.ts";
import { matmulClasses, matmulKernels, measureMatmul } from "./matmul.ts";
import { type PeerName } from "./peer_process.ts";
import { measurePeers, peerKernels } from "./peers.ts";
import { type Row } from "./row.ts";
import { measureRowKernels, rowKernels } from "./row_kernels.ts";
import { type Bench } from "./runs.ts";
import { measureStart, startKernels } from "./start.ts";
import { LENGTHS, measureTraining, trainingKernels } from "./training.ts";

export interface SuiteOptions {
  /** Part of a kernel's name; absent: everything. */
  kernel?: string;
  tokens: number;
  /** Weights of the end-to-end rows; random ones in MiniLM's shape where absent. */
  folder?: string;
  skipCold: boolean;
  /** What to compare with; nothing where empty. */
  against: readonly PeerName[];
  /** Called as soon as a part has its rows. */
  onRows(rows: readonly Row[]): void;
  /** Says what comes next. */
  say(line: string): void;
}

export const benchKernels = [
  ceilingKernels,
  matmulKernels,
  rowKernels,
  trainingKernels,
  decoderKernels,
  debertaKernels,
  debertaBlockKernels,
  startKernels,
  peerKernels,
]
  .flat();

/** Which kernels a word chooses. @throws {UsageError} if none */
export function chosenKernels(word: string | undefined): ReadonlySet<string> {
  const chosen = benchKernels.filter((kernel) => word === undefined || kernel.includes(word));
  if (chosen.length > 0) return new Set(chosen);
  throw new UsageError(`Cannot measure "${word}": use a part of ${benchKernels.join(", ")}`);
}

/** Runs what is chosen and what its shares need. */
export async function runSuite(bench: Bench, options: SuiteOptions): Promise<Row[]> {
  const { kernel, tokens, folder, skipCold, against, onRows, say } = options;
  const chosen = chosenKernels(kernel);
  const wanted = (name: string) => chosen.has(name);
  const any = (names: readonly string[]) => names.some(wanted);
  const all: Row[] = [];
  const add = (rows: readonly Row[]) => {
    all.push(...rows);
    onRows(rows);
  };
  say("ceilings");
  const { references, rows } = await measureCeilings(bench);
  try {
    add(rows);
    if (
      !any([
        ...matmulKernels,
        ...rowKernels,
        ...trainingKernels,
        ...decoderKernels,
        ...debertaKernels,
        ...debertaBlockKernels,
        ...startKernels,
        ...peerKernels,
      ])
    ) return all;
    say("schedules");
    const { schedules: base } = await measureSchedules(bench.gpu, bench.pipelines);
    const wantedClasses = [...usualClasses(bench.gpu), ...matmulClasses(tokens)];
    const classes = await measureClasses(bench.gpu, bench.pipelines, { base, classes: wantedClasses });
    const schedules = { ...base, classes };
    const shared = { references, schedules, tokens, folder, wanted };
    const training = any(trainingKernels);
    if (any(matmulKernels) || training) {
      say("matmul");
      // A training step is held against the best of all.
      const { rows, fastest } = await measureMatmul(bench, { ...shared, ...(training && { wanted: () => true }) });
      add(rows);
      if (any(rowKernels)) {
        say("row kernels and attention");
        add(await measureRowKernels(bench, shared));
      }
      if (training) {
        say("training steps and predictions");
        add(await measureTraining(bench, { ...shared, matmul: fastest }));
      }
    } else if (any(rowKernels)) {
      say("row kernels and attention");
      add(await measureRowKernels(bench, shared));
    }
    if (any(decoderKernels)) {
      say("decoder");
      add(await measureDecoder(bench, shared));
    }
    if (any(debertaKernels)) {
      say("DeBERTa's attention");
      add(await measureDeberta(bench, shared));
    }
    if (any(debertaBlockKernels)) {
      say("DeBERTa-shaped encoder");
      add(await measureDebertaBlock(bench, shared));
    }
    if (any(startKernels)) {
      say(folder === undefined ? "start of a process: left out, no weights are on this disk" : "start of a process");
      const start = { schedules, tokens, length: LENGTHS[0], skipCold, rounds: bench.rounds };
      if (folder !== undefined) add(await measureStart({ folder, ...start }));
    }
    if (against.length > 0 && any(peerKernels)) {
      add(await measurePeers(bench, { against, schedules, tokens, wanted, say }));
    }
    return all;
  } finally {
    references.dispose();
  }
}
