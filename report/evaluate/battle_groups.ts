// The groups that an evaluation tells apart: by length, by prompt, by what answers hold, by chatbots.
import type { Battle } from "../../data/battle.ts";
import { promptKey } from "../../data/folds.ts";
import { languageName, languageOf } from "../explore/languages.ts";
import { scanText } from "../explore/text_scan.ts";
import { traits } from "../explore/traits.ts";
import { oneLine } from "../format.ts";
import { type BattleLoss, type GroupRow, LossGroups } from "./loss_groups.ts";

/** Groups of one kind. */
export interface GroupKind {
  /** Said over the plot and in the terminal, e.g. `language of the prompt`. */
  title: string;
  rows: GroupRow[];
}

export interface BattleGroups {
  lengths: GroupKind[];
  prompts: GroupKind[];
  traits: GroupKind[];
  /** Absent where the file names no chatbots. */
  chatbots?: { each: GroupKind; pairs: GroupKind; of: { chatbots: number; pairs: number } };
}

const lengthEdges = [500, 1000, 2000, 4000, 8000, 16000];
const lengthNames = [
  "under 500",
  "500 – 1,000",
  "1,000 – 2,000",
  "2,000 – 4,000",
  "4,000 – 8,000",
  "8,000 – 16,000",
  "over 16,000",
];
const ratioNames = ["A over 2 × as long", "A 1.2 – 2 ×", "about as long", "B 1.2 – 2 ×", "B over 2 × as long"];
const turnNames = ["1 turn", "2 turns", "3 turns or more"];
const seenNames = ["trained on", "not trained on"];
const repeatNames = ["in one battle", "in 2 to 5 battles", "in more than 5"];
const noTrait = "none of these";
const languagesShown = 8, chatbotsShown = 40, pairsShown = 20;

/** Knows prompts again by hashes of 53 bits, without regard to case and white space. */
export function promptHash(prompt: readonly string[]): number {
  return scanText(promptKey(prompt)).hash;
}

/** Sees each battle once, with what the model made of it. */
export class BattleGroupCounter {
  readonly #lengths = new LossGroups(lengthNames);
  readonly #ratios = new LossGroups(ratioNames);
  readonly #turns = new LossGroups(turnNames);
  readonly #seen = new LossGroups(seenNames);
  readonly #languages = new LossGroups();
  readonly #traits = new LossGroups([...traits.map(({ name }) => name), noTrait]);
  readonly #chatbots = new LossGroups();
  readonly #pairs = new LossGroups();
  /** Numbers of prompts, by hash; and of each battle its prompt's number and its loss. */
  readonly #prompts = new Map<number, number>();
  readonly #promptSizes: number[] = [];
  readonly #promptOf: number[] = [];
  readonly #losses: BattleLoss[] = [];

  /** @param isTrained whether a prompt of that hash was trained on, if that is known */
  constructor(readonly isTrained?: (hash: number) => boolean) {}

  add(battle: Battle, loss: BattleLoss): void {
    const [prompt, a, b] = [battle.prompt, battle.responseA, battle.responseB].map((turns) => turns.join("\n"));
    const total = prompt.length + a.length + b.length;
    const place = lengthEdges.findIndex((edge) => total < edge);
    this.#lengths.add(lengthNames.at(place)!, loss);
    this.#ratios.add(ratioName(a.length, b.length), loss);
    this.#turns.add(turnNames[Math.min(Math.max(battle.prompt.length, 1), 3) - 1], loss);
    this.#languages.add(languageName(languageOf(battle.prompt, scanText(prompt))), loss);
    const held = traits.filter(({ test }) => test(a) || test(b));
    for (const { name } of held) this.#traits.add(name, loss);
    if (held.length === 0) this.#traits.add(noTrait, loss);
    this.#addPrompt(battle, loss);
    this.#addChatbots(battle, loss);
  }

  #addPrompt(battle: Battle, loss: BattleLoss): void {
    const hash = promptHash(battle.prompt);
    if (this.isTrained) this.#seen.add(seenNames[this.isTrained(hash) ? 0 : 1], loss);
    let number = this.#prompts.get(hash);
    if (number === undefined) {
      this.#prompts.set(hash, number = this.#promptSizes.length);
      this.#promptSizes.push(0);
    }
    this.#promptSizes[number]++;
    this.#promptOf.push(number);
    this.#losses.push(loss);
  }

  #addChatbots({ modelA = "", modelB = "" }: Battle, loss: BattleLoss): void {
    if (modelA === "" || modelB === "") return;
    const names = [modelA, modelB].map((name) => oneLine(name, 60)).sort();
    for (const name of new Set(names)) this.#chatbots.add(name, loss);
    this.#pairs.add(names.join(" / "), loss);
  }

  /** Of each battle the number of its prompt: battles of one prompt are not independent of each other. */
  get promptNumbers(): readonly number[] {
    return this.#promptOf;
  }

  get prompts(): number {
    return this.#promptSizes.length;
  }

  /** Battles whose prompt was trained on; undefined where nothing is known of the training part. */
  get seen(): number | undefined {
    if (!this.isTrained) return undefined;
    return this.#seen.rows().find(({ name }) => name === seenNames[0])?.battles ?? 0;
  }

  finish(): BattleGroups {
    const chatbots = this.#chatbots.rows(), pairs = this.#pairs.rows();
    const kinds = (found: [string, GroupRow[]][]) => found.map(([title, rows]) => ({ title, rows }));
    return {
      lengths: kinds([
        ["characters of prompt and answers", this.#lengths.rows()],
        ["lengths of the two answers", this.#ratios.rows()],
      ]),
      prompts: kinds([
        ...(this.isTrained ? [["whether the prompt was trained on", this.#seen.rows()] as [string, GroupRow[]]] : []),
        ["how often the prompt stands here", this.#repeats().rows()],
        ["turns of the prompt", this.#turns.rows()],
        ["language of the prompt", most(this.#languages.rows(), languagesShown)],
      ]),
      traits: kinds([["what one answer has, or both", this.#traits.rows()]]),
      ...(chatbots.length > 0 && {
        chatbots: {
          each: { title: "chatbot", rows: hardestOf(chatbots, chatbotsShown) },
          pairs: { title: "pair of chatbots", rows: hardestOf(pairs, pairsShown) },
          of: { chatbots: chatbots.length, pairs: pairs.length },
        },
      }),
    };
  }

  #repeats(): LossGroups {
    const groups = new LossGroups(repeatNames);
    for (const [at, number] of this.#promptOf.entries()) {
      const size = this.#promptSizes[number];
      groups.add(repeatNames[size === 1 ? 0 : size <= 5 ? 1 : 2], this.#losses[at]);
    }
    return groups;
  }
}

function ratioName(a: number, b: number): string {
  const ratio = (a + 1) / (b + 1);
  if (ratio > 2) return ratioNames[0];
  if (ratio > 1.2) return ratioNames[1];
  if (ratio >= 1 / 1.2) return ratioNames[2];
  return ratioNames[ratio >= 0.5 ? 3 : 4];
}

/** Groups of most battles, the most first. */
function most(rows: readonly GroupRow[], shown: number): GroupRow[] {
  return rows.toSorted((x, y) => y.battles - x.battles).slice(0, shown);
}

/** Groups of most battles, those of the greatest loss first. */
function hardestOf(rows: readonly GroupRow[], shown: number): GroupRow[] {
  return most(rows, shown).sort((x, y) => y.logLoss - x.logLoss);
}
