// Cells and turns that are missing, empty or broken, seen before parsing makes them all the same.
import type { CsvRow } from "../../data/csv.ts";
import type { Battle } from "../../data/battle.ts";
import type { TextScan } from "./text_scan.ts";

/** Kinds of fault, each with what it means. */
export const faultKinds = {
  emptyPrompt: "prompt without text",
  emptyAnswer: "an answer without text",
  bothAnswersEmpty: "both answers without text",
  nullTurns: "a turn that is null",
  emptyTurns: "a turn without text beside turns with text",
  otherTurns: "a turn that is no string (number, true, object), read as its JSON text",
  plainCells: "a cell that is no JSON array, read as one turn",
  unequalTurns: "an answer with more or fewer turns than the prompt",
  broken: "lone surrogates or U+FFFD: characters lost on the way",
  unlabeled: "no outcome",
} as const;

export type FaultKind = keyof typeof faultKinds;

export interface FaultFindings {
  kind: FaultKind;
  battles: number;
  /** The first rows it was seen in, the header being row 1. */
  rows: number[];
}

const rowsShown = 8;
const columns = ["prompt", "response_a", "response_b"];

/** Counts battles with each fault. */
export class FaultCounter {
  readonly #found = new Map<FaultKind, FaultFindings>();

  add(battle: Battle, cells: CsvRow, scans: { prompt: TextScan; a: TextScan; b: TextScan }): void {
    const { prompt, a, b } = scans;
    const texts = [battle.prompt, battle.responseA, battle.responseB];
    const note = (kind: FaultKind, seen: boolean) => {
      if (seen) this.#note(kind, battle.row);
    };
    note("emptyPrompt", prompt.blank);
    note("emptyAnswer", a.blank !== b.blank);
    note("bothAnswersEmpty", a.blank && b.blank);
    const odd = columns.map((column, text) => oddTurns(cells.cell(column)!, texts[text]));
    note("nullTurns", odd.some(({ nulls }) => nulls));
    note("otherTurns", odd.some(({ others }) => others));
    note("plainCells", odd.some(({ plain }) => plain));
    const scanOf = [prompt, a, b];
    note("emptyTurns", texts.some((turns, text) => !scanOf[text].blank && turns.some((turn) => turn.trim() === "")));
    note("unequalTurns", texts.some((turns) => turns.length !== battle.prompt.length));
    note("broken", prompt.broken + a.broken + b.broken > 0);
    note("unlabeled", battle.label === undefined);
  }

  #note(kind: FaultKind, row: number): void {
    let found = this.#found.get(kind);
    if (!found) this.#found.set(kind, found = { kind, battles: 0, rows: [] });
    found.battles++;
    if (found.rows.length < rowsShown) found.rows.push(row);
  }

  /** All kinds, also those that were not met. */
  finish(): FaultFindings[] {
    return (Object.keys(faultKinds) as FaultKind[]).map((kind) =>
      this.#found.get(kind) ?? { kind, battles: 0, rows: [] }
    );
  }
}

/** Finds cells that may hold more than strings; a comma inside a string matches too, and the cell is parsed in vain. */
const mayBeOdd = /^\s*\[\s*[^\s"\]]|,\s*(?:null|true|false|[-\d{[])/;

/** What a cell holds besides strings. */
function oddTurns(cell: string, turns: readonly string[]): { nulls: boolean; others: boolean; plain: boolean } {
  if (turns.length === 1 && turns[0] === cell) return { nulls: false, others: false, plain: true };
  const elements: unknown[] = mayBeOdd.test(cell) ? JSON.parse(cell) : [];
  return {
    nulls: elements.some((turn) => turn === null),
    others: elements.some((turn) => turn !== null && typeof turn !== "string"),
    plain: false,
  };
}
