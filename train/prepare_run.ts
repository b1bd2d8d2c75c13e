// From the user's flags to everything a run needs, nothing of it started: settings, data, engine, run folder. Whatever is
// wrong with the input is found here, before an earlier run is touched.
import { join, resolve } from "node:path";
import type { EncodedBattle } from "../data/dataset.ts";
import { writeSubmission } from "../data/predictions.ts";
import { UsageError } from "../errors.ts";
import { exportAdapter } from "../model/export_adapter.ts";
import { isFolder } from "../model/model_files.ts";
import { exportModel } from "../model/export.ts";
import { type Lora } from "../model/lora.ts";
import { architectureOf } from "../model/registry.ts";
import { readCheckpoint, startOfRun } from "./checkpoint.ts";
import { type CreatedEngine, createEngine } from "./create_engine.ts";
import { trainingData, validation } from "./feed.ts";
import { beginWithNumbers } from "./fit_numbers.ts";
import { checkIgnored } from "./ignored_flags.ts";
import { loraOf } from "./lora_settings.ts";
import { loadRunData, type RunData } from "./load_data.ts";
import { timeKernels, writeKernelTimes } from "./kernel_times.ts";
import { type LoopResult, runLoop, totalSteps, type Watcher } from "./loop.ts";
import { type ModelFolder, readModelFolder } from "./model_folder.ts";
import { poolAll } from "./pooled_features.ts";
import { predictAll } from "./predict.ts";
import { openRunFolder, outOfFoldName } from "./run_folder.ts";
import { checkSameData, resumedChoices, resumedFlags, type RunRecord, versions } from "./run_record.ts";
import { TimeSpent } from "./time_spent.ts";
import { baseForm, poolsOnce, resolveSettings, type TrainSettings } from "./settings.ts";
import { type TrainFlags } from "./train_flags.ts";

export interface PrepareOptions {
  flags: TrainFlags;
  /** Fields that the user gave, as opposed to defaults. */
  given: ReadonlySet<string>;
  /** The folder of a model, fetched if need be. */
  findModel: (flags: TrainFlags) => Promise<string>;
  /** One line for the user, while something takes time. */
  onNotice?: (line: string) => void;
}

export interface PreparedRun {
  out: string;
  settings: TrainSettings;
  data: RunData;
  created: CreatedEngine;
  record: RunRecord;
  totalSteps: number;
  /** Steps done, of a run that goes on. */
  doneSteps: number;
  /** What the user should know; lines. */
  notices: string[];
  /** Trains and, unless it was stopped, writes the model. */
  run(options: { watcher: Watcher; stop: AbortSignal }): Promise<LoopResult>;
  dispose(): void;
}

/** @throws {UsageError} @throws {InputError} with what is wrong; then nothing has been written */
export async function prepareRun(options: PrepareOptions): Promise<PreparedRun> {
  const { given, findModel, onNotice } = options, asked = await withLastingPaths(options.flags);
  const began = performance.now();
  if (asked.resume && asked.out === undefined) throw new UsageError("Cannot resume without --out: name the run folder");
  const out = asked.out ?? `runs/${new Date().toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "")}`;
  const runFolder = await openRunFolder(out, asked);
  const earlier = runFolder.earlier && resumedChoices(out, runFolder.earlier);
  const flags = runFolder.earlier ? resumedFlags(asked, given, out, runFolder.earlier) : asked;

  const folder = await findModel(flags);
  const model = await readModelFolder(folder);
  if ([folder, model.base].some((read) => resolve(read) === resolve(out))) {
    throw new UsageError(`Cannot train into ${out}: the model is read from there: name another --out`);
  }
  const settings = resolveSettings(flags, model.config, architectureOf(model.config).pairing, model.adapter);
  checkIgnored(given, settings, resolve(folder) === resolve(flags.model));
  const lora = await loraOf(settings, model);
  const data = await loadRunData(model.tokenizer, { ...settings, template: model.template });
  if (earlier) {
    checkSameData(out, data.trainRecord, earlier.data);
    checkSameData(out, data.validRecord, earlier.valid);
    checkSameData(out, data.extraRecord, earlier.extra);
  }
  const checkpoint = earlier && await readCheckpoint(out);
  const { schedules } = earlier ?? {};
  const { config, base, adapter } = model;
  const quant = baseForm(settings);
  const pooledOnce = poolsOnce(settings);
  const created = await createEngine({
    ...settings,
    pooledOnce,
    quant,
    folder: base,
    config,
    adapter,
    lora,
    schedules,
    onNotice,
  });
  try {
    if (flags.profile && !created.adapter.features.includes("timestamp-query")) {
      throw new UsageError(`Cannot use --profile: ${created.adapter.name} has no clock of its own: leave it out`);
    }
    if (checkpoint) created.engine.checkState(checkpoint.state);
    await created.engine.record();
    if (pooledOnce) {
      await poolAll([...data.train, ...data.valid], { base, adapters: adapter?.folder, created, onNotice });
    }
    if (created.engine.initialised.includes("head.numbers.winner")) beginWithNumbers(created.engine, data.train);
  } catch (error) {
    created.dispose();
    throw error;
  }
  const record = { ...recordOf(settings, data, created), ...(earlier && { started: earlier.started }) };
  const feed = trainingData(data.train, { ...settings, capacity: created.engine.capacity });
  const notices: string[] = [];
  if (created.adapter.warning) notices.push(created.adapter.warning);
  if (data.sharedPrompts > 0) {
    notices.push(`${data.sharedPrompts} validation battles have a prompt that is also trained on`);
  }
  if (data.extraLeftOut > 0) {
    notices.push(`${data.extraLeftOut} extra battles are left out: a validation battle has their prompt, or nearly so`);
  }
  if (earlier && earlier.adapter.name !== created.adapter.name) {
    notices.push(`The run began on ${earlier.adapter.name}: its last digits will not be those of a run without a stop`);
  }
  return {
    out,
    settings,
    data,
    created,
    record,
    notices,
    totalSteps: totalSteps(settings, feed.stepsPerEpoch),
    doneSteps: checkpoint?.progress.step ?? 0,
    run: async (watching) => {
      await runFolder.begin({ ...record }, checkpoint?.progress ?? startOfRun());
      const spent = new TimeSpent();
      spent.add(performance.now() - began, "prepare");
      try {
        const engine = created.engine;
        const options = { engine, data: feed, settings, folder: runFolder, checkpoint, spent, ...watching };
        const validate = data.valid.length > 0 ? validation(data.valid, created.engine.capacity) : undefined;
        const result = await runLoop({ ...options, validate });
        if (result.outcome !== "stopped") {
          await spent.within("export", async () => {
            await writeModel({ out, model, lora, settings, created });
            if (settings.folds !== undefined) await writeOutOfFold(out, data.valid, created);
          });
          const [batch] = flags.profile ? feed.planEpoch(0)[0]() : [];
          if (batch) await spent.within("profile", async () => writeKernelTimes(out, await timeKernels(engine, batch)));
        }
        return result;
      } finally {
        await runFolder.appendTimes(spent.take());
        runFolder.close();
      }
    },
    dispose: () => created.dispose(),
  };
}

