// Sections of the data report: how battles end, and whether the side matters.
import { percent, plural, whole } from "../format.ts";
import { figure, paragraph, type Section } from "../page.ts";
import { colours, draw, marginFor, Plot } from "../plot.ts";
import { wilsonInterval } from "../statistics/wilson.ts";
import { chatbotLabels } from "./chatbot_sections.ts";
import type { Findings } from "./collect.ts";

const outcomeNames = ["A wins", "B wins", "tie"] as const;
const outcomeColours = [colours.a, colours.b, colours.tie];
const chatbotsShown = 30;

/** Mean log loss of always answering with the shares themselves. */
export function priorLogLoss(outcomes: readonly number[]): number {
  const total = outcomes.reduce((sum, count) => sum + count, 0);
  return outcomes.reduce((sum, count) => count === 0 ? sum : sum - count / total * Math.log(count / total), 0);
}

export function outcomeSection({ outcomes }: Findings): Section {
  const total = outcomes[0] + outcomes[1] + outcomes[2];
  const rows = outcomes.map((count, outcome) => ({
    outcome: outcomeNames[outcome],
    share: count / total,
    count,
    ...wilsonInterval(count, total),
  }));
  const svg = draw("Shares of the three outcomes", {
    height: 150,
    marginLeft: 70,
    marginRight: 110,
    x: {
      label: "share of battles (%)",
      percent: true,
      ticks: 6,
      domain: [0, Math.max(50, ...rows.map(({ high }) => 100 * high))],
    },
    y: { label: null, domain: outcomeNames, padding: 0.25 },
    color: { domain: outcomeNames, range: outcomeColours },
    marks: [
      Plot.gridX({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.barX(rows, { y: "outcome", x: "share", fill: "outcome" }),
      Plot.ruleY(rows, { y: "outcome", x1: "low", x2: "high", stroke: colours.ink, strokeWidth: 1.5 }),
      Plot.text(rows, {
        y: "outcome",
        x: "high",
        dx: 8,
        textAnchor: "start",
        text: ({ share, count }) => `${percent(share)}  (${whole(count)})`,
      }),
      Plot.ruleX([0]),
    ],
  });
  const loss = priorLogLoss(outcomes).toFixed(4);
  return {
    title: "Outcomes",
    parts: [figure(
      svg,
      `Bars are shares of the ${
        plural(total, "battle")
      } with an outcome, lines their intervals. Always answering with these ` +
        `shares scores a log loss of ${loss} here: a model is worth something below that (three equal shares score 1.0986).`,
    )],
  };
}

export function positionSection({ outcomes, chatbots }: Findings): Section {
  const decided = outcomes[0] + outcomes[1], share = outcomes[0] / decided;
  const { low, high } = wilsonInterval(outcomes[0], decided);
  const verdict = low > 0.5
    ? "A is preferred for its place"
    : high < 0.5
    ? "B is preferred for its place"
    : "no preference for a place is seen";
  const range = `interval ${percent(low)} to ${percent(high)}`;
  const parts = [paragraph(
    `Of ${plural(decided, "battle")} with a winner A won ${
      percent(share)
    } (${range}): ${verdict}, if the sides were drawn by lot.`,
  )];
  const labels = chatbots ? chatbotLabels(chatbots) : [];
  const shown = (chatbots?.rows ?? []).map((row, place) => ({ ...row, label: labels[place] }))
    .filter(({ asA, asB }) => asA >= 5 && asB >= 5)
    .toSorted((x, y) => y.battles - x.battles).slice(0, chatbotsShown)
    .map((row) => ({
      name: row.label,
      asA: row.winsAsA / row.asA,
      asB: row.winsAsB / row.asB,
      wins: row.wins / (row.asA + row.asB),
      title: `${row.name}: won ${row.winsAsA} of ${row.asA} as A, ${row.winsAsB} of ${row.asB} as B`,
    }));
  if (shown.length > 0) parts.push(chatbotSides(shown));
  return { title: "Position", parts };
}

interface Sides {
  name: string;
  asA: number;
  asB: number;
  wins: number;
  title: string;
}

function chatbotSides(rows: Sides[]) {
  const dots = rows.flatMap(({ name, asA, asB, title }) => [
    { name, side: "as A", share: asA, title },
    { name, side: "as B", share: asB, title },
  ]);
  const names = rows.toSorted((x, y) => y.wins - x.wins).map(({ name }) => name);
  const svg = draw("Shares of battles won as A and as B, by chatbot", {
    height: 60 + 20 * rows.length,
    marginLeft: marginFor(names),
    marginRight: 20,
    x: { label: "battles won (%)", percent: true, nice: true },
    y: { label: null, domain: names },
    color: { domain: ["as A", "as B"], range: [colours.a, colours.b], legend: true },
    marks: [
      Plot.gridX({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.ruleY(rows, { y: "name", x1: "asA", x2: "asB", stroke: colours.tie, strokeWidth: 2 }),
      Plot.dot(dots, { y: "name", x: "share", fill: "side", r: 4.5, title: "title" }),
    ],
  });
  const better = rows.filter(({ asA, asB }) => asA > asB).length;
  return figure(
    svg,
    `How often a chatbot wins as A and as B. If the place meant nothing, each pair of dots would differ by chance and by its opponents only, and as ` +
      `many would be better as A as are better as B: here ${better} of ${rows.length} won more often as A.`,
  );
}
