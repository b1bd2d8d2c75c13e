// The settings of a training run: what the user typed, with the defaults that depend on the model, checked against it and each other.
import { UsageError } from "../errors.ts";
import { type BaseForm } from "../model/parameters.ts";
import { type DropoutRates } from "../model/dropout_sites.ts";
import { type NumberSet } from "../data/numbers.ts";
import { type Precision } from "../kernels/tape.ts";
import { type Method } from "../model/judge.ts";
import { type LoraForm } from "../model/lora.ts";
import { type Pairing, type SiameseHead, type TiebreakEntry } from "../model/tiebreak_entry.ts";
import { resolveLora } from "./lora_settings.ts";
import { type TrainFlags } from "./train_flags.ts";

/** Every setting of a run; nothing is left to be chosen but `batchTokens`, which depends on the adapter. */
export interface TrainSettings extends Omit<TrainFlags, "resume" | "force" | "offline" | "out"> {
  pairing: Pairing;
  head: SiameseHead;
  swapAugment: boolean;
  maxTokens: number;
  lr: number;
  epochs: number;
  method: Method;
  checkpointLayers: boolean;
  features: NumberSet;
}

/** What the built-in sample wants in place of the defaults: so few and so clear battles bear a high rate (docs/sample.md). */
const sampleRecipe = { lr: 3e-4, epochs: 1 };

/** Fills in what depends on the model.
 *  @param defaultPairing the architecture's own: decoders are those that pair jointly
 *  @param adapter the adapters that the model's folder holds
 *  @throws {UsageError} if a flag does not suit the model or another flag */
export function resolveSettings(
  flags: TrainFlags,
  config: { max_position_embeddings: number; tiebreak?: Partial<TiebreakEntry> },
  defaultPairing: Pairing,
  adapter?: LoraForm,
): TrainSettings {
  const { resume: _resume, force: _force, offline: _offline, out: _out, ...settings } = flags;
  checkFolds(flags);
  const pairing = flags.pairing ?? config.tiebreak?.pairing ?? defaultPairing;
  // Adapters go on in the form of the base that they were trained on.
  const ownForm = adapter && config.tiebreak?.quant, ownQuant = ownForm === "f16" ? undefined : ownForm;
  const method = flags.method ?? (ownQuant ? "qlora" : adapter || defaultPairing === "joint" ? "lora" : "full");
  const isSample = flags.data === undefined;
  if (method === "head" && flags.trainLayers !== undefined) {
    throw new UsageError("Cannot use --train-layers with --method head, which trains none: leave one of them out");
  }
  const features = resolveFeatures(flags.features, config, pairing);
  const head = flags.head ?? config.tiebreak?.head ?? "swap";
  if (pairing === "siamese" && config.tiebreak?.pairing === "siamese") checkHead(config.tiebreak, head, features);
  if (method !== "qlora" && flags.quant !== undefined) {
    throw new UsageError(`Cannot use --quant with --method ${method}: leave it out, or add --method qlora`);
  }
  return {
    ...settings,
    ...resolveLora(flags, method, adapter),
    ...(method === "qlora" && { quant: flags.quant ?? ownQuant ?? "nf4" }),
    checkpointLayers: flags.checkpointLayers ?? method === "qlora",
    method,
    pairing,
    head,
    features,
    maxTokens: resolveMaxTokens(flags.maxTokens ?? config.tiebreak?.max_tokens, config, pairing, flags.batchTokens),
    swapAugment: flags.swapAugment ?? pairing === "joint",
    lr: flags.lr ?? { head: 1e-3, lora: 2e-4, qlora: 2e-4, full: isSample ? sampleRecipe.lr : 5e-5 }[method],
    epochs: flags.epochs ??
      (isSample && method === "full" ? sampleRecipe.epochs : poolsOnce({ ...flags, method, pairing }) ? 5 : 2),
  };
}

/** @throws {UsageError} if the head of the run that is trained on is another one */
function checkHead(run: Partial<TiebreakEntry>, head: SiameseHead, features: NumberSet): void {
  if (head !== run.head) {
    throw new UsageError(`Cannot use --head ${head}: the run in --model has the head ${run.head}: leave it out`);
  }
  if (features === "length" && run.features !== "length") {
    throw new UsageError(
      "Cannot use --features length: the head of the run in --model knows no numbers: name its base",
    );
  }
}

/** @throws {UsageError} if they do not suit the pairing */
export function resolveFeatures(
  asked: NumberSet | undefined,
  { tiebreak }: { tiebreak?: { features?: NumberSet } },
  pairing: Pairing,
): NumberSet {
  const features = asked ?? (pairing === "siamese" ? tiebreak?.features : undefined) ?? "none";
  if (features === "none" || pairing === "siamese") return features;
  throw new UsageError("Cannot use --features length with joint pairs: leave it out, or add --pairing siamese");
}

/** Whether sequences go through the backbone once and for all. Runs that began before there was the choice run it at each step. */
export function poolsOnce(
  { method, pairing, poolOnce }: { method: Method; pairing: Pairing; poolOnce?: boolean },
): boolean {
  return method === "head" && pairing === "siamese" && poolOnce === true;
}

/** The form in which a run holds the weights that its adapters are trained on; floats of 32 bits where undefined. */
export function baseForm(
  { method, quant, precision }: { method: Method; quant?: BaseForm; precision?: Precision },
): BaseForm | undefined {
  return method === "lora" && precision === "f16" ? "f16" : quant;
}

function checkFolds({ folds, fold, valid }: TrainFlags): void {
  if (fold !== undefined && folds === undefined) {
    throw new UsageError(`Cannot use --fold ${fold} alone: say of how many with --folds`);
  }
  if (folds === undefined) return;
  if (fold === undefined) {
    throw new UsageError(`Cannot use --folds ${folds} alone: choose one with --fold, or use deno task crossvalidate`);
  }
  if (fold > folds) throw new UsageError(`Cannot use --fold ${fold} of --folds ${folds}: count from 1 to ${folds}`);
  if (valid !== undefined) throw new UsageError("Cannot use --folds with --valid: leave one of them out");
}

/** Tokens of one sequence, checked against the model's positions and the micro-batch, which holds whole battles. */
export function resolveMaxTokens(
  asked: number | undefined,
  { max_position_embeddings: positions }: { max_position_embeddings: number },
  pairing: Pairing,
  batchTokens: number | undefined,
): number {
  if (asked !== undefined && asked > positions) {
    throw new UsageError(`Cannot use --max-tokens ${asked}: the model has ${positions} positions: lower it`);
  }
  const maxTokens = asked ?? Math.min(512, positions);
  const battleTokens = maxTokens * (pairing === "siamese" ? 2 : 1);
  if (batchTokens !== undefined && batchTokens < battleTokens) {
    throw new UsageError(
      `Cannot use --batch-tokens ${batchTokens}: one battle may hold ${battleTokens} tokens: raise it or lower --max-tokens`,
    );
  }
  return maxTokens;
}

/** Probability of dropping at each kind of site: the model's own, or one for all. */
export function dropoutRates({ dropout }: { dropout?: number }, own: DropoutRates): DropoutRates {
  if (dropout === undefined) return own;
  return { hidden: dropout, attention: dropout, classifier: dropout, ...("pooler" in own && { pooler: dropout }) };
}