/** Absolute paths, so that run.json means the same from every folder. */
export async function withLastingPaths(flags: TrainFlags): Promise<TrainFlags> {
  const absolute = (path: string | undefined) => path === undefined ? undefined : resolve(path);
  return {
    ...flags,
    model: await isFolder(flags.model) ? resolve(flags.model) : flags.model,
    data: absolute(flags.data),
    valid: absolute(flags.valid),
    extraData: absolute(flags.extraData),
  };
}

function recordOf(settings: TrainSettings, data: RunData, { engine, adapter, schedules }: CreatedEngine): RunRecord {
  const parameters = { trained: 0, frozen: 0 };
  for (const { shape, trainable } of engine.parameters.specs) {
    parameters[trainable ? "trained" : "frozen"] += shape.reduce((product, length) => product * length, 1);
  }
  return {
    ...versions,
    started: new Date().toISOString(),
    settings: { ...settings, batchTokens: engine.capacity.tokens },
    adapter: { name: adapter.name, isCpu: adapter.isCpu },
    schedules,
    data: data.trainRecord,
    ...(data.validRecord && { valid: data.validRecord }),
    ...(data.extraRecord && { extra: data.extraRecord }),
    parameters,
    memory: engine.bytes,
  };
}

/** What the model predicts for its own fold, in the submission's layout. */
async function writeOutOfFold(out: string, valid: readonly EncodedBattle[], { engine }: CreatedEngine): Promise<void> {
  const p = await predictAll(engine, valid);
  const rows = valid.map(({ id }, row) => ({ id, probabilities: p.subarray(row * 3, row * 3 + 3) }));
  await writeSubmission(join(out, outOfFoldName), rows);
}

interface Written {
  out: string;
  model: ModelFolder;
  lora?: Lora;
  settings: TrainSettings;
  created: CreatedEngine;
}

async function writeModel({ out, model, lora, settings, created }: Written): Promise<void> {
  const { pairing, head, features, maxTokens } = settings, form = baseForm(settings);
  const { config, adapter } = model;
  const entry = {
    pairing,
    ...(pairing === "siamese" && { head }),
    template: model.template.name,
    max_tokens: maxTokens,
    ...(form && { quant: form }),
    ...(features !== "none" && { features }),
  };
  if (!lora) {
    const tensors = await created.engine.readParameters();
    return await exportModel({ folder: out, source: model.tokenizerFolder, config, entry, tensors });
  }
  await exportAdapter({
    ...{ folder: out, source: model.tokenizerFolder, config, entry, lora },
    base: adapter?.base ?? settings.model,
    revision: adapter ? adapter.revision : settings.revision,
    tensors: await created.engine.readTrained(),
  });
}
