// Bars of shares: lying, with their counts, one row a name; or standing.
import { percent, whole } from "../format.ts";
import { colours, draw, marginFor, Plot } from "../plot.ts";

export interface ShareBarsOptions {
  /** Said by screen readers. */
  label: string;
  /** What the axis counts, e.g. `share of battles (%)`. */
  axis: string;
}

/** Draws each row's share of `total`, in the order of the rows. */
export function shareBars(
  rows: readonly { name: string; count: number }[],
  total: number,
  { label, axis }: ShareBarsOptions,
): string {
  const shares = rows.map(({ name, count }) => ({ name, count, share: count / total }));
  return draw(label, {
    height: 56 + 21 * rows.length,
    marginLeft: marginFor(rows.map(({ name }) => name)),
    marginRight: 120,
    x: { label: axis, percent: true, ticks: 5 },
    y: { label: null, domain: shares.map(({ name }) => name), padding: 0.25 },
    marks: [
      Plot.gridX({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.barX(shares, { y: "name", x: "share", fill: colours.accent }),
      Plot.text(shares, {
        y: "name",
        x: "share",
        dx: 6,
        textAnchor: "start",
        text: ({ share, count }) => `${percent(share)}  (${whole(count)})`,
      }),
      Plot.ruleX([0]),
    ],
  });
}

/** Draws standing bars of shares of battles. @param axis what `name` counts @param size in CSS pixels */
export function shareColumns(
  rows: readonly { name: string; share: number }[],
  { label, axis, ...size }: ShareBarsOptions & { width: number; height: number },
): string {
  return draw(label, {
    ...size,
    marginLeft: 44,
    x: { label: axis, domain: rows.map(({ name }) => name), padding: 0.2 },
    y: {
      label: "share of battles (%)",
      percent: true,
      ticks: 4,
      domain: [0, 112 * Math.max(...rows.map(({ share }) => share))],
    },
    marks: [
      Plot.gridY({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.barY(rows, { x: "name", y: "share", fill: colours.a }),
      Plot.text(rows, {
        x: "name",
        y: "share",
        dy: -7,
        fontSize: 11,
        text: ({ share }) => share > 0 ? percent(share) : "",
      }),
      Plot.ruleY([0]),
    ],
  });
}
