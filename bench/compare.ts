// A run against an earlier one, read back from its lines of JSON.
import { InputError } from "../errors.ts";
import { alignedLines, figure, percent, type RunFacts } from "./report.ts";
import { type Row, rowKey, sizeText } from "./row.ts";

/** What a line of JSON must say to be compared. */
export interface EarlierRow extends Pick<Row, "kernel" | "size" | "ms" | "spread"> {
  share?: number;
  adapter?: string;
  driver?: string;
}

const shares = ["ofFma", "ofCopy", "ofMatmul"] as const;

/** Fields of a line that are not part of its size: all of a row and of a run's circumstances, so that none can be forgotten. */
const others: Record<Exclude<keyof Row, "size"> | keyof RunFacts, true> = {
  ...{ section: true, kernel: true, ms: true, spread: true, n: true, note: true },
  ...{ GFLOPs: true, GBps: true, tokensPerSecond: true, MiB: true },
  ...{ ofFma: true, ofCopy: true, ofMatmul: true, ofStep: true, ofArithmetic: true, ofFull: true, ofPlain: true },
  timesOurs: true,
  ...{ adapter: true, driver: true, cores: true, deno: true, commit: true, date: true, clock: true, model: true },
};

/** Reads what `bench --json` wrote. @throws {InputError} with the line */
export async function readEarlier(path: string): Promise<EarlierRow[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch {
    throw new InputError(`Cannot open ${path}: there is no such file: name one that bench --json wrote`);
  }
  const lines = text.split("\n").map((line, i) => ({ line, number: i + 1 })).filter(({ line }) => line.trim() !== "");
  if (lines.length === 0) {
    throw new InputError(`Cannot compare with ${path}: it is empty: name one that bench --json wrote`);
  }
  return lines.map(({ line, number }) => parseLine(line, `${path} line ${number}`));
}

function parseLine(line: string, where: string): EarlierRow {
  let row: Record<string, unknown>;
  try {
    row = JSON.parse(line);
  } catch {
    throw new InputError(`Cannot read ${where}: it is no JSON: name a file that bench --json wrote`);
  }
  const { kernel, ms, spread, adapter, driver } = row ?? {};
  if (typeof kernel !== "string" || typeof ms !== "number" || typeof spread !== "number") {
    throw new InputError(`Cannot read ${where}: kernel, ms or spread is missing: name a file that bench --json wrote`);
  }
  const size = Object.fromEntries(Object.entries(row).filter(([name]) => !Object.hasOwn(others, name))) as Row["size"];
  const share = shares.map((name) => row[name]).find((value) => typeof value === "number") as number | undefined;
  return { kernel, size, ms, spread, share, adapter: text(adapter), driver: text(driver) };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** One line for each row of both runs; a difference counts when it exceeds a tenth and both spreads. */
export function compareLines(rows: readonly Row[], earlier: readonly EarlierRow[], facts: RunFacts): string[] {
  const before = new Map(earlier.map((row) => [rowKey(row), row]));
  const lines = rows.flatMap((row) => {
    const old = before.get(rowKey(row));
    return old ? [compareCells(row, old)] : [];
  });
  if (lines.length === 0) return ["Nothing to compare: the earlier run has none of these rows"];
  const elsewhere = earlier.find(({ adapter, driver }) => adapter !== facts.adapter || driver !== facts.driver);
  const warning = `The earlier run had ${elsewhere?.adapter}, ${elsewhere?.driver}: compare shares, not times`;
  return [...(elsewhere ? [warning] : []), ...alignedLines([compareHeader, ...lines], compareRight)];
}

const compareHeader = ["kernel", "size", "ms before", "ms now", "change", "share before", "now", ""];
const compareRight = ["ms before", "ms now", "change", "share before", "now"];

function compareCells(row: Row, old: EarlierRow): string[] {
  const share = shares.map((name) => row[name]).find((value) => value !== undefined);
  const change = row.ms / old.ms - 1;
  const counts = Math.abs(change) > 0.1 && Math.abs(row.ms - old.ms) > Math.max(row.spread, old.spread);
  return [
    row.kernel,
    sizeText(row.size),
    figure(old.ms),
    figure(row.ms),
    `${change < 0 ? "-" : "+"}${percent(Math.abs(change))}`,
    old.share === undefined ? "" : percent(old.share),
    share === undefined ? "" : percent(share),
    !counts ? "" : change > 0 ? "SLOWER" : "faster",
  ];
}
