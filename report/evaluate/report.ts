// The evaluation's report and its summary for the terminal, both from the same findings.
import { aligned, percent, plural, whole } from "../format.ts";
import { renderPage } from "../page.ts";
import type { Evaluation } from "./evaluation.ts";
import { groupSections, hardestSection, swapSection, tellingGroups } from "./group_sections.ts";
import {
  calibrationSection,
  losses,
  outcomeNames,
  outcomeSection,
  range,
  scoreSection,
  seenWords,
  signed,
  tiles,
  verdict,
} from "./score_sections.ts";

/** The HTML file. */
export function evaluationReport(evaluation: Evaluation): string {
  const { judged, data, battles, prompts } = evaluation;
  return renderPage({
    title: `Evaluation of ${judged}`,
    introduction: [`${plural(battles, "battle")} on ${plural(prompts, "prompt")} of ${data}, all of them scored.`],
    tiles: tiles(evaluation),
    sections: [
      scoreSection(evaluation),
      outcomeSection(evaluation),
      calibrationSection(evaluation),
      ...groupSections(evaluation),
      swapSection(evaluation),
      hardestSection(evaluation),
    ],
  });
}

/** The report in lines of text. @param shown hardest battles */
export function summaryLines(evaluation: Evaluation, shown: number): string[] {
  const { rows: [model, ...others], battles, uncalibrated, swap } = evaluation;
  const seen = seenWords(evaluation);
  const row = (name: string, words: string) => `${name.padEnd(18)} ${words}`;
  const blocks = [
    [
      row("battles", String(battles)),
      row("log loss", `${model.logLoss.mean.toFixed(6)}  (${range(model.logLoss)})`),
      ...(uncalibrated === undefined ? [] : [row("  uncalibrated", uncalibrated.toFixed(6))]),
      row("accuracy", `${(model.accuracy * 100).toFixed(2)} %`),
      row("calibration error", `${(model.calibrationError * 100).toFixed(2)} %`),
      ...(model.expectedLogLoss === undefined ? [] : [row("expected log loss", model.expectedLogLoss.toFixed(6))]),
      ...(swap ? [row("exchanging A and B", swapWords(swap))] : []),
    ],
    outcomeLines(evaluation),
    others.length > 0 ? [...scoreLines(evaluation), ...(seen ? [seen] : [])] : [],
    groupLines(evaluation),
    shown > 0 ? hardestLines(evaluation, shown) : [],
  ];
  return blocks.filter((lines) => lines.length > 0).flatMap((lines, at) => at === 0 ? lines : ["", ...lines]);
}

function swapWords({ battles, mean, largest, changed, symmetric }: NonNullable<Evaluation["swap"]>): string {
  const of = `${plural(battles, "battle")} predicted both ways`;
  if (symmetric) return `exactly ${largest} apart, by the swap head (${of})`;
  return `${mean.toFixed(4)} apart on average, ${largest.toFixed(4)} at most; ${
    percent(changed / battles)
  } change their likeliest outcome (${of})`;
}

function outcomeLines({ rows: [model] }: Evaluation): string[] {
  return aligned([
    ["came true", "battles", "log loss", ...outcomeNames.map((name) => `said ${name}`)],
    ...model.outcomes.map(({ battles, logLoss, likeliest }, at) => [
      outcomeNames[at],
      whole(battles),
      losses(logLoss),
      ...likeliest.map(whole),
    ]),
  ]);
}

function scoreLines({ rows }: Evaluation): string[] {
  return aligned([
    ["", "log loss", "interval", "accuracy", "more than the model", "interval", ""],
    ...rows.map(({ name, logLoss, accuracy, difference }) => [
      name,
      losses(logLoss.mean),
      range(logLoss),
      percent(accuracy),
      ...(difference
        ? [signed(difference.mean), `${signed(difference.low)} to ${signed(difference.high)}`, verdict(difference)]
        : ["", "", ""]),
    ]),
  ]);
}

/** Of each kind of groups the best and the worst. */
function groupLines({ groups: { lengths, prompts, traits, chatbots } }: Evaluation): string[] {
  const kinds = [...lengths, ...prompts, ...traits, ...(chatbots ? [chatbots.each, chatbots.pairs] : [])];
  const lines = kinds.flatMap(({ title, rows }) => {
    const many = tellingGroups({ title, rows });
    if (many.length < 2) return [];
    const [best, worst] = [many[0], many.at(-1)!];
    return [[title, losses(best.logLoss), best.name, losses(worst.logLoss), worst.name]];
  });
  if (lines.length === 0) return [];
  return aligned([["log loss by", "best", "", "worst", ""], ...lines], 5);
}

function hardestLines({ hardest }: Evaluation, shown: number): string[] {
  return [
    "hardest battles",
    ...hardest.slice(0, shown).map(({ id, row, loss, label, probabilities, prompt }) => {
      const beginning = [...prompt].length > 60 ? `${[...prompt].slice(0, 59).join("")}…` : prompt;
      const said = probabilities.map((p) => Math.round(100 * p)).join(", ");
      return `  ${loss.toFixed(2)}  ${id} (row ${row})  ${outcomeNames[label]}, said A, B, tie ${said} %  ${beginning}`;
    }),
  ];
}
