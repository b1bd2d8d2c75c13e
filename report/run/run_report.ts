// The report of one run: how the loss fell, what was validated, how fast it went, where the time went, what was set.
import { flagName } from "../../train/flags.ts";
import { trainFlags } from "../../train/train_flags.ts";
import type { KernelTimes } from "../../train/kernel_times.ts";
import { type Phase, phases } from "../../train/time_spent.ts";
import { duration, oneLine, percent, plural, whole } from "../format.ts";
import { figure, paragraph, renderPage, type Section, table } from "../page.ts";
import { colours, draw, marginFor, Plot, shortened } from "../plot.ts";
import {
  bestValidation,
  meanOver,
  settingWords,
  smoothed,
  stepAxis,
  thinned,
  throughput,
  tokensPerSecond,
  totalMs,
} from "./numbers.ts";
import type { Run } from "./read_run.ts";

/** The HTML file. */
export function runReport(run: Run): string {
  const { name, steps, validations, started } = run;
  const end = steps.at(-1)?.step ?? 0;
  return renderPage({
    title: `Run ${name}`,
    introduction: [
      `${plural(end, "optimizer step")}, ${plural(validations.length, "validation")}` +
      (started ? `; begun ${started.slice(0, 16).replace("T", " ")} UTC.` : "."),
      ...(steps.length === 0 ? ["No step was taken: the folder holds the model as it was initialised."] : []),
    ],
    tiles: tiles(run),
    sections: [
      ...(steps.length > 0 ? [lossSection(run)] : []),
      ...(validations.length > 0 ? [validationSection(run)] : []),
      ...(steps.length > 0 ? [rateSection(run), throughputSection(run)] : []),
      ...(Object.keys(run.times).length > 0 ? [timeSection(run)] : []),
      ...(run.kernels ? [kernelSection(run.kernels)] : []),
      settingsSection(run),
      circumstances(run),
    ],
  });
}

function tiles(run: Run): { value: string; words: string }[] {
  const best = bestValidation(run);
  return [
    ...(best
      ? [
        {
          value: best.logLoss.toFixed(4),
          words: `best validation log loss, at step ${whole(best.step)}, with accuracy ${percent(best.accuracy)}`,
        },
      ]
      : []),
    ...(run.steps.length > 0
      ? [
        { value: smoothed(run.steps).at(-1)!.value.toFixed(4), words: "loss of the last steps" },
        { value: whole(tokensPerSecond(run)), words: "tokens a second while training" },
      ]
      : []),
    { value: duration(totalMs(run)), words: Object.keys(run.times).length > 0 ? "in all" : "of training steps" },
  ];
}

