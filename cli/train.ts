// `train`: the user's words -> settings, data, engine; the loop does the rest; says what runs and what came of it.
import { join, resolve } from "node:path";
import { templateFor } from "../data/template.ts";
import { loadTokenizer } from "../data/tokenizer.ts";
import { UsageError } from "../errors.ts";
import { readConfig } from "../model/config.ts";
import { exportModel } from "../model/export.ts";
import { readCheckpoint, startOfRun } from "../train/checkpoint.ts";
import { createEngine } from "../train/create_engine.ts";
import { trainingData, validation } from "../train/feed.ts";
import { loadRunData } from "../train/load_data.ts";
import { type LoopResult, runLoop, totalSteps } from "../train/loop.ts";
import { openRunFolder } from "../train/run_folder.ts";
import { checkSameData, resumedChoices, resumedFlags, type RunRecord, versions } from "../train/run_record.ts";
import { resolveSettings, trainFlags, type TrainSettings } from "../train/settings.ts";
import { parseCommand } from "./command.ts";
import { findModel, lastingName } from "./model_source.ts";
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
  let flags = parsed.settings;
  const out = flags.out ?? `runs/${new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "")}`;
  if (flags.resume && flags.out === undefined) throw new UsageError("Cannot resume without --out: name the run folder");
  const runFolder = await openRunFolder(out, flags);
  const earlier = runFolder.earlier && resumedChoices(out, runFolder.earlier);
  if (runFolder.earlier) flags = resumedFlags(flags, parsed.given as Set<string>, out, runFolder.earlier);
  else {flags = {
      ...flags,
      model: await lastingName(flags.model),
      data: absolute(flags.data),
      valid: absolute(flags.valid),
    };}

  const folder = await findModel(flags);
  const config = await readConfig(folder);
  const settings = resolveSettings(flags, config);
  const template = templateFor(config.model_type);
  const data = await loadRunData(await loadTokenizer(folder), { ...settings, template });
  if (earlier) {
    checkSameData(out, data.trainRecord, earlier.data);
    checkSameData(out, data.validRecord, earlier.valid);
  }
  const checkpoint = earlier && await readCheckpoint(out);

  const created = await createEngine({ ...settings, folder, config, schedules: earlier?.schedules });
  const { engine } = created;
  const interrupt = onInterrupt();
  try {
    const size = { trained: 0, frozen: 0 };
    for (const { shape, trainable } of engine.parameters.specs) {
      size[trainable ? "trained" : "frozen"] += shape.reduce((product, length) => product * length, 1);
    }
    const { capacity } = engine;
    const record: RunRecord = {
      ...versions,
      started: new Date().toISOString(),
      settings: { ...settings, batchTokens: capacity.tokens },
      adapter: { name: created.adapter.name, isCpu: created.adapter.isCpu },
      schedules: created.schedules,
      data: data.trainRecord,
      ...(data.validRecord && { valid: data.validRecord }),
      parameters: size,
    };
    const feed = trainingData(data.train, { ...settings, capacity });
    const steps = totalSteps(settings, feed.stepsPerEpoch);
    printStart({ out, record, battles: data, steps, bytes: engine.bytes, warning: created.adapter.warning });
    const progress = checkpoint?.progress ?? startOfRun();
    if (earlier) console.error(`Goes on after step ${progress.step}`);
    await runFolder.begin(runFolder.earlier ? { ...record, ...keptOf(runFolder.earlier) } : { ...record }, progress);
    const watcher = watchRun(steps, progress.step);
    let result: LoopResult;
    try {
      const validate = data.valid.length > 0 ? validation(data.valid, capacity) : undefined;
      result = await runLoop({
        engine,
        data: feed,
        validate,
        settings,
        folder: runFolder,
        checkpoint,
        watcher,
        stop: interrupt.signal,
      });
    } finally {
      watcher.stop();
      runFolder.close();
    }
    if (result.outcome === "stopped") {
      throw new Error(
        `Stopped after step ${result.progress.step} of ${steps}: go on with deno task train --out ${out} --resume`,
      );
    }
    await exportModel({
      folder: out,
      source: folder,
      config,
      entry: entryOf(settings, template.name),
      tensors: await engine.readParameters(),
    });
    await printResults({ out, data, result, engine });
  } finally {
    interrupt.release();
    created.dispose();
  }
}

function absolute(path: string | undefined): string | undefined {
  return path === undefined ? undefined : resolve(path);
}

/** What a resumed run does not write anew. */
function keptOf(earlier: Record<string, unknown>): Record<string, unknown> {
  return { started: earlier.started, tiebreak: earlier.tiebreak };
}

function entryOf({ pairing, head, maxTokens }: TrainSettings, template: string) {
  return { pairing, ...(pairing === "siamese" && { head }), template, max_tokens: maxTokens };
}

interface Start {
  out: string;
  record: RunRecord;
  battles: { train: unknown[]; valid: unknown[] };
  steps: number;
  bytes: number;
  warning?: string;
}

function printStart({ out, record, battles, steps, bytes, warning }: Start): void {
  const { settings, adapter, parameters } = record;
  const { pairing, head, method, precision, batch, batchTokens, maxTokens } = settings;
  const rows = {
    adapter: `${adapter.name}${adapter.isCpu ? " (a CPU adapter)" : ""}, ${precision}`,
    model: `${settings.model}, ${pairing}${pairing === "siamese" ? `, head ${head}` : ""}`,
    parameters: `${grouped(parameters.trained)} trained (${method}), ${grouped(parameters.frozen)} frozen`,
    battles: `${grouped(battles.train.length)} to train on, ${grouped(battles.valid.length)} to validate (${
      settings.data ?? "the built-in sample"
    })`,
    steps: `${grouped(steps)} of ${batch} battles, up to ${grouped(batchTokens)} tokens a micro-batch, ` +
      `${grouped(maxTokens)} a sequence`,
    memory: `${grouped(bytes / 2 ** 20)} MiB on the adapter before the first step`,
    output: join(out, "/"),
  };
  for (const [name, value] of Object.entries(rows)) console.error(`${name.padEnd(11)} ${value}`);
  if (warning) console.error(`warning     ${warning}`);
}

/** Ctrl-C once: the run ends with a checkpoint. Twice: at once. */
function onInterrupt(): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const listener = () => {
    if (controller.signal.aborted) Deno.exit(1);
    console.error("\nStopping: writing a checkpoint; press Ctrl-C again to stop without");
    controller.abort();
  };
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, listener);
  return {
    signal: controller.signal,
    release: () => signals.forEach((signal) => Deno.removeSignalListener(signal, listener)),
  };
}
