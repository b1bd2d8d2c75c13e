// Sections of the evaluation: scores beside the baselines, outcomes, calibration.
import { oneLine, percent, plural, whole } from "../format.ts";
import { figure, paragraph, type Section, table } from "../page.ts";
import { colours, draw, marginFor, Plot } from "../plot.ts";
import type { MeanInterval } from "../statistics/bootstrap.ts";
import { wilsonInterval } from "../statistics/wilson.ts";
import type { ReliabilityBin } from "../../train/metrics.ts";
import type { Evaluation } from "./evaluation.ts";

export const outcomeNames = ["A wins", "B wins", "tie"];

export const losses = (value: number) => Number.isFinite(value) ? value.toFixed(4) : "–";
export const range = ({ low, high }: { low: number; high: number }) => `${losses(low)} – ${losses(high)}`;
/** What is printed as 0 is no difference: a submission's own rounding comes to 1e-10. */
const least = 0.00005;
export const signed = (value: number) =>
  Math.abs(value) < least ? "0.0000" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;

/** Says whether a row is better or worse than the model, as far as its interval tells; one without width is that of one prompt. */
export function verdict({ low, high }: MeanInterval): string {
  if (low === high) return "not clear";
  return low >= least ? "worse" : high <= -least ? "better" : "not clear";
}

/** Folders are long: their end tells more than their beginning. */
const rowName = (name: string) => {
  const characters = [...oneLine(name, 200)];
  return characters.length <= 34 ? characters.join("") : `…${characters.slice(-33).join("")}`;
};

/** Battles that were not new to what learned from the training part; undefined if all were. */
export function seenWords({ seen = 0, battles }: Evaluation): string | undefined {
  if (seen === 0) return undefined;
  return `${whole(seen)} of the ${plural(battles, "battle")} ${
    seen === 1 ? "has a prompt" : "have prompts"
  } of the training part: what learned from it is flattered there.`;
}