function lossSection(run: Run): Section {
  const { steps, validations } = run;
  const each = thinned(steps.map(({ step, loss }) => ({ step, value: loss }))), mean = thinned(smoothed(steps));
  const best = bestValidation(run);
  const kinds = ["training step", "mean of steps", "validation"];
  const svg = draw("Loss by step", {
    height: 320,
    marginLeft: 52,
    marginRight: 24,
    x: stepAxis(steps),
    y: { label: "loss", nice: true, zero: false },
    color: { domain: kinds, range: [colours.tie, colours.a, colours.b], legend: true },
    marks: [
      Plot.gridY({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.dot(each, { x: "step", y: "value", fill: () => kinds[0], r: each.length > 200 ? 1.2 : 2, fillOpacity: 0.6 }),
      Plot.lineY(mean, { x: "step", y: "value", stroke: () => kinds[1], strokeWidth: 2 }),
      Plot.lineY(validations, { x: "step", y: "logLoss", stroke: () => kinds[2], strokeWidth: 1.5 }),
      Plot.dot(validations, {
        x: "step",
        y: "logLoss",
        fill: () => kinds[2],
        r: 4,
        title: ({ step, logLoss }) => `step ${step}: ${logLoss.toFixed(4)}`,
      }),
    ],
  });
  const apart = best && steps.length > 1 ? best.logLoss - smoothed(steps).at(-1)!.value : undefined;
  const reading = best
    ? ` Best validation: ${best.logLoss.toFixed(4)} at step ${whole(best.step)}` +
      (apart! > 0.1 ? `, ${apart!.toFixed(2)} above the loss of the last steps: a sign of learning by heart.` : ".")
    : " Nothing was held out to validate on.";
  return {
    title: "Loss",
    parts: [figure(
      svg,
      `Training loss of each step (of other battles each time, with dropout and label smoothing), its mean over ${
        plural(meanOver(steps), "step")
      }, and the log loss of the validation battles.${reading}`,
    )],
  };
}

function validationSection(run: Run): Section {
  const { validations } = run, best = bestValidation(run)!;
  const known = validations.some(({ expectedLogLoss }) => expectedLogLoss !== undefined);
  const shown = validations.length <= 30 ? validations : validations.slice(-30);
  const header = ["step", "log loss", "accuracy", ...(known ? ["expected log loss"] : []), ""];
  const rows = shown.map((row) => [
    whole(row.step),
    row.logLoss.toFixed(4),
    percent(row.accuracy),
    ...(known ? [row.expectedLogLoss?.toFixed(4) ?? "–"] : []),
    row === best ? "kept" : "",
  ]);
  const left = validations.length - shown.length;
  return {
    title: "Validation",
    parts: [
      table(header, rows),
      ...(left > 0 ? [paragraph(`The last ${shown.length}; ${plural(left, "earlier one")} left out.`)] : []),
    ],
  };
}

function rateSection({ steps, settings }: Run): Section {
  const rates = thinned(steps.map(({ step, lr }) => ({ step, value: lr })));
  const taken = steps.flatMap(({ step, gradNorm }) => gradNorm === undefined ? [] : [{ step, value: gradNorm }]);
  const norms = thinned(taken), leftOut = steps.length - taken.length;
  const clip = Number(settings.clip), clipped = taken.filter(({ value }) => clip > 0 && value > clip).length;
  const small = { height: 210, marginLeft: 64, marginRight: 24, x: stepAxis(steps) };
  const rate = draw("Learning rate by step", {
    ...small,
    y: { label: "learning rate", zero: true, nice: true, ticks: 5, tickFormat: (value: number) => exponent(value) },
    marks: [
      Plot.gridY({ ticks: 5, stroke: colours.pale, strokeOpacity: 1 }),
      Plot.lineY(rates, { x: "step", y: "value", stroke: colours.accent, strokeWidth: 2 }),
      Plot.dot(rates.length === 1 ? rates : [], { x: "step", y: "value", fill: colours.accent }),
    ],
  });
  const norm = draw("Gradient norm by step", {
    ...small,
    y: { label: "gradient norm", nice: true, ticks: 5, zero: true },
    marks: [
      Plot.gridY({ ticks: 5, stroke: colours.pale, strokeOpacity: 1 }),
      ...(clip > 0 ? [Plot.ruleY([clip], { stroke: colours.b, strokeDasharray: "4 3" })] : []),
      Plot.dot(norms, { x: "step", y: "value", fill: colours.a, r: norms.length > 200 ? 1.2 : 2 }),
    ],
  });
  return {
    title: "Learning rate and gradients",
    parts: [
      figure(
        rate,
        `The ${settingWords(settings.schedule)} schedule, peak ${exponent(Number(settings.lr))}, ${
          percent(Number(settings.warmup))
        } of the steps warming up.`,
      ),
      figure(
        norm,
        `Norm of all gradients before clipping.` +
          (leftOut > 0
            ? ` ${plural(leftOut, "step")} with gradients beyond f16 left out, the loss scale halved.`
            : "") +
          (clip > 0
            ? ` The dashed line is --clip: ${plural(clipped, "step")} of ${
              whole(steps.length)
            } went over it and were shortened.`
            : " Nothing was clipped."),
      ),
    ],
  };
}

/** `0.00005` -> `5e-5`. */
function exponent(value: number): string {
  return value !== 0 && Math.abs(value) < 0.01
    ? Number(value.toPrecision(3)).toExponential().replace("e+", "e")
    : String(Number(value.toPrecision(3)));
}

function throughputSection(run: Run): Section {
  const points = throughput(run.steps);
  const svg = draw("Tokens a second by step", {
    height: 210,
    marginLeft: 64,
    marginRight: 24,
    x: stepAxis(run.steps),
    y: { label: "tokens a second", zero: true, nice: true, ticks: 5 },
    marks: [
      Plot.gridY({ ticks: 5, stroke: colours.pale, strokeOpacity: 1 }),
      Plot.lineY(points, { x: "step", y: "tokensPerSecond", stroke: colours.a, strokeWidth: 1.5 }),
      Plot.dot(points.length <= 200 ? points : [], { x: "step", y: "tokensPerSecond", fill: colours.a, r: 2.5 }),
      Plot.ruleY([0]),
    ],
  });
  const tokens = run.steps.reduce((sum, row) => sum + row.tokens, 0);
  return {
    title: "Throughput",
    parts: [figure(
      svg,
      `Tokens trained on a second, of steps that were read together (--log-every ${
        settingWords(run.settings.logEvery)
      }); ${whole(tokens)} tokens in all, ${
        whole(tokens / run.steps.length)
      } a step. The first steps compile and are slower.`,
    )],
  };
}

function timeSection(run: Run): Section {
  const total = totalMs(run);
  const rows = (Object.keys(phases) as Phase[]).map((phase) => ({ name: phases[phase], ms: run.times[phase] ?? 0 }))
    .filter(({ ms }) => ms > 0);
  const svg = draw("Where the time went", {
    height: 56 + 24 * rows.length,
    marginLeft: marginFor(rows.map(({ name }) => name)) + 10,
    marginRight: 130,
    x: { label: "share of the time (%)", percent: true, ticks: 5 },
    y: { label: null, domain: rows.map(({ name }) => name), padding: 0.25 },
    marks: [
      Plot.gridX({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.barX(rows, { y: "name", x: ({ ms }) => ms / total, fill: colours.accent }),
      Plot.text(rows, {
        y: "name",
        x: ({ ms }) => ms / total,
        dx: 6,
        textAnchor: "start",
        text: ({ ms }) => `${percent(ms / total)}  (${ms < 1000 ? `${whole(ms)} ms` : duration(ms)})`,
      }),
      Plot.ruleX([0]),
    ],
  });
  return {
    title: "Where the time went",
    parts: [figure(
      svg,
      "Measured by the training loop, by the clock. " +
        (run.adapter.isCpu
          ? "This CPU adapter computes inside the submit, so its work counts as encoding and submitting. "
          : "The adapter computes while the loop packs, uploads and encodes the next step; what is waited for is its own work. ") +
        "A run that was stopped and resumed counts all its parts.",
    )],
  };
}

const kernelsShown = 15;

function kernelSection({ tokens, battles, kernels }: KernelTimes): Section {
  const total = kernels.reduce((sum, { ms }) => sum + ms, 0);
  const rest = kernels.slice(kernelsShown);
  const shown = kernels.slice(0, kernelsShown).map(({ kernel, ms, dispatches }) => ({
    name: shortened(oneLine(String(kernel), 60), 34),
    ms,
    dispatches,
  }));
  if (rest.length > 0) {
    const sum = (key: "ms" | "dispatches") => rest.reduce((total, one) => total + one[key], 0);
    shown.push({ name: plural(rest.length, "other"), ms: sum("ms"), dispatches: sum("dispatches") });
  }
  const svg = draw("Time of each kernel", {
    height: 56 + 21 * shown.length,
    marginLeft: marginFor(shown.map(({ name }) => name)),
    marginRight: 215,
    x: { label: "share of a micro-step (%)", percent: true, ticks: 5 },
    y: { label: null, domain: shown.map(({ name }) => name), padding: 0.25 },
    marks: [
      Plot.gridX({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.barX(shown, { y: "name", x: ({ ms }) => ms / total, fill: colours.accent }),
      Plot.text(shown, {
        y: "name",
        x: ({ ms }) => ms / total,
        dx: 6,
        textAnchor: "start",
        text: ({ ms, dispatches }) =>
          `${percent(ms / total)}  (${ms.toPrecision(3)} ms, ${plural(dispatches, "dispatch", "dispatches")})`,
      }),
      Plot.ruleX([0]),
    ],
  });
  return {
    title: "Kernels",
    parts: [figure(
      svg,
      `By the adapter's clock, in one micro-step of ${plural(tokens, "token")} in ${
        plural(battles, "battle")
      }, forward and ` +
        `backward, each dispatch in a pass of its own; ${
          total.toPrecision(4)
        } ms in all. The optimizer is not among them.`,
    )],
  };
}

function settingsSection({ settings }: Run): Section {
  const rows = Object.entries(trainFlags).filter(([field]) => settings[field] !== undefined).map(([field, flag]) => {
    const usual = (flag as { default: unknown }).default;
    const own = settingWords(settings[field]);
    return [
      `--${flagName(field)}`,
      oneLine(own, 200),
      usual !== undefined && settingWords(usual) !== own ? settingWords(usual) : "",
    ];
  });
  return { title: "Settings", parts: [table(["flag", "value", "default, where it differs"], rows, 3)] };
}

function circumstances(run: Run): Section {
  const { adapter, data, valid, parameters, memory, versions } = run;
  const source = (from: Run["data"]) =>
    `${oneLine(String(from.source), 200)}${from.battles > 0 ? `, ${plural(from.battles, "battle")}` : ""}, sha256 ${
      String(from.sha256).slice(0, 12)
    }`;
  const rows = [
    ["adapter", `${oneLine(String(adapter.name), 200)}${adapter.isCpu ? " (a CPU adapter)" : ""}`],
    ["parameters", `${whole(parameters.trained)} trained, ${whole(parameters.frozen)} frozen`],
    ...(memory === undefined ? [] : [["memory on the adapter", `${whole(memory / 2 ** 20)} MiB`]]),
    ["data", source(data)],
    ...(valid ? [["validation data", source(valid)]] : []),
    ["versions", `Tiebreak ${versions.tiebreak}, Deno ${versions.deno}`],
  ];
  return { title: "Circumstances", parts: [table(["", ""], rows, 2)] };
}
