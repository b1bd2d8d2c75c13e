// `tune`: measures the kernels' schedules on this adapter again, whatever the cache holds, and keeps them.
import { openGpu } from "../gpu/device.ts";
import { tileText } from "../kernels/measure.ts";
import { type ProductTiles } from "../kernels/schedules.ts";
import { ownCache, processEnvironment } from "../model/environment.ts";
import { toggle } from "../train/flags.ts";
import { schedulesFile, tunedSchedules } from "../train/schedule_cache.ts";
import { usualClasses } from "../train/usual_classes.ts";
import { parseCommand } from "./command.ts";

const description = {
  name: "tune",
  summary:
    "Times every variant of the matrix product on this adapter and keeps the choices, as the first start does by itself: one " +
    "for all products, then one for each class of sizes that a run here has used or the default model uses. " +
    "Worth it where the machine was busy then. Runs that are resumed keep the schedules they began with.",
  flags: {
    json: toggle({ group: "Output", help: "print the schedules as JSON", default: false }),
  },
  examples: [["deno task tune", "measure again"]] as [string, string][],
};

/** Runs the command. */
export async function run(args: string[]): Promise<void> {
  const parsed = parseCommand(description, args);
  if (!parsed) return;
  const { json } = parsed.settings;
  const show = json ? console.error : console.log;
  const gpu = await openGpu();
  try {
    show(`adapter  ${gpu.report.name}${gpu.report.isCpu ? " (a CPU adapter)" : ""}`);
    if (gpu.report.warning) show(gpu.report.warning);
    const started = performance.now();
    const folder = ownCache(processEnvironment);
    const { schedules, kept } = await tunedSchedules(gpu, {
      folder,
      fresh: true,
      classes: usualClasses(gpu),
      onNotice: (line) => console.error(line),
      onCandidate: ({ form, shapeClass = form, name, rate }) =>
        show(`${shapeClass.padEnd(23)}  ${name.padEnd(40)} ${rate.toFixed(1).padStart(8)} GFLOP/s`),
    });
    if (json) console.log(JSON.stringify(schedules, null, 2));
    const { texture, classes = {} } = schedules;
    show(
      texture
        ? `Operands go through textures: ${
          Object.entries(texture).map(([form, { rows, columns }]) => `${form} ${rows} x ${columns * 4}`).join(", ")
        }`
        : "Operands go through workgroup memory",
    );
    for (const [name, tiles] of Object.entries(classes)) show(`${name.padEnd(23)}  ${tilesText(tiles)}`);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    show(
      `Measured in ${seconds} s${
        folder && kept ? `, kept in ${schedulesFile(folder)}` : ", kept nowhere: there is no cache folder to write into"
      }`,
    );
  } finally {
    gpu.dispose();
  }
}

function tilesText({ texture, tile }: ProductTiles): string {
  return texture ? `textures ${texture.rows} x ${texture.columns * 4}` : `tiles ${tileText(tile)}`;
}
