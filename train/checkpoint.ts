// Checkpoints: all that a run needs to go on as if it had never stopped, in `checkpoint/step-N/` of the run folder. The
// folder is written under another name, synced and renamed, so that a kill at any moment leaves a whole one or none.
//   progress.json       where the run stands
//   state.safetensors   parameters, first_moments, second_moments, best: the parameters of the best validation, and with
//                       --precision f16 loss_scale
import { isFolder } from "../model/model_files.ts";
import { join } from "node:path";
import { InputError } from "../errors.ts";
import { syncFolder, writeTextAtomically } from "../model/atomic_file.ts";
import { parseObject } from "../model/json_text.ts";
import { openSafetensors } from "../model/safetensors.ts";
import { writeSafetensors } from "../model/safetensors_write.ts";
import type { EngineState, Stored } from "./engine.ts";

/** Where a run stands between two optimizer steps. The data cursor follows from `step`: plans are seeded by the epoch. */
export interface Progress {
  /** Optimizer steps done. */
  step: number;
  /** Steps that were done when the last validation ran. */
  validatedStep: number;
  /** Of the best validation so far; 0 and null before the first. */
  bestStep: number;
  bestLogLoss: number | null;
  /** Validations since the best one, for --patience. */
  worseValidations: number;
}

export interface Checkpoint {
  progress: Progress;
  state: EngineState;
  /** Parameters of the best validation; absent before the first. */
  best?: Stored;
}

const freshProgress: Progress = { step: 0, validatedStep: 0, bestStep: 0, bestLogLoss: null, worseValidations: 0 };

export function startOfRun(): Progress {
  return { ...freshProgress };
}

/** Writes a checkpoint into the run folder, piece by piece, then removes the earlier ones. */
export async function writeCheckpoint(runFolder: string, { progress, state, best }: Checkpoint): Promise<void> {
  const all = join(runFolder, "checkpoint");
  const final = join(all, `step-${progress.step}`);
  const partial = `${final}.partial`;
  await removeFolder(partial);
  await Deno.mkdir(partial, { recursive: true });
  const tensors = {
    parameters: state.parameters,
    first_moments: state.firstMoments,
    second_moments: state.secondMoments,
    ...(best && { best }),
    ...(state.lossScale && { loss_scale: state.lossScale }),
  };
  const sources = Object.entries(tensors).map(([name, part]) => ({
    name,
    shape: [part.length],
    data: () => part.pieces(),
  }));
  await writeSafetensors(join(partial, "state.safetensors"), sources);
  await writeTextAtomically(join(partial, "progress.json"), JSON.stringify(progress, null, 2) + "\n");
  await syncFolder(partial);
  // A checkpoint of this very step can be there already, with the same parameters but before its validation. It
  // steps aside under a name that `readCheckpoint` still accepts, so that no moment is without a checkpoint.
  const aside = `${final}.old`;
  const again = await isFolder(final);
  if (again) {
    await removeFolder(aside);
    await Deno.rename(final, aside);
  }
  await Deno.rename(partial, final);
  await syncFolder(all);
  for await (const { name } of Deno.readDir(all)) {
    if (name !== `step-${progress.step}`) await removeFolder(join(all, name));
  }
}

/** The newest checkpoint of the run folder, its numbers still in the file; undefined if there is none.
 *  @throws {InputError} if it is damaged */
export async function readCheckpoint(runFolder: string): Promise<Checkpoint | undefined> {
  const name = await newest(join(runFolder, "checkpoint"));
  if (name === undefined) return undefined;
  const folder = join(runFolder, "checkpoint", name);
  const progress = await readProgress(join(folder, "progress.json"));
  const path = join(folder, "state.safetensors");
  const parts = await storedIn(path), { parameters, first_moments, second_moments, best, loss_scale } = parts;
  for (const [name, part] of Object.entries({ parameters, first_moments, second_moments, ...(best && { best }) })) {
    if (part && part.length === parameters.length) continue;
    throw new InputError(
      `Cannot resume from ${path}: it holds ${part?.length ?? "no"} ${name} beside ${parameters?.length ?? "no"} ` +
        "parameters: start again with --force",
    );
  }
  if ((best !== undefined) !== (progress.bestLogLoss !== null)) {
    throw new InputError(`Cannot resume from ${path}: progress.json and "best" disagree: start again with --force`);
  }
  const moments = { firstMoments: first_moments, secondMoments: second_moments };
  return { progress, state: { parameters, ...moments, ...(loss_scale && { lossScale: loss_scale }) }, best };
}

/** The tensors of a file, each read when it is asked for. */
async function storedIn(path: string): Promise<Record<string, Stored>> {
  const file = await openSafetensors(path);
  file.close();
  return Object.fromEntries([...file.tensors].map(([name, { shape }]) => {
    const pieces = async function* () {
      const again = await openSafetensors(path);
      try {
        yield await again.readF32(name);
      } finally {
        again.close();
      }
    };
    return [name, { length: shape.reduce((a, b) => a * b, 1), pieces }];
  }));
}

async function readProgress(path: string): Promise<Progress> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw new InputError(`Cannot resume from ${path}: ${(error as Error).message}: start again with --force`);
  }
  const found = parseObject(text, `Cannot resume from ${path}`, "start again with --force");
  for (const field of Object.keys(freshProgress)) {
    const value = found[field];
    const isSound = field === "bestLogLoss"
      ? value === null || (typeof value === "number" && Number.isFinite(value))
      : Number.isSafeInteger(value) && (value as number) >= 0;
    if (!isSound) {
      throw new InputError(
        `Cannot resume from ${path}: ${field} is ${JSON.stringify(value)}: start again with --force`,
      );
    }
  }
  return found as unknown as Progress;
}

/** `step-N` before `step-N.old`, the larger N first; what is not whole has another ending. */
async function newest(folder: string): Promise<string | undefined> {
  const found: { name: string; step: number; old: boolean }[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      const match = name.match(/^step-(\d+)(\.old)?$/);
      if (match) found.push({ name, step: Number(match[1]), old: match[2] !== undefined });
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  found.sort((a, b) => b.step - a.step || Number(a.old) - Number(b.old));
  return found[0]?.name;
}

async function removeFolder(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
