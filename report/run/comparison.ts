// Several runs side by side: how they scored, what was set differently, how their losses fell.
import { flagName } from "../../train/flags.ts";
import { heldOutKey } from "../../train/held_out.ts";
import { trainFlags } from "../../train/train_flags.ts";
import { aligned, duration, oneLine, percent, plural, whole } from "../format.ts";
import { figure, type Html, paragraph, renderPage, table } from "../page.ts";
import { colours, draw, marginFor, Plot, shortened } from "../plot.ts";
import { bestValidation, settingWords, smoothed, stepAxis, thinned, tokensPerSecond, totalMs } from "./numbers.ts";
import type { Run } from "./read_run.ts";

export interface Comparison {
  runs: { label: string; run: Run }[];
  /** Settings and circumstances that are not the same in all runs: the flag or what it is, then a value for each run. */
  differences: { name: string; values: string[] }[];
  /** What keeps scores from being compared; lines. */
  warnings: string[];
}

/** Labels are the folders' names, or their paths where two share a name. */
export function compareRuns(runs: readonly Run[]): Comparison {
  const names = runs.map(({ name }) => name);
  const label = (run: Run) => names.indexOf(run.name) === names.lastIndexOf(run.name) ? run.name : run.path;
  return {
    runs: runs.map((run) => ({ label: oneLine(label(run), 60), run })),
    differences: differences(runs),
    warnings: warnings(runs),
  };
}

function differences(runs: readonly Run[]): Comparison["differences"] {
  const fields = Object.keys(trainFlags).filter((field) => field !== "logEvery");
  const rows = [
    ...fields.map((field) => ({
      name: `--${flagName(field)}`,
      values: runs.map(({ settings }) => oneLine(settingWords(settings[field]), 80)),
    })),
    { name: "adapter", values: runs.map(({ adapter }) => oneLine(String(adapter.name), 80)) },
    { name: "data, sha256", values: runs.map(({ data }) => String(data.sha256).slice(0, 12)) },
    { name: "trained parameters", values: runs.map(({ parameters }) => whole(parameters.trained)) },
    { name: "Tiebreak", values: runs.map(({ versions }) => versions.tiebreak) },
  ];
  return rows.filter(({ values }) => new Set(values).size > 1);
}

function warnings(runs: readonly Run[]): string[] {
  const found: string[] = [];
  if (new Set(runs.map(({ settings, data, valid }) => heldOutKey({ settings, data, valid }))).size > 1) {
    found.push("The runs were validated on different battles: their validation scores do not compare.");
  }
  if (new Set(runs.map(({ adapter }) => adapter.name)).size > 1) {
    found.push("The runs had different adapters: their speeds do not compare.");
  }
  return found;
}

const header = ["run", "steps", "best log loss", "at step", "accuracy", "train loss", "tokens/s", "time"];

/** A row of cells for each run, in the order given. */
function scores({ runs }: Comparison): string[][] {
  return runs.map(({ label, run }) => {
    const best = bestValidation(run), last = smoothed(run.steps).at(-1);
    return [
      label,
      whole(run.steps.at(-1)?.step ?? 0),
      best ? best.logLoss.toFixed(4) : "–",
      best ? whole(best.step) : "–",
      best ? percent(best.accuracy) : "–",
      last ? last.value.toFixed(4) : "–",
      whole(tokensPerSecond(run)),
      duration(totalMs(run)),
    ];
  });
}

/** For the terminal. */
export function comparisonLines(comparison: Comparison): string[] {
  const { differences, runs, warnings } = comparison;
  return [
    ...aligned([header, ...scores(comparison)]),
    "",
    ...(differences.length > 0
      ? aligned([
        ["settings that differ", ...runs.map(({ label }) => label)],
        ...differences.map(({ name, values }) => [name, ...values]),
      ])
      : ["No setting differs."]),
    ...(warnings.length > 0 ? ["", ...warnings] : []),
  ];
}

/** Colours that stay apart, for the first ten runs; later ones are grey. */
const palette = [
  "#3a6ea5",
  "#d97a2b",
  "#2a7f74",
  "#b5495b",
  "#7d5ba6",
  "#8c6d31",
  "#4f9ed9",
  "#6b8e23",
  "#c46bae",
  "#40525f",
];

