// Section of the data report: what answers look like, and who wins where only one of the two looks so.
import { percent, whole } from "../format.ts";
import { figure, type Html, type Section } from "../page.ts";
import { colours, draw, Plot } from "../plot.ts";
import { wilsonInterval } from "../statistics/wilson.ts";
import type { Findings } from "./collect.ts";
import { shareBars } from "./share_bars.ts";

export function traitSection({ traits, battles }: Findings, labeled: boolean): Section {
  const rows = traits.map(({ name, answers }) => ({ name, count: answers }));
  const parts = [figure(
    shareBars(rows, 2 * battles, { label: "Share of answers with each trait", axis: "share of answers (%)" }),
    `Share of the ${whole(2 * battles)} answers that hold: ${
      traits.map(({ name, rule }) => `${name}, ${rule}`).join("; ")
    }.`,
  )];
  const compared = traits.filter(({ alone: [won, lost] }) => won + lost > 0);
  if (labeled && compared.length > 0) parts.push(traitOutcomes(compared));
  return { title: "Code, lists, refusals", parts };
}

function traitOutcomes(traits: Findings["traits"]): Html {
  const rows = traits.map(({ name, alone: [won, lost, tied] }) => ({
    name,
    share: won / (won + lost),
    ...wilsonInterval(won, won + lost),
    words: `${percent(won / (won + lost))} of ${whole(won + lost)}, ${whole(tied)} ties`,
  }));
  const svg = draw("Who wins where one answer alone has a trait", {
    height: 56 + 24 * rows.length,
    marginLeft: 70,
    marginRight: 150,
    x: { label: "won by the answer with it (%)", percent: true, domain: [0, 100] },
    y: { label: null, domain: rows.map(({ name }) => name) },
    marks: [
      Plot.gridX({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.ruleX([0.5], { stroke: colours.ink, strokeDasharray: "3 3" }),
      Plot.ruleY(rows, { y: "name", x1: "low", x2: "high", stroke: colours.a, strokeWidth: 2 }),
      Plot.dot(rows, { y: "name", x: "share", fill: colours.a, r: 4.5 }),
      Plot.text(rows, { y: "name", frameAnchor: "right", dx: 140, textAnchor: "end", text: "words" }),
    ],
  });
  const sure = rows.filter(({ low, high }) => low > 0.5 || high < 0.5).sort((x, y) =>
    Math.abs(y.share - 0.5) - Math.abs(x.share - 0.5)
  );
  const reading = sure.length === 0
    ? "None lies clearly off the middle."
    : `Clearly off the middle: ${sure.map(({ name, share }) => `${name} (${percent(share)})`).join(", ")}.`;
  return figure(
    svg,
    `Battles with a winner in which one answer has the trait and the other has not: how often the answer with it won, with ` +
      `intervals. ${reading} Answers with a trait may differ in other ways too, above all in length.`,
  );
}
