// Prompts and battles that come more than once, known again by their hashes; texts are kept only of what repeats.
import { promptKey } from "../../data/folds.ts";
import type { Battle, Outcome } from "../../data/battle.ts";
import { combineHashes, scanText, type TextScan } from "./text_scan.ts";

export interface RepeatFindings {
  /** Different prompts, without regard to case and white space. */
  prompts: number;
  /** How many prompts stand in one battle, in two, ... by the number of battles. */
  sizes: Map<number, number>;
  /** Battles whose prompt stands in another battle too. */
  battlesOfRepeatedPrompts: number;
  mostRepeated: { battles: number; beginning: string }[];
  /** Battles with the very texts of an earlier one, and with its answers exchanged. */
  duplicates: number;
  exchanged: number;
  /** Groups of the same texts whose outcomes differ, taking an exchange of the answers into account. */
  contradicting: { rows: number[]; battles: number }[];
  contradictingBattles: number;
  /** Battles whose two answers are one text, and those of them with a winner. */
  sameAnswers: number;
  sameAnswersWithWinner: number;
}

interface PromptGroup {
  battles: number;
  beginning: string;
}

interface BattleGroup {
  battles: number;
  /** Bit n: the outcome n was seen, 0 = the answer of lower hash won. */
  outcomes: number;
  rows: number[];
}

const rowsShown = 5;
const promptsShown = 10;

/** What is kept of a battle met once: its row, the side of the answer with the lower hash, its outcome. */
const pack = (row: number, exchanged: boolean, outcome: number) => row * 8 + (exchanged ? 4 : 0) + outcome;

/** Counts repetition; memory grows by about 150 bytes for each battle, whatever its length. */
export class RepeatCounter {
  readonly #prompts = new Map<number, number | PromptGroup>();
  readonly #battles = new Map<number, number | (BattleGroup & { exchanged: boolean })>();
  #duplicates = 0;
  #exchanged = 0;
  #sameAnswers = 0;
  #sameAnswersWithWinner = 0;

  add(battle: Battle, scans: { prompt: TextScan; a: TextScan; b: TextScan }): void {
    this.#addPrompt(battle);
    const { prompt, a, b } = scans;
    if (a.hash === b.hash && !a.blank) {
      this.#sameAnswers++;
      if (battle.label === 0 || battle.label === 1) this.#sameAnswersWithWinner++;
    }
    const exchanged = a.hash > b.hash;
    const key = combineHashes(prompt.hash, Math.min(a.hash, b.hash), Math.max(a.hash, b.hash));
    const outcome = orientedOutcome(battle.label, exchanged);
    const met = this.#battles.get(key);
    if (met === undefined) {
      this.#battles.set(key, pack(battle.row, exchanged, outcome));
      return;
    }
    const group = typeof met === "number" ? unpack(met) : met;
    group.battles++;
    if (outcome < 3) group.outcomes |= 1 << outcome;
    if (group.rows.length < rowsShown) group.rows.push(battle.row);
    if (group.exchanged === exchanged) this.#duplicates++;
    else this.#exchanged++;
    this.#battles.set(key, group);
  }

  #addPrompt({ prompt }: Battle): void {
    const text = promptKey(prompt);
    const { hash } = scanText(text);
    const met = this.#prompts.get(hash);
    if (met === undefined) this.#prompts.set(hash, 1);
    else if (typeof met === "number") this.#prompts.set(hash, { battles: 2, beginning: beginningOf(prompt) });
    else met.battles++;
  }

  finish(): RepeatFindings {
    const sizes = new Map<number, number>(), groups: PromptGroup[] = [];
    let battlesOfRepeatedPrompts = 0;
    for (const met of this.#prompts.values()) {
      const battles = typeof met === "number" ? 1 : met.battles;
      sizes.set(battles, (sizes.get(battles) ?? 0) + 1);
      if (typeof met === "number") continue;
      battlesOfRepeatedPrompts += battles;
      groups.push(met);
    }
    const contradicting: BattleGroup[] = [];
    for (const met of this.#battles.values()) {
      // More than one bit set: more than one outcome was seen.
      if (typeof met !== "number" && (met.outcomes & (met.outcomes - 1)) !== 0) contradicting.push(met);
    }
    return {
      prompts: this.#prompts.size,
      sizes,
      battlesOfRepeatedPrompts,
      mostRepeated: groups.sort((x, y) => y.battles - x.battles).slice(0, promptsShown),
      duplicates: this.#duplicates,
      exchanged: this.#exchanged,
      contradicting: contradicting.slice(0, promptsShown).map(({ rows, battles }) => ({ rows, battles })),
      contradictingBattles: contradicting.reduce((sum, { battles }) => sum + battles, 0),
      sameAnswers: this.#sameAnswers,
      sameAnswersWithWinner: this.#sameAnswersWithWinner,
    };
  }
}

/** 0: the answer of lower hash won, 1: the other, 2: tie, 3: no label. */
function orientedOutcome(label: Outcome | undefined, exchanged: boolean): number {
  if (label === undefined) return 3;
  return label === 2 || !exchanged ? label : 1 - label;
}

function unpack(packed: number): BattleGroup & { exchanged: boolean } {
  const row = Math.floor(packed / 8), outcome = packed % 4;
  return { battles: 1, outcomes: outcome < 3 ? 1 << outcome : 0, rows: [row], exchanged: (packed & 4) !== 0 };
}

/** The first words, copied: a slice would keep the whole text alive. */
function beginningOf(prompt: readonly string[]): string {
  const start = prompt.join("\n").slice(0, 400).replace(/\s+/g, " ").trim();
  return start.length > 90 ? `${[...start].slice(0, 89).join("")}…` : [...start].join("");
}
