// `memory`: what training a model would hold on the adapter, from its configuration alone.
import { join } from "node:path";
import { ShapeError, UsageError } from "../errors.ts";
import { openGpu } from "../gpu/device.ts";
import { type PlannedAdapter, usualGpu } from "../gpu/planning.ts";
import { defaultSchedules } from "../kernels/schedules.ts";
import { type ModelConfig, parseConfig } from "../model/config.ts";
import { resolveConfig } from "../model/hub.ts";
import { type Method, trainsAdapters } from "../model/judge.ts";
import { knownConfigs } from "../model/known_configs.ts";
import { architectureOf } from "../model/registry.ts";
import { aligned } from "../report/format.ts";
import { engineChoices } from "../train/create_engine.ts";
import { choice } from "../train/flags.ts";
import { estimateMemory, type MemoryUse, totalBytes } from "../train/memory.ts";
import { loraOf, resolveLora } from "../train/lora_settings.ts";
import { baseForm, poolsOnce, resolveMaxTokens } from "../train/settings.ts";
import { trainFlags } from "../train/train_flags.ts";
import { parseCommand } from "./command.ts";
import { grouped } from "./progress.ts";

const { model, revision, offline, pairing, head, method, batch, batchTokens, maxTokens, checkpointLayers } = trainFlags;
const { loraRank, loraTargets, precision } = trainFlags;

const description = {
  name: "memory",
  summary:
    "Prints what training holds on the adapter, for each method, with and without --checkpoint-layers, and whether a " +
    "card of 16 or 24 GB holds it. The programs are recorded and planned as for a run, and nothing is allocated: a folder with " +
    `config.json is enough, and the configurations of ${Object.keys(knownConfigs).join(", ")} are built in.`,
  flags: {
    model,
    revision,
    offline,
    pairing,
    head,
    method: { ...method, otherwise: "each" },
    loraRank,
    loraTargets,
    quant: trainFlags.quant,
    batch,
    batchTokens,
    maxTokens,
    checkpointLayers: { ...checkpointLayers, default: undefined, otherwise: "both" },
    precision,
    adapter: choice(["usual", "here"], {
      group: "Size of a step",
      help: "limits and kernels of a usual GPU, or of the adapter here",
      default: "usual",
    }),
  },
  examples: [
    [
      "deno task memory --model google/gemma-2-9b --batch 1 --max-tokens 1024 --batch-tokens 1024",
      "one battle at a time",
    ],
    ["deno task memory --model models/mine --adapter here", "what a run here would hold"],
  ] as [string, string][],
};

/** Memory of a card that its driver and the screen take, roughly. */
const reservedGigabytes = 1;
const cards = [16, 24];

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { settings } = parsed;
  const config = await configOf(settings);
  const pairing = settings.pairing ?? config.tiebreak?.pairing ?? architectureOf(config).pairing;
  const length = resolveMaxTokens(settings.maxTokens, config, pairing, settings.batchTokens);
  const adapter = await adapterOf(settings.adapter);
  if (settings.quant && settings.method && settings.method !== "qlora") {
    throw new UsageError(`Cannot use --quant with --method ${settings.method}: leave one of them out`);
  }
  const methods = settings.method ? [settings.method] : method.choices as Method[];
  const rows: string[][] = [];
  const refusals = new Set<string>();
  let tokens = 0;
  for (const each of methods) {
    for (const checkpoints of settings.checkpointLayers === undefined ? [false, true] : [settings.checkpointLayers]) {
      // Where every method is shown, flags of one are not meant for the others.
      const adapters = resolveLora(settings.method || trainsAdapters(each) ? settings : {}, each);
      const lora = await loraOf({ ...adapters, method: each, pairing }, { config });
      const asked = {
        lora,
        quant: each === "qlora" ? settings.quant ?? "nf4" : baseForm({ method: each, precision: settings.precision }),
        ...{
          config,
          pairing,
          head: settings.head ?? config.tiebreak?.head ?? "swap",
          method: each,
          batch: settings.batch,
          maxTokens: length,
        },
        ...{ batchTokens: settings.batchTokens, checkpointLayers: checkpoints, weightDecay: 0.01, clip: 1 },
        precision: settings.precision,
        pooledOnce: poolsOnce({ method: each, pairing, poolOnce: trainFlags.poolOnce.default }),
      };
      const choices = engineChoices(adapter, asked);
      tokens = choices.capacity.tokens;
      const schedules = defaultSchedules(adapter.report.isCpu);
      const layers = checkpoints ? "recomputed" : "kept";
      try {
        rows.push([each, layers, ...figures(estimateMemory(adapter, { ...asked, ...choices, schedules }))]);
      } catch (error) {
        if (!(error instanceof ShapeError)) throw error;
        refusals.add(`--method ${each}: ${error.message}`);
      }
    }
  }
  console.log(
    `${settings.model}, ${pairing}, ${grouped(tokens)} tokens a micro-batch, on ${adapter.report.name}; MiB\n`,
  );
  const columns = [
    "method",
    "layers",
    "parameters",
    "frozen",
    "gradients",
    "moments",
    "activations",
    "textures",
    "inputs",
  ];
  for (const line of aligned([[...columns, "total", ...cards.map((card) => `${card} GB`)], ...rows], 2)) {
    console.log(line);
  }
  for (const line of refusals) console.log(line);
  console.log(`\nA card holds what leaves ${reservedGigabytes} GB of it to driver and screen.`);
}

function figures(use: MemoryUse): string[] {
  const total = totalBytes(use), order = [use.parameters, use.frozen, use.gradients, use.moments, use.activations];
  const fits = cards.map((card) => total <= (card - reservedGigabytes) * 2 ** 30 ? "yes" : "no");
  return [...[...order, use.textures, use.inputs, total].map((bytes) => grouped(Math.ceil(bytes / 2 ** 20))), ...fits];
}

/** From a folder, from the built-in table, or from the Hub's cache or the Hub. */
async function configOf(source: { model: string; revision?: string; offline: boolean }): Promise<ModelConfig> {
  const isFolder = await Deno.stat(source.model).then(({ isDirectory }) => isDirectory, () => false);
  const known = !isFolder && Object.hasOwn(knownConfigs, source.model) ? knownConfigs[source.model] : undefined;
  if (known) return parseConfig(JSON.stringify(known), join(source.model, "config.json"));
  const { text, path } = await resolveConfig(source.model, source);
  return parseConfig(text, path);
}

async function adapterOf(which: "usual" | "here"): Promise<PlannedAdapter> {
  if (which === "usual") return usualGpu;
  const gpu = await openGpu();
  const { maxStorageBufferBindingSize, maxBufferSize, maxTextureDimension2D, maxComputeWorkgroupsPerDimension } =
    gpu.limits;
  const limits = {
    maxStorageBufferBindingSize,
    maxBufferSize,
    maxTextureDimension2D,
    maxComputeWorkgroupsPerDimension,
  };
  gpu.dispose();
  return { report: gpu.report, limits };
}
