// Sections of the data report: how long texts are and how outcomes go with it, and the languages of prompts.
import { percent, plural, whole } from "../format.ts";
import { figure, type Html, paragraph, type Section } from "../page.ts";
import { colours, draw, Plot } from "../plot.ts";
import { wilsonInterval } from "../statistics/wilson.ts";
import type { Findings } from "./collect.ts";
import type { LengthSummary } from "./lengths.ts";
import { shareBars, shareColumns } from "./share_bars.ts";

const languagesShown = 15;
/** Rarer ones are mostly wrong guesses; shown only among the first five. */
const rareLanguage = 0.001;

export function lengthSection(findings: Findings): Section {
  const { prompt, answer } = findings.lengths;
  const characters = lengthPlot("characters", { prompt, answer });
  const { prompt: promptTokens, answer: answerTokens, tokenizer, battles, of } = findings.tokens;
  const tokens = lengthPlot("tokens", { prompt: promptTokens, answer: answerTokens });
  const source = tokenizer ? `of ${tokenizer}` : "estimated as characters / 4, as no tokenizer was at hand";
  const sampled = battles < of ? `a random sample of ${plural(battles, "battle")}` : `all ${plural(battles, "battle")}`;
  return {
    title: "Lengths",
    parts: [
      figure(
        characters,
        `Characters of whole prompts and of single answers, on a logarithmic axis; the line is the median. Prompts: ${
          summary(prompt)
        }. Answers: ${summary(answer)}.`,
      ),
      figure(
        tokens,
        `The same in tokens ${source}, in ${sampled}. Prompts: ${summary(promptTokens)}. Answers: ${
          summary(answerTokens)
        }.`,
      ),
      turnsPlot(findings),
    ],
  };
}

function summary({ median, p90, p99, greatest }: LengthSummary): string {
  return `median ${whole(median)}, nine of ten up to ${whole(p90)}, 99 % up to ${whole(p99)}, longest ${
    whole(greatest)
  }`;
}