export function scoreSection(evaluation: Evaluation): Section {
  const { rows, battles, prompts, rounds, training } = evaluation;
  const known = rows[0].expectedLogLoss !== undefined;
  const kinds = rows.map(({ name, kind, logLoss }) => ({
    name: rowName(name),
    ...logLoss,
    colour: { model: colours.a, other: colours.b, baseline: colours.tie, truth: colours.accent }[kind],
  }));
  const svg = draw("Log loss of the model and the baselines with their intervals", {
    height: 60 + 26 * rows.length,
    marginLeft: marginFor(kinds.map(({ name }) => name)),
    marginRight: 60,
    x: { label: "log loss", nice: true, inset: 8, ticks: 6 },
    y: { label: null, domain: kinds.map(({ name }) => name) },
    marks: [
      Plot.gridX({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.ruleX([rows[0].logLoss.mean], { stroke: colours.a, strokeDasharray: "3 3" }),
      Plot.ruleY(kinds, { y: "name", x1: "low", x2: "high", stroke: "colour", strokeWidth: 2 }),
      Plot.dot(kinds, { y: "name", x: "mean", fill: "colour", r: 5 }),
      Plot.text(kinds, { y: "name", x: "high", dx: 8, textAnchor: "start", text: ({ mean }) => mean.toFixed(4) }),
    ],
  });
  const cells = rows.map((row) => [
    row.name,
    losses(row.logLoss.mean),
    range(row.logLoss),
    percent(row.accuracy),
    percent(row.calibrationError),
    ...(known ? [losses(row.expectedLogLoss!)] : []),
  ]);
  const header = ["", "log loss", "interval", "accuracy", "calibration error", ...(known ? ["expected log loss"] : [])];
  const differences = rows.flatMap(({ name, difference: of }) =>
    of ? [[name, signed(of.mean), `${signed(of.low)} to ${signed(of.high)}`, verdict(of)]] : []
  );
  const learned = training
    ? ` The baselines learned from the training part: ${plural(training.battles, "battle")} of ${training.name}.`
    : " No training part is known, so there are no baselines; name one with --train.";
  const seen = seenWords(evaluation);
  const uncalibrated = evaluation.uncalibrated === undefined ? "" : (
    ` Without its calibration the model scores ${losses(evaluation.uncalibrated)}.`
  );
  return {
    title: "Scores",
    parts: [
      figure(
        svg,
        `Mean of −log p(what came true) over ${plural(battles, "battle")} on ${
          plural(prompts, "prompt")
        }; less is better, and ` +
          `answering a third each time scores 1.0986. Lines are intervals from ${
            whole(rounds)
          } bootstrap samples of the prompts.` +
          learned + uncalibrated,
      ),
      ...(seen ? [paragraph(seen)] : []),
      table(header, cells),
      ...(differences.length > 0
        ? [
          table(["against the model", "log loss more by", "interval", ""], differences),
          paragraph(
            "How much more than the model's a row's log loss is on the same battles. These intervals come from the same samples " +
              "and are narrower than the two intervals side by side suggest; “not clear” where they hold 0.",
          ),
        ]
        : []),
    ],
  };
}

export function outcomeSection({ rows: [model], battles }: Evaluation): Section {
  const cells = model.outcomes.flatMap(({ battles, likeliest }, truth) =>
    likeliest.map((count, said) => ({
      truth: outcomeNames[truth],
      said: outcomeNames[said],
      share: battles === 0 ? 0 : count / battles,
      text: `${whole(count)}${battles === 0 ? "" : `\n${percent(count / battles)}`}`,
    }))
  );
  const svg = draw("Confusion: what came true against the likeliest outcome", {
    width: 430,
    height: 230,
    marginLeft: 80,
    marginTop: 40,
    marginBottom: 8,
    x: { domain: outcomeNames, axis: "top", label: "likeliest by the model", tickSize: 0, labelAnchor: "center" },
    y: { domain: outcomeNames, label: null, tickSize: 0 },
    color: { type: "linear", domain: [0, 1], range: ["#eef3f7", colours.a] },
    marks: [
      Plot.cell(cells, { x: "said", y: "truth", fill: "share", inset: 1 }),
      Plot.text(cells, {
        x: "said",
        y: "truth",
        text: "text",
        fill: ({ share }) => share > 0.6 ? "white" : colours.ink,
      }),
    ],
  });
  const lines = model.outcomes.map(({ battles: n, logLoss }, at) => [
    outcomeNames[at],
    whole(n),
    percent(n / battles),
    losses(logLoss),
    losses(n === 0 ? NaN : logLoss * n / battles),
  ]);
  const never = outcomeNames.filter((_, said) => model.outcomes.every(({ likeliest }) => likeliest[said] === 0));
  return {
    title: "Outcomes",
    parts: [
      figure(
        svg,
        `Rows are what came true, columns what the model held likeliest, percent of the row. Right are ${
          percent(model.accuracy)
        }.` + (never.length > 0 ? ` The model never held ${never.join(" or ")} likeliest.` : ""),
      ),
      table(["what came true", "battles", "share", "log loss", "its part of the whole"], lines),
    ],
  };
}

/** Fewer battles in a bin say next to nothing. */
const fewBattles = 10;

export function calibrationSection({ reliability, rows: [model], battles }: Evaluation): Section {
  const panels: [string, ReliabilityBin[]][] = [
    ["likeliest outcome", reliability.likeliest],
    ...reliability.outcomes.map((bins, at): [string, ReliabilityBin[]] => [outcomeNames[at], bins]),
  ];
  const points = panels.flatMap(([panel, bins]) =>
    bins.filter(({ battles }) => battles > 0).map(({ battles, probability, hits }) => ({
      panel,
      probability,
      share: hits / battles,
      battles,
      ...wilsonInterval(hits, battles),
      title: `${whole(battles)} battles: said ${percent(probability)}, came true ${percent(hits / battles)}`,
    }))
  );
  const svg = draw("Reliability: what was said against what came true", {
    height: 250,
    marginLeft: 56,
    marginRight: 10,
    marginTop: 24,
    x: { label: "probability the model gave (%)", percent: true, domain: [0, 100], ticks: [0, 50, 100] },
    y: {
      label: "came true (%)",
      labelAnchor: "center",
      labelArrow: "none",
      percent: true,
      domain: [0, 100],
      ticks: [0, 25, 50, 75, 100],
    },
    fx: { label: null, domain: panels.map(([panel]) => panel), padding: 0.12 },
    r: { type: "sqrt", domain: [0, Math.max(...points.map(({ battles }) => battles))], range: [0, 7] },
    marks: [
      Plot.gridY({ ticks: [0, 25, 50, 75, 100], stroke: colours.pale, strokeOpacity: 1 }),
      Plot.line(panels.flatMap(([panel]) => [{ panel, at: 0 }, { panel, at: 1 }]), {
        fx: "panel",
        x: "at",
        y: "at",
        z: "panel",
        stroke: colours.tie,
        strokeDasharray: "3 3",
      }),
      Plot.ruleX(points, {
        fx: "panel",
        x: "probability",
        y1: "low",
        y2: "high",
        stroke: colours.a,
        strokeOpacity: ({ battles }) => battles < fewBattles ? 0.25 : 0.7,
        strokeWidth: 1.5,
      }),
      Plot.dot(points, {
        fx: "panel",
        x: "probability",
        y: "share",
        r: "battles",
        fill: colours.a,
        fillOpacity: ({ battles }) => battles < fewBattles ? 0.4 : 1,
        title: "title",
      }),
    ],
  });
  const said = model.outcomes.map((_, at) =>
    reliability.outcomes[at].reduce((sum, { battles, probability }) => battles ? sum + battles * probability : sum, 0)
  );
  const shares = outcomeNames.map((name, at) => [
    name,
    percent(said[at] / battles),
    percent(model.outcomes[at].battles / battles),
    signed(said[at] / battles - model.outcomes[at].battles / battles),
  ]);
  const confidence =
    reliability.likeliest.reduce((sum, bin) => bin.battles ? sum + bin.battles * bin.probability : sum, 0) / battles;
  const lean = confidence - model.accuracy;
  return {
    title: "Calibration",
    parts: [
      figure(
        svg,
        `Battles sorted into ten bins by the probability the model gave to its likeliest outcome, and to each outcome; on the ` +
          `dashed line it keeps its word, below it is too sure. Larger dots are more battles, pale ones fewer than ${fewBattles}; lines ` +
          `are intervals. On average it gives its likeliest outcome ${percent(confidence)} and is right in ${
            percent(model.accuracy)
          }: ${
            Math.abs(lean) < 0.02 ? "about right" : lean > 0 ? "too sure" : "not sure enough"
          }. Expected calibration error (15 bins): ${
            percent(model.calibrationError)
          }; of few battles it is never near 0.`,
      ),
      table(["outcome", "said on average", "came true", "difference"], shares),
    ],
  };
}

/** A row of tiles at the head of the report. */
export function tiles({ rows }: Evaluation): { value: string; words: string }[] {
  const [model, ...others] = rows;
  const baselines = others.filter(({ kind }) => kind === "baseline");
  const best = baselines.toSorted((x, y) => x.logLoss.mean - y.logLoss.mean)[0];
  return [
    { value: losses(model.logLoss.mean), words: `log loss (${range(model.logLoss)})` },
    { value: percent(model.accuracy), words: "of likeliest outcomes came true" },
    { value: percent(model.calibrationError), words: "expected calibration error" },
    ...(best
      ? [{ value: signed(best.difference!.mean), words: `${best.name}, the best baseline, above the model` }]
      : []),
  ];
}
