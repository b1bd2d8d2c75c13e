// Plots as SVG text: Observable Plot draws into a document of linkedom's, so no browser takes part and a report needs no
// script. Sizes, colours and type are decided here.
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

export { Plot };

/** Width of a report's column, in CSS pixels. */
export const plotWidth = 760;

/** One colour for each outcome in all plots. */
export const colours = {
  a: "#3a6ea5",
  b: "#d97a2b",
  tie: "#a3a9b0",
  ink: "#22303c",
  accent: "#2a7f74",
  pale: "#dfe5ea",
};

const { document } = parseHTML("<html><body></body></html>") as unknown as {
  document: NonNullable<Plot.PlotOptions["document"]>;
};

/** Draws a plot. @param label said by screen readers in place of the picture */
export function draw(label: string, options: Plot.PlotOptions): string {
  const plot = Plot.plot({
    document,
    width: plotWidth,
    // Room above for a label of the y axis only where there is one; below for ticks and label, one under the other.
    marginTop: (options.y as Plot.ScaleOptions | undefined)?.label === null ? 8 : 30,
    marginBottom: 46,
    style: { fontSize: "12px", color: colours.ink, background: "none" },
    ariaLabel: label,
    ...options,
  });
  return plot.outerHTML;
}

/** Room for names on the left, at about 6.6 pixels a letter of 12 pixels. */
export function marginFor(names: readonly string[]): number {
  const longest = names.reduce((most, name) => Math.max(most, name.length), 0);
  return Math.min(240, Math.max(60, Math.ceil(longest * 6.6) + 16));
}

/** A name that fits into the margin. */
export function shortened(name: string, most = 34): string {
  return [...name].length <= most ? name : `${[...name].slice(0, most - 1).join("")}…`;
}
