// The battles that cost a model most, with the beginnings of their texts.
import type { Battle, Outcome } from "../../data/battle.ts";
import { oneLine } from "../format.ts";

export interface HardBattle {
  id: string;
  row: number;
  loss: number;
  label: Outcome;
  probabilities: [number, number, number];
  chatbots: [string, string];
  /** Beginnings, each one line. */
  prompt: string;
  answers: [string, string];
}

const promptShown = 160, answerShown = 200;

/** Keeps those of the greatest loss, the greatest first; of equal ones those met first. */
export class HardestBattles {
  readonly items: HardBattle[] = [];

  constructor(readonly size: number) {}

  offer(battle: Battle, loss: number, probabilities: ArrayLike<number>): void {
    if (this.items.length === this.size && !(loss > (this.items.at(-1)?.loss ?? Infinity))) return;
    const beginning = (turns: readonly string[], most: number) => oneLine(turns.join("\n").slice(0, most * 8), most);
    const place = this.items.findIndex((item) => item.loss < loss);
    this.items.splice(place < 0 ? this.items.length : place, 0, {
      id: oneLine(battle.id, 40),
      row: battle.row,
      loss,
      label: battle.label!,
      probabilities: [probabilities[0], probabilities[1], probabilities[2]],
      chatbots: [oneLine(battle.modelA ?? "", 40), oneLine(battle.modelB ?? "", 40)],
      prompt: beginning(battle.prompt, promptShown),
      answers: [beginning(battle.responseA, answerShown), beginning(battle.responseB, answerShown)],
    });
    this.items.length = Math.min(this.items.length, this.size);
  }
}
