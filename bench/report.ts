// Rows for people and for machines: aligned text, Markdown, and one line of JSON a row.
import { type Circumstances } from "./circumstances.ts";
import { type Row, sizeText } from "./row.ts";

/** What a whole run of the benchmark knows beside its rows. */
export interface RunFacts extends Circumstances {
  /** How GPU time was taken. */
  clock: string;
  /** What the end-to-end rows trained. */
  model: string;
}

const header = ["kernel", "size", "ms", "spread", "n", "rate", "share", "note"];

/** Columns that hold numbers. */
const right = ["ms", "spread", "n"];

/** How to read the tables. */
export const legend = [
  "ms is the median of n samples, spread the distance between their quartiles; each sample repeats short work.",
  "What is compared ran in turns. Shares are of the adapter's own multiply-add (fma) and copy kernels and of its best " +
  "matmul, each run again in turns with what is held against it: the median of the rounds' quotients.",
  "GB/s counts bytes read plus bytes written, each operand once. Matmul includes copying operands into textures.",
  "A training step's GFLOP/s are effective: 6 x parameters outside of the embedding x tokens / time.",
];

/** The rows of one section as aligned lines, its title first. */
export function textTable(title: string, rows: readonly Row[]): string {
  return [title, ...alignedLines([header, ...rows.map(cells)], right)].join("\n");
}

/** Lines of cells in columns, two blanks apart. @param right names, in the first line, of right-aligned columns */
export function alignedLines(table: readonly string[][], right: readonly string[]): string[] {
  const [names] = table;
  const widths = names.map((_, column) => Math.max(...table.map((line) => line[column].length)));
  const pad = (cell: string, i: number) => right.includes(names[i]) ? cell.padStart(widths[i]) : cell.padEnd(widths[i]);
  return table.map((line) => `  ${line.map(pad).join("  ")}`.trimEnd());
}

export function markdownTable(title: string, rows: readonly Row[]): string {
  const line = (entries: readonly string[]) => `| ${entries.join(" | ")} |`;
  const rule = line(header.map((column) => right.includes(column) ? "---:" : "---"));
  return [`## ${title}`, "", line(header), rule, ...rows.map((row) => line(cells(row)))].join("\n");
}

/** Rows by section, in the order of their first row. */
export function bySection(rows: readonly Row[]): [title: string, rows: Row[]][] {
  const sections = new Map<string, Row[]>();
  for (const row of rows) sections.set(row.section, [...(sections.get(row.section) ?? []), row]);
  return [...sections];
}

export function factLines(facts: RunFacts): string[] {
  const { adapter, driver, cores, deno, commit, date, clock, model } = facts;
  return [
    `${adapter}, driver ${driver}, ${cores} cores`,
    `Deno ${deno}, commit ${commit || "unknown"}, ${date}, GPU time by ${clock}`,
    `End to end: ${model}`,
  ];
}

/** One row with its circumstances on one line. */
export function jsonLine(row: Row, facts: RunFacts): string {
  const { section, kernel, size, ...figures } = row;
  const rounded = Object.entries(figures).map((
    [name, value],
  ) => [name, typeof value === "number" ? round(value) : value]);
  return JSON.stringify({ section, kernel, ...size, ...Object.fromEntries(rounded), ...facts });
}

function cells(row: Row): string[] {
  const { kernel, size, ms, spread, n } = row;
  const memory = row.MiB === undefined ? [] : [`${grouped(row.MiB)} MiB planned`];
  return [
    kernel,
    sizeText(size),
    figure(ms),
    figure(spread),
    String(n),
    rateText(row),
    shareText(row),
    [...memory, ...(row.note ? [row.note] : [])].join("; "),
  ];
}

function rateText({ tokensPerSecond, GFLOPs, GBps }: Row): string {
  return [
    ...(tokensPerSecond === undefined ? [] : [`${grouped(tokensPerSecond)} tokens/s`]),
    ...(GFLOPs === undefined ? [] : [`${figure(GFLOPs)} GFLOP/s`]),
    ...(GBps === undefined ? [] : [`${figure(GBps)} GB/s`]),
  ].join(", ");
}

function shareText({ ofFma, ofCopy, ofMatmul, ofStep, ofFull, ofArithmetic, timesOurs }: Row): string {
  const share = (value: number | undefined, of: string) => value === undefined ? [] : [`${percent(value)} of ${of}`];
  return [
    ...share(ofFma, "fma"),
    ...share(ofCopy, "copy"),
    ...share(ofMatmul, "matmul"),
    ...share(ofStep, "step"),
    ...(ofArithmetic === undefined ? [] : [`${figure(ofArithmetic)} x its arithmetic`]),
    ...share(ofFull, "full step"),
    ...(timesOurs === undefined ? [] : [`${figure(timesOurs)} x Tiebreak's time`]),
  ].join(", ");
}

/** `0.123` -> `12 %`, `0.0123` -> `1.2 %`. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`;
}

/** Three digits that count. */
export function figure(value: number): string {
  const size = Math.abs(value);
  return size >= 99.95 ? grouped(value) : size >= 9.995 ? value.toFixed(1) : value.toFixed(size >= 0.9995 ? 2 : 3);
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