function lengthPlot(unit: string, lengths: { prompt: LengthSummary; answer: LengthSummary }): string {
  const kinds = ([["prompts", lengths.prompt], ["answers", lengths.answer]] as const).filter(([, { bins }]) =>
    bins.length > 0
  );
  if (kinds.length === 0) return "";
  const bars = kinds.flatMap(([kind, { bins }]) => {
    const total = bins.reduce((sum, { count }) => sum + count, 0);
    return bins.map(({ low, high, count }) => ({ kind, low, high, share: count / total }));
  });
  const medians = kinds.map(([kind, { median }]) => ({ kind, median }));
  return draw(`Lengths in ${unit}`, {
    height: 250,
    marginLeft: 44,
    marginRight: 70,
    x: { type: "log", label: unit, ticks: 6, tickFormat: whole },
    y: { label: "share (%)", percent: true, ticks: 4 },
    fy: { label: null, domain: kinds.map(([kind]) => kind), padding: 0.15 },
    marks: [
      Plot.gridY({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.rectY(bars, {
        fy: "kind",
        x1: "low",
        x2: "high",
        y: "share",
        fill: colours.a,
        insetLeft: 0.5,
        insetRight: 0.5,
      }),
      Plot.ruleX(medians.filter(({ median }) => median > 0), {
        fy: "kind",
        x: "median",
        stroke: colours.b,
        strokeWidth: 2,
      }),
      Plot.ruleY([0]),
    ],
  });
}

function turnsPlot({ lengths: { turns } }: Findings): Html {
  const total = turns.reduce((sum, count) => sum + count, 0);
  const last = turns.findLastIndex((count) => count > 0);
  if (last === 0) return paragraph("Each prompt has one turn.");
  const rows = turns.slice(0, last + 1).map((count, place) => ({
    name: place === turns.length - 1 ? `${place + 1}+` : String(place + 1),
    share: count / total,
  }));
  const svg = shareColumns(rows, {
    label: "Prompts by their number of turns",
    axis: "turns of the prompt",
    width: 460,
    height: 200,
  });
  return figure(
    svg,
    `Share of battles by the number of turns of their prompt: ${percent(turns[0] / total)} have one turn only.`,
  );
}

const ratioTicks: Record<number, string> = { [-3]: "⅛", [-2]: "¼", [-1]: "½", 0: "same", 1: "2 ×", 2: "4 ×", 3: "8 ×" };

export function lengthOutcomeSection({ lengths }: Findings): Section {
  const rows = lengths.ratios.map(({ low, high, outcomes }) => ({
    ratio: (low + high) / 2,
    outcomes,
    n: outcomes[0] + outcomes[1] + outcomes[2],
  })).filter(({ n }) => n > 0);
  const kinds = ["wins", "ties"] as const;
  const points = rows.flatMap(({ ratio, outcomes, n }) =>
    kinds.map((kind) => {
      const count = outcomes[kind === "wins" ? 0 : 2];
      return { ratio, kind, share: count / n, ...wilsonInterval(count, n), title: `${whole(count)} of ${whole(n)}` };
    })
  );
  const svg = draw("Outcome by the ratio of the answers' lengths", {
    height: 300,
    marginLeft: 44,
    marginRight: 60,
    x: {
      label: "length of an answer against the other",
      domain: [-3, 3],
      ticks: [-3, -2, -1, 0, 1, 2, 3],
      tickFormat: (x: number) => ratioTicks[x],
    },
    y: {
      label: "share of battles (%)",
      percent: true,
      domain: [0, Math.max(60, ...points.map(({ share }) => 100 * share))],
      nice: true,
    },
    color: { domain: kinds, range: [colours.a, colours.tie], legend: false },
    marks: [
      Plot.gridY({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.areaY(points, { x: "ratio", y1: "low", y2: "high", fill: "kind", fillOpacity: 0.25, curve: "linear" }),
      Plot.lineY(points, { x: "ratio", y: "share", stroke: "kind", strokeWidth: 2 }),
      Plot.dot(points, { x: "ratio", y: "share", fill: "kind", r: 3.5, title: "title" }),
      Plot.text(
        points,
        Plot.selectLast({
          z: "kind",
          x: "ratio",
          y: "share",
          text: "kind",
          dx: 10,
          textAnchor: "start",
          fontWeight: 600,
        }),
      ),
      Plot.ruleY([0]),
    ],
  });
  const { longerWon, decided } = lengths, { low, high } = wilsonInterval(longerWon, decided);
  const verdict = low > 0.5 ? "length is rewarded" : high < 0.5 ? "brevity is rewarded" : "length alone tells nothing";
  return {
    title: "Length and outcome",
    parts: [figure(
      svg,
      `How often an answer wins, and how often it ties, against how many times as long as the other it is (in characters; each battle ` +
        `is counted from both sides; bands are intervals). The longer answer won ${percent(longerWon / decided)} of ` +
        `${plural(decided, "battle")} with a winner (interval ${percent(low)} to ${percent(high)}): ${verdict}.`,
    )],
  };
}

export function languageSection({ languages: { languages, scripts }, battles }: Findings): Section {
  const top = languages.slice(0, languagesShown)
    .filter((row, place) => place < 5 || row.battles >= rareLanguage * battles);
  const rest = languages.slice(top.length).reduce((sum, row) => sum + row.battles, 0);
  const rows = top.map(({ name, battles }) => ({ name, count: battles }));
  if (rest > 0) rows.push({ name: plural(languages.length - top.length, "other"), count: rest });
  const scriptRows = scripts.map(({ name, battles }) => ({ name, count: battles }));
  const main = languages[0];
  return {
    title: "Languages and scripts",
    parts: [
      figure(
        shareBars(rows, battles, { label: "Languages of prompts", axis: "share of battles (%)" }),
        `Language of the prompt's first 200 characters by letter statistics, a guess for short ones: ${
          percent(main.battles / battles)
        } ` +
          `are ${main.name}${
            languages.length > 1
              ? `, followed by ${languages[1].name} (${percent(languages[1].battles / battles)})`
              : ""
          }.`,
      ),
      figure(
        shareBars(scriptRows, battles, { label: "Scripts of prompts", axis: "share of battles (%)" }),
        `The script of most letters of the prompt; “none” has no letters.`,
      ),
    ],
  };
}
