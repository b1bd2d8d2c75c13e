// Measured schedules, kept on disk: a start measures only on an adapter, driver, Deno or kernel it has not met.
// One JSON file for all adapters; whatever in it does not read as this file writes it is ignored, with a note.
import { dirname, join } from "node:path";
import { type Gpu } from "../gpu/device.ts";
import { PipelineCache } from "../gpu/pipelines.ts";
import { kernelDigest, type MeasuredSchedules, measureSchedules } from "../kernels/measure.ts";
import { measureClasses } from "../kernels/measure_classes.ts";
import { type Candidate } from "../kernels/measure_product.ts";
import { isSchedules, type Schedules } from "../kernels/schedules.ts";
import { writeTextAtomically } from "../model/atomic_file.ts";
import { isObject } from "../model/json_text.ts";

export interface ScheduleOptions {
  /** Folder of the file; absent: nothing is kept. */
  folder?: string;
  /** Measure even if the file has an answer. @default {false} */
  fresh?: boolean;
  /** Names of the classes of products that are wanted; see kernels/shape_classes.ts. @default {none} */
  classes?: readonly string[];
  /** Told in one line when the file is of no use. */
  onNotice?: (line: string) => void;
  /** Told of everything that is timed. */
  onCandidate?: (candidate: Candidate) => void;
  /** Replaced in tests. */
  measure?: {
    schedules(): Promise<MeasuredSchedules>;
    classes(base: Schedules, names: readonly string[]): Promise<Schedules["classes"]>;
  };
}

/** Where the schedules of all adapters are kept. */
export function schedulesFile(folder: string): string {
  return join(folder, "schedules.json");
}

/** The schedules of this adapter and of the classes asked for, no others: from the file, else measured and written to it.
 *  @returns also whether the file has them now */
export async function tunedSchedules(
  gpu: Gpu,
  options: ScheduleOptions,
): Promise<MeasuredSchedules & { kept: boolean }> {
  const { folder, fresh = false, classes = [], onNotice, onCandidate, measure = measuring(gpu, onCandidate) } = options;
  const path = folder && schedulesFile(folder);
  const entries = path ? await readEntries(path, onNotice) : {};
  const key = [gpu.report.name, gpu.report.driver, `deno ${Deno.version.deno}`, await kernelDigest()].join(" | ");
  const entry = entries[key], known = isMeasured(entry) ? entry : undefined;
  if (!fresh && entry !== undefined && !known) {
    onNotice?.(`${path} has no schedules for this adapter that can be read: measuring anew`);
  }
  const knownClasses = known?.schedules.classes ?? {};
  const { schedules, rates } = known && !fresh ? known : await measure.schedules();
  const wanted = fresh ? [...classes, ...Object.keys(knownClasses)] : classes.filter((name) => !knownClasses[name]);
  const measured = { ...(!fresh && knownClasses), ...(wanted.length > 0 && await measure.classes(schedules, wanted)) };
  let kept = path !== undefined;
  if (path && (fresh || !known || wanted.length > 0)) {
    const answer = { schedules: { ...schedules, classes: measured }, rates, measured: new Date().toISOString() };
    const text = JSON.stringify({ ...entries, [key]: answer }, null, 2) + "\n";
    try {
      await Deno.mkdir(dirname(path), { recursive: true });
      await writeTextAtomically(path, text, `${path}.${Deno.pid}.partial`);
    } catch (error) {
      kept = false;
      onNotice?.(`The schedules are not kept for other runs: ${(error as Error).message}`);
    }
  }
  const chosen = Object.entries(measured).filter(([name]) => classes.includes(name));
  return { schedules: { ...schedules, classes: Object.fromEntries(chosen) }, rates, kept };
}

function measuring(gpu: Gpu, onCandidate?: (candidate: Candidate) => void): NonNullable<ScheduleOptions["measure"]> {
  const pipelines = new PipelineCache(gpu);
  return {
    schedules: () => measureSchedules(gpu, pipelines, onCandidate),
    classes: (base, names) => measureClasses(gpu, pipelines, { base, classes: names, onCandidate }),
  };
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
