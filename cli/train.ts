// `train`: the user's words -> a run; says what runs, how it goes and what came of it.
import { join } from "node:path";
import { type PreparedRun, prepareRun } from "../train/prepare_run.ts";
import { trainFlags } from "../train/settings.ts";
import { parseCommand } from "./command.ts";
import { findModel } from "./model_source.ts";
import { grouped } from "./progress.ts";
import { printResults } from "./train_results.ts";
import { watchRun } from "./train_watcher.ts";

const description = {
  name: "train",
  summary: "Fine-tunes a pretrained language model to predict which of two answers a person prefers.",
  flags: trainFlags,
  examples: [
    ["deno task train", "MiniLM on the built-in sample, into runs/"],
    ["deno task train --data train.csv --out runs/first", "on Kaggle's file, a tenth of its prompts held out"],
    ["deno task train --out runs/first --resume", "go on after a stop"],
    ["deno task train --data train.csv --method head --out runs/head", "only the head: fast, and less good"],
  ] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const onNotice = (line: string) => console.error(line);
  const prepared = await prepareRun({ flags: parsed.settings, given: parsed.given, findModel, onNotice });
  try {
    printStart(prepared);
    const watcher = watchRun(prepared.totalSteps, prepared.doneSteps);
    const interrupt = onInterrupt();
    const result = await prepared.run({ watcher, stop: interrupt.signal }).finally(() => {
      watcher.stop();
      interrupt.release();
    });
    const { out, data, created } = prepared;
    if (result.outcome === "stopped") {
      throw new Error(
        `Stopped after step ${result.progress.step} of ${result.totalSteps}: go on with deno task train --out ${out} --resume`,
      );
    }
    await printResults({ out, data, result, engine: created.engine });
  } finally {
    prepared.dispose();
  }
}

function printStart({ out, record, data, totalSteps, doneSteps, created, notices }: PreparedRun): void {
  const { settings, adapter, parameters } = record;
  const { pairing, head, method, precision, batch, batchTokens, maxTokens } = settings;
  const rows = {
    adapter: `${adapter.name}${adapter.isCpu ? " (a CPU adapter)" : ""}, ${precision}`,
    model: `${settings.model}, ${pairing}${pairing === "siamese" ? `, head ${head}` : ""}`,
    parameters: `${grouped(parameters.trained)} trained (${method}), ${grouped(parameters.frozen)} frozen`,
    battles: `${grouped(data.train.length)} to train on, ${grouped(data.valid.length)} to validate, from ${
      settings.data ?? "the built-in sample"
    }`,
    steps: `${grouped(totalSteps)} of ${batch} battles${doneSteps ? `, ${grouped(doneSteps)} of them done` : ""}`,
    tokens: `up to ${grouped(batchTokens)} a micro-batch, ${grouped(maxTokens)} a sequence`,
    memory: `${grouped(created.engine.bytes / 2 ** 20)} MiB of parameters, gradients and moments on the adapter`,
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