/** The HTML file. */
export function comparisonReport(comparison: Comparison): string {
  const { runs, differences, warnings } = comparison;
  const best = runs.map(({ label, run }) => ({ label, row: bestValidation(run) })).filter(({ row }) => row)
    .sort((x, y) => x.row!.logLoss - y.row!.logLoss)[0];
  return renderPage({
    title: `Comparison of ${plural(runs.length, "run")}`,
    introduction: warnings,
    tiles: best
      ? [
        { value: best.row!.logLoss.toFixed(4), words: `best validation log loss: ${best.label}` },
        { value: percent(best.row!.accuracy), words: "accuracy then" },
      ]
      : [],
    sections: [
      { title: "Scores", parts: [table(header, scores(comparison))] },
      {
        title: "Settings that differ",
        parts: differences.length > 0
          ? [table(
            ["", ...runs.map(({ label }) => label)],
            differences.map(({ name, values }) => [name, ...values]),
            runs.length + 1,
          )]
          : [paragraph("None: the runs have the same settings, data and adapter.")],
      },
      ...lossSections(comparison),
      { title: "Throughput", parts: [speeds(comparison)] },
    ],
  });
}

function lossSections({ runs }: Comparison): { title: string; parts: Html[] }[] {
  const labels = runs.map(({ label }) => shortened(label, 40));
  const color = {
    domain: labels,
    range: labels.map((_, at) => palette[at] ?? colours.tie),
    legend: true,
  };
  const x = stepAxis(runs.flatMap(({ run }) => [...run.steps.slice(-1), ...run.validations.slice(-1)]));
  const common = { height: 320, marginLeft: 52, marginRight: 24, x, color };
  const training = runs.flatMap(({ run }, at) =>
    thinned(smoothed(run.steps)).map((point) => ({ ...point, run: labels[at] }))
  );
  const validations = runs.flatMap(({ run }, at) =>
    run.validations.map(({ step, logLoss }) => ({ step, value: logLoss, run: labels[at] }))
  );
  const sections: { title: string; parts: Html[] }[] = [];
  if (validations.length > 0) {
    const svg = draw("Validation log loss of each run by step", {
      ...common,
      y: { label: "log loss", nice: true, zero: false },
      marks: [
        Plot.gridY({ stroke: colours.pale, strokeOpacity: 1 }),
        Plot.lineY(validations, { x: "step", y: "value", z: "run", stroke: "run", strokeWidth: 2 }),
        Plot.dot(validations, {
          x: "step",
          y: "value",
          fill: "run",
          r: 4,
          title: ({ run, value }) => `${run}: ${value}`,
        }),
      ],
    });
    sections.push({
      title: "Validation",
      parts: [figure(svg, "Log loss of the validation battles; each run keeps the model of its lowest point.")],
    });
  }
  if (training.length > 0) {
    const svg = draw("Training loss of each run by step", {
      ...common,
      y: { label: "loss", nice: true, zero: false },
      marks: [
        Plot.gridY({ stroke: colours.pale, strokeOpacity: 1 }),
        Plot.lineY(training, { x: "step", y: "value", z: "run", stroke: "run", strokeWidth: 2 }),
        Plot.dot(training, Plot.selectLast({ z: "run", x: "step", y: "value", fill: "run", r: 3 })),
      ],
    });
    sections.push({
      title: "Training loss",
      parts: [figure(svg, "The mean of each step and those before it: ten, or a twentieth of the run.")],
    });
  }
  return sections;
}

function speeds({ runs }: Comparison): Html {
  const rows = runs.map(({ label, run }) => ({ name: shortened(label, 40), value: tokensPerSecond(run) }))
    .filter(({ value }) => Number.isFinite(value));
  if (rows.length === 0) return paragraph("No run took a step.");
  const svg = draw("Tokens a second of each run", {
    height: 56 + 24 * rows.length,
    marginLeft: marginFor(rows.map(({ name }) => name)),
    marginRight: 70,
    x: { label: "tokens a second while training", ticks: 5 },
    y: { label: null, domain: rows.map(({ name }) => name), padding: 0.25 },
    marks: [
      Plot.gridX({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.barX(rows, { y: "name", x: "value", fill: colours.accent }),
      Plot.text(rows, { y: "name", x: "value", dx: 6, textAnchor: "start", text: ({ value }) => whole(value) }),
      Plot.ruleX([0]),
    ],
  });
  return figure(svg, "Tokens trained on a second, without the first step, which compiles.");
}
