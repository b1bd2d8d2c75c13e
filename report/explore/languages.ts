// The language of prompts, by letter n-grams (eld), and their script.
import { eld } from "eld/extrasmall";
import type { Outcome } from "../../data/battle.ts";
import type { TextScan } from "./text_scan.ts";

export interface LanguageRow {
  /** ISO 639-1; "" where none was found. */
  code: string;
  name: string;
  battles: number;
  ties: number;
}

export interface LanguageFindings {
  /** The most frequent first. */
  languages: LanguageRow[];
  scripts: { name: string; battles: number }[];
}

/** Characters looked at; more of them are slower (0.5 ms for 1,000) and seldom change the answer. */
const lookedAt = 200;
const names = new Intl.DisplayNames(["en"], { type: "language" });

export class LanguageCounter {
  readonly #languages = new Map<string, LanguageRow>();
  readonly #scripts = new Map<string, number>();

  add(prompt: readonly string[], scan: TextScan, label: Outcome | undefined): void {
    this.#scripts.set(scan.script, (this.#scripts.get(scan.script) ?? 0) + 1);
    const code = languageOf(prompt, scan);
    let row = this.#languages.get(code);
    if (!row) {
      this.#languages.set(code, row = { code, name: languageName(code), battles: 0, ties: 0 });
    }
    row.battles++;
    if (label === 2) row.ties++;
  }

  finish(): LanguageFindings {
    return {
      languages: [...this.#languages.values()].sort((x, y) => y.battles - x.battles),
      scripts: [...this.#scripts].map(([name, battles]) => ({ name, battles })).sort((x, y) => y.battles - x.battles),
    };
  }
}

/** ISO 639-1 of a prompt by its beginning; "" where none was found. @param scan of the whole prompt */
export function languageOf(prompt: readonly string[], scan: TextScan): string {
  return scan.script === "none" ? "" : eld.detect(beginning(prompt)).language;
}

export function languageName(code: string): string {
  return code === "" ? "not recognised" : names.of(code) ?? code;
}

function beginning(prompt: readonly string[]): string {
  let text = "";
  for (const turn of prompt) {
    text += turn.slice(0, lookedAt) + "\n";
    if (text.length >= lookedAt) break;
  }
  return text.slice(0, lookedAt).toWellFormed();
}
