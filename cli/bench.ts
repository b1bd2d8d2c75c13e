// `bench`: figures of this adapter, kernel by kernel and end to end, as a table, as JSON, or as a page of results.
import { join, resolve } from "node:path";
import { chartPage } from "../bench/chart.ts";
import { compareLines, readEarlier } from "../bench/compare.ts";
import { circumstances } from "../bench/circumstances.ts";
import { goalLines } from "../bench/goals.ts";
import { bySection, factLines, jsonLine, type RunFacts, textTable } from "../bench/report.ts";
import { resultsPage } from "../bench/results_page.ts";
import { type PeerName, peerNames } from "../bench/peer_process.ts";
import { peerKernels } from "../bench/peers.ts";
import { openBench } from "../bench/runs.ts";
import { benchKernels, chosenKernels, runSuite } from "../bench/suite.ts";
import { InputError, UsageError } from "../errors.ts";
import { openGpu } from "../gpu/device.ts";
import { writeTextAtomically } from "../model/atomic_file.ts";
import { defaultModel, resolveModel } from "../model/hub.ts";
import { isModelId } from "../model/hub_cache.ts";
import { isFile, isFolder } from "../model/model_files.ts";
import { defaultPipSource } from "../model/pip_source.ts";
import { integer, text, toggle } from "../train/flags.ts";
import { fileSha256 } from "../train/run_record.ts";
import { parseCommand } from "./command.ts";
import { checkWritable } from "./out_file.ts";

const what = "What to measure", output = "Output";

const description = {
  name: "bench",
  summary:
    "Measures this adapter's own ceilings, the kernels, a training step and the start of a run. With a kernel: those " +
    `whose names hold the word. Kernels: ${benchKernels.join(", ")}.`,
  argument: ["[kernel]", "part of a kernel's name"] as [string, string],
  flags: {
    model: text({
      group: what,
      value: "FOLDER|ID",
      help: "weights to train with, on this disk",
      otherwise: "MiniLM from the caches, else random weights of its shape",
    }),
    tokens: integer({ group: what, help: "tokens of a micro-batch", default: 2048, min: 512, max: 1 << 20 }),
    rounds: integer({ group: what, help: "samples of each figure", default: 7, min: 1, max: 1000 }),
    against: text({
      group: what,
      value: "NAMES",
      help: `compare with others on this machine: ${peerNames.join(", ")}, or several with commas`,
    }),
    skipCold: toggle({ group: what, help: "do not start with empty shader caches", default: false }),
    json: toggle({ group: output, help: "print one JSON line a row", default: false }),
    compare: text({ group: output, value: "FILE", help: "compare with what --json printed earlier" }),
    write: text({ group: output, value: "FILE", help: "write a page of results, in Markdown" }),
    chart: text({ group: output, value: "FILE", help: "write a page of charts, in HTML" }),
  },
  examples: [
    ["deno task bench", "everything: a quarter of an hour on a CPU adapter"],
    ["deno task bench matmul", "the matrix products alone"],
    ["deno task bench --json > before.json", "to compare with later"],
    ["deno task bench matmul --compare before.json", "what a change did"],
    ["deno task bench against --against tfjs,jax", "matmul and a block beside others; fetches them first"],
    ["deno task bench --write docs/results.md", "the page of results"],
  ] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { model, tokens, rounds, skipCold, json, compare, write, chart } = parsed.settings;
  const against = peersOf(parsed.settings.against);
  const kernel = parsed.argument;
  const chosen = chosenKernels(kernel), others = peerKernels.filter((name) => chosen.has(name));
  if (against.length > 0 && others.length === 0) {
    throw new UsageError(
      `Cannot use --against with "${kernel}": use "against", or a part of ${peerKernels.join(", ")}`,
    );
  }
  if (against.length === 0 && others.length === chosen.size) {
    throw new UsageError(
      `Cannot measure "${kernel}" alone: say beside whom with --against, e.g. ${peerNames.join(",")}`,
    );
  }
  if (write !== undefined) await checkWritable(write, "--write", { force: true });
  if (chart !== undefined) await checkWritable(chart, "--chart", { force: true });
  const earlier = compare === undefined ? undefined : await readEarlier(compare);
  const folder = await findWeights(model);
  const gpu = await openGpu();
  try {
    const bench = await openBench(gpu, rounds);
    const facts: RunFacts = {
      ...await circumstances(gpu),
      clock: bench.stopwatch.kind,
      model: await describeWeights(folder, model),
    };
    const show = json ? console.error : console.log;
    for (const line of [...factLines(facts), ...(gpu.report.warning ? [gpu.report.warning] : [])]) show(line);
    const started = performance.now();
    const rows = await runSuite(bench, {
      kernel,
      tokens,
      folder,
      skipCold,
      against,
      say: (line) => console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${line}`),
      onRows(rows) {
        if (json) { for (const row of rows) console.log(jsonLine(row, facts)); }
        else for (const [title, part] of bySection(rows)) console.log(`\n${textTable(title, part)}`);
      },
    });
    const goals = goalLines(rows);
    if (goals.length > 0) show(`\n${goals.join("\n")}`);
    if (earlier) show(`\nAgainst ${compare}\n${compareLines(rows, earlier, facts).join("\n")}`);
    if (write !== undefined) await writePage(write, resultsPage(rows, facts));
    if (chart !== undefined) await writePage(chart, chartPage(rows, facts));
  } finally {
    gpu.dispose();
  }
}

/** @throws {UsageError} if a name is nobody's */
function peersOf(names: string | undefined): PeerName[] {
  return (names?.split(",") ?? []).map((name) => {
    const known = peerNames.find((known) => known === name.trim());
    if (known) return known;
    throw new UsageError(`Cannot compare with "${name}": use one of ${peerNames.join(", ")}, or several with commas`);
  });
}

/** The folder of the weights, an absolute path; nothing is fetched. @throws {InputError} if a model is named that is not on this disk */
async function findWeights(model: string | undefined): Promise<string | undefined> {
  try {
    return resolve(await resolveModel(model ?? defaultModel, { offline: true }));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    if (model === undefined) return undefined;
    if (await isFolder(model)) throw error;
    throw new InputError(`Cannot measure with ${model}: it is not on this disk: train with it once, or name a folder`);
  }
}

/** A page of results names no folder of somebody's machine: weights are known by their digest. */
async function describeWeights(folder: string | undefined, model: string | undefined): Promise<string> {
  if (folder === undefined) return "random weights in the shape of MiniLM-L6: none are on this disk";
  const file = join(folder, "model.safetensors");
  const digest = await isFile(file) ? await fileSha256(file) : undefined;
  if (digest === defaultPipSource.files["model.safetensors"]) return defaultPipSource.id;
  return model !== undefined && isModelId(model) && model !== folder
    ? model
    : `weights of a folder${digest ? `, sha256 ${digest.slice(0, 12)}` : ""}`;
}

async function writePage(path: string, page: string): Promise<void> {
  await writeTextAtomically(path, page);
  console.error(`${path} written`);
}
