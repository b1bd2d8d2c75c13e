// Measured schedules, kept on disk: a start measures only on an adapter, driver, Deno or kernel it has not met.
// One JSON file for all adapters; whatever in it does not read as this file writes it is ignored, with a note.
import { join } from "node:path";
import { type Gpu } from "../gpu/device.ts";
import { PipelineCache } from "../gpu/pipelines.ts";
import { kernelDigest, type MeasuredSchedules, measureSchedules } from "../kernels/measure.ts";
import { isSchedules } from "../kernels/schedules.ts";
import { writeTextAtomically } from "../model/atomic_file.ts";
import { isObject } from "../model/json_text.ts";

export interface ScheduleOptions {
  /** Folder of the file; absent: nothing is kept. */
  folder?: string;
  /** Measure even if the file has an answer. @default {false} */
  fresh?: boolean;
  /** Told in one line when the file is of no use. */
  onNotice?: (line: string) => void;
  /** Replaced in tests. */
  measure?: (gpu: Gpu) => Promise<MeasuredSchedules>;
}

/** Where the schedules of all adapters are kept. */
export function schedulesFile(folder: string): string {
  return join(folder, "schedules.json");
}

/** The schedules of this adapter: from the file, else measured and written to it. */
export async function tunedSchedules(gpu: Gpu, options: ScheduleOptions): Promise<MeasuredSchedules> {
  const { folder, fresh = false, onNotice, measure = (gpu) => measureSchedules(gpu, new PipelineCache(gpu)) } = options;
  const path = folder && schedulesFile(folder);
  const entries = path ? await readEntries(path, onNotice) : {};
  const key = [gpu.report.name, gpu.report.driver, `deno ${Deno.version.deno}`, await kernelDigest()].join(" | ");
  const known = entries[key];
  if (!fresh && isMeasured(known)) return { schedules: known.schedules, rates: known.rates };
  if (!fresh && known !== undefined) {
    onNotice?.(`${path} has no schedules for this adapter that can be read: measuring anew`);
  }
  const measured = await measure(gpu);
  if (folder && path) {
    await Deno.mkdir(folder, { recursive: true });
    const text = JSON.stringify({ ...entries, [key]: { ...measured, measured: new Date().toISOString() } }, null, 2);
    await writeTextAtomically(path, text + "\n", `${path}.${Deno.pid}.partial`);
  }
  return measured;
}

async function readEntries(path: string, onNotice?: (line: string) => void): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) {
      onNotice?.(`Cannot read ${path}: ${(error as Error).message}: measuring anew`);
    }
    return {};
  }
  try {
    const entries = JSON.parse(text);
    if (isObject(entries)) return entries;
  } catch {
    // As below: what is no JSON object is of no use either.
  }
  onNotice?.(`${path} is damaged and will be replaced: measuring anew`);
  return {};
}

function isMeasured(entry: unknown): entry is MeasuredSchedules {
  if (!isObject(entry) || !isObject(entry.rates)) return false;
  const { NT, NN, TN } = entry.rates;
  return isSchedules(entry.schedules) && [NT, NN, TN].every((rate) => typeof rate === "number" && rate > 0);
}
