// The page of charts: what `bench --chart` makes of a run for people who look before they read. One bar a row, against the
// ceiling that the row is held to.
import { draw, marginFor, Plot, shortened } from "../report/plot.ts";
import { figure, renderPage, type Section } from "../report/page.ts";
import { goalLines } from "./goals.ts";
import { bySection, factLines, figure as digits, legend, type RunFacts } from "./report.ts";
import { type Row, sizeText } from "./row.ts";

/** What a bar shows, the first that a row has. */
const measures: { title: string; value(row: Row): number | undefined; percent: boolean }[] = [
  { title: "share of the copy ceiling", value: (row) => row.ofCopy, percent: true },
  { title: "share of the best matmul", value: (row) => row.ofMatmul, percent: true },
  { title: "share of the multiply-add ceiling", value: (row) => row.ofFma, percent: true },
  { title: "share of the step", value: (row) => row.ofStep, percent: true },
  { title: "time, in times of its arithmetic", value: (row) => row.ofArithmetic, percent: false },
  { title: "time, in times of Tiebreak's", value: (row) => row.timesOurs, percent: false },
  { title: "milliseconds", value: (row) => row.ms, percent: false },
];

/** HTML with one chart a section and measure; it needs no script and no network. */
export function chartPage(rows: readonly Row[], facts: RunFacts): string {
  const goals = goalLines(rows), reached = goals.filter((line) => line.endsWith(": reached")).length;
  return renderPage({
    title: "Benchmark",
    introduction: [...factLines(facts), ...legend],
    tiles: goals.length === 0 ? [] : [{ value: `${reached} of ${goals.length}`, words: "goals reached" }],
    sections: bySection(rows).map(([title, part]): Section => ({ title, parts: charts(title, part) })),
  });
}

function charts(section: string, rows: readonly Row[]): Section["parts"] {
  const measureOf = (row: Row) => measures.find(({ value }) => value(row) !== undefined)!;
  return measures.flatMap((measure) => {
    const bars = rows.filter((row) => measureOf(row) === measure).map((row) => ({
      name: shortened(`${row.kernel}, ${sizeText(row.size)}`, 60),
      value: measure.value(row)! * (measure.percent ? 100 : 1),
    }));
    if (bars.length === 0) return [];
    const label = `${section}: ${measure.title}`, unit = measure.percent ? " %" : "";
    const svg = draw(label, {
      height: 60 + 22 * bars.length,
      marginLeft: marginFor(bars.map(({ name }) => name)) + 120,
      marginRight: 60,
      x: { label: measure.title + unit, grid: true, domain: [0, 1.05 * Math.max(...bars.map(({ value }) => value))] },
      y: { label: null, domain: bars.map(({ name }) => name) },
      marks: [
        Plot.barX(bars, { x: "value", y: "name", fill: "#3a6ea5" }),
        Plot.text(bars, {
          x: "value",
          y: "name",
          text: ({ value }: { value: number }) => digits(value) + unit,
          dx: 4,
          textAnchor: "start",
        }),
      ],
    });
    return [figure(svg, `${label}.`)];
  });
}
