// Opens a trained model for prediction: a run folder, or a joint three-label checkpoint from elsewhere.
import { join } from "node:path";
import type { EncodeOptions } from "../data/template.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import { InputError } from "../errors.ts";
import { readLora } from "../model/adapter_weights.ts";
import { isSchedules } from "../kernels/schedules.ts";
import { type CreatedEngine, createEngine, type CreateEngineOptions } from "./create_engine.ts";
import { readModelFolder } from "./model_folder.ts";
import { resolveMaxTokens } from "./settings.ts";

export interface Trained extends CreatedEngine {
  tokenizer: Tokenizer;
  /** How the model wants its battles. */
  encoding: EncodeOptions;
}

/** @param asked what the user set; a run folder knows its own pairing and length
 *  @throws {InputError} if the folder holds no trained head */
export async function openTrained(
  folder: string,
  asked: { batchTokens?: number; maxTokens?: number; tune?: boolean },
): Promise<Trained> {
  const { config, tokenizer, template, base, adapter } = await readModelFolder(folder);
  const pairing = config.tiebreak?.pairing ?? "joint";
  const maxTokens = resolveMaxTokens(
    asked.maxTokens ?? config.tiebreak?.max_tokens,
    config,
    pairing,
    asked.batchTokens,
  );
  const features = config.tiebreak?.features;
  const encoding = { pairing, maxTokens, template, features };
  const options = {
    folder: base,
    adapter,
    lora: adapter && await readLora(adapter, config),
    config,
    quant: adapter && config.tiebreak?.quant,
    pairing,
    features,
    head: config.tiebreak?.head ?? "swap" as const,
    // The head alone, or with adapters, has gradients and moments: the least memory.
    method: adapter ? "lora" as const : "head" as const,
    trains: false,
    batch: 1,
    batchTokens: asked.batchTokens,
    maxTokens,
    weightDecay: 0,
    clip: 0,
    seed: 0,
    tune: asked.tune,
  };
  const created = await createEngine({ ...options, ...await schedulesOf(folder) });
  const { initialised } = created.engine;
  if (initialised.length > 0) {
    created.dispose();
    throw new InputError(
      `Cannot predict with ${folder}: it holds no "${
        initialised[0]
      }", so it was never trained on battles: train it first`,
    );
  }
  return { ...created, tokenizer, encoding };
}

/** Of the run that made the folder: on the same adapter they give the same last bits. None where they cannot be read. */
async function schedulesOf(folder: string): Promise<Pick<CreateEngineOptions, "schedules" | "schedulesOf">> {
  try {
    const { adapter, schedules } = JSON.parse(await Deno.readTextFile(join(folder, "run.json")));
    return isSchedules(schedules) ? { schedules, schedulesOf: adapter.name } : {};
  } catch {
    return {};
  }
}
