// A prepared run from its first line to its last step: says what runs, shows how it goes, and ends it on Ctrl-C.
import { join } from "node:path";
import { writeTextAtomically } from "../model/atomic_file.ts";
import { readRunFolder } from "../report/run/read_run.ts";
import { runReport } from "../report/run/run_report.ts";
import type { LoopResult } from "../train/loop.ts";
import type { PreparedRun } from "../train/prepare_run.ts";
import { reportName } from "../train/run_folder.ts";
import { grouped } from "./progress.ts";
import { watchRun } from "./train_watcher.ts";

/** Trains and writes the run's report, also of a run that was stopped or failed; the caller disposes of the run. */
export async function runPrepared(prepared: PreparedRun): Promise<LoopResult> {
  printStart(prepared);
  const watcher = watchRun(prepared.totalSteps, prepared.doneSteps);
  const interrupt = onInterrupt();
  try {
    return await prepared.run({ watcher, stop: interrupt.signal });
  } finally {
    watcher.stop();
    interrupt.release();
    await writeReport(prepared.out);
  }
}

/** A report that cannot be written takes nothing from the run: it is said, and that is all. */
async function writeReport(out: string): Promise<void> {
  try {
    await writeTextAtomically(join(out, reportName), runReport(await readRunFolder(out)));
  } catch (error) {
    console.error(`No report of the run: ${(error as Error).message.split("\n")[0]}`);
  }
}

function printStart({ out, record, data, totalSteps, doneSteps, created, notices }: PreparedRun): void {
  const { settings, adapter, parameters } = record;
  const { pairing, head, method, quant, precision, batch, batchTokens, maxTokens } = settings;
  const rows = {
    adapter: `${adapter.name}${adapter.isCpu ? " (a CPU adapter)" : ""}, ${precision}`,
    model: `${settings.model}, ${pairing}${pairing === "siamese" ? `, head ${head}` : ""}`,
    parameters: `${grouped(parameters.trained)} trained (${method}${quant ? `, ${quant}` : ""}), ${
      grouped(parameters.frozen)
    } frozen`,
    battles: `${grouped(data.train.length)} to train on, ${grouped(data.valid.length)} to validate, from ${
      settings.data ?? "the built-in sample"
    }`,
    steps: `${grouped(totalSteps)} of ${batch} battles${doneSteps ? `, ${grouped(doneSteps)} of them done` : ""}`,
    tokens: `up to ${grouped(batchTokens)} a micro-batch, ${grouped(maxTokens)} a sequence`,
    memory: `${
      grouped(created.engine.bytes / 2 ** 20)
    } MiB on the adapter: parameters, gradients, moments, activations`,
    output: join(out, "/"),
  };
  for (const [name, value] of Object.entries(rows)) console.error(`${name.padEnd(11)} ${value}`);
  for (const notice of notices) console.error(`note        ${notice}`);
}

/** Ctrl-C once: the run ends with a checkpoint. Twice: at once. */
function onInterrupt(): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const listener = () => {
    if (controller.signal.aborted) Deno.exit(1);
    console.error("\nStopping with a checkpoint; press Ctrl-C again to stop without");
    controller.abort();
  };
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, listener);
  return {
    signal: controller.signal,
    release: () => signals.forEach((signal) => Deno.removeSignalListener(signal, listener)),
  };
}
