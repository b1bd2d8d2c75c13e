// Battles by chatbot and by pair of chatbots, and the leaderboard over them.
import type { Outcome } from "../../data/battle.ts";
import type { PairCounts } from "../statistics/bradley_terry.ts";
import { leaderboard } from "../statistics/leaderboard.ts";
import type { Interval } from "../statistics/wilson.ts";

export interface ChatbotRow {
  name: string;
  battles: number;
  wins: number;
  losses: number;
  ties: number;
  /** Battles fought as A, and those of them won; the same as B. */
  asA: number;
  winsAsA: number;
  asB: number;
  winsAsB: number;
  /** Points and their interval; absent where there are no outcomes, or past the most battled hundred. */
  rating?: Interval & { points: number };
}

export interface ChatbotFindings {
  /** By points where there are some, else by battles. */
  rows: ChatbotRow[];
  /** Of chatbots on the leaderboard; i and j are places in `rows`. */
  pairs: PairCounts[];
  nu: number;
  rounds: number;
  groups: number;
  /** Battles of a chatbot with itself, left out of everything here. */
  againstItself: number;
  /** Chatbots of the leaderboard. */
  rated: number;
}

/** A fit costs the third power of their number, 200 times: the most battled hundred take seconds. */
const mostRated = 100;

/** Counts battles as they come; memory grows with the number of pairs that met. */
export class ChatbotCounter {
  readonly #rows: ChatbotRow[] = [];
  readonly #placeOf = new Map<string, number>();
  readonly #pairs = new Map<string, PairCounts>();
  #againstItself = 0;

  add(modelA: string | undefined, modelB: string | undefined, label: Outcome | undefined): void {
    if (!modelA || !modelB) return;
    const a = this.#place(modelA), b = this.#place(modelB);
    if (a === b) {
      this.#againstItself++;
      return;
    }
    const [rowA, rowB] = [this.#rows[a], this.#rows[b]];
    rowA.battles++;
    rowB.battles++;
    if (label === undefined) return;
    rowA.asA++;
    rowB.asB++;
    if (label === 2) {
      rowA.ties++;
      rowB.ties++;
    } else {
      const [winner, loser] = label === 0 ? [rowA, rowB] : [rowB, rowA];
      winner.wins++;
      loser.losses++;
      if (label === 0) rowA.winsAsA++;
      else rowB.winsAsB++;
    }
    this.#count(a, b, label);
  }

  #place(name: string): number {
    let place = this.#placeOf.get(name);
    if (place === undefined) {
      place = this.#rows.length;
      this.#placeOf.set(name, place);
      this.#rows.push({ name, battles: 0, wins: 0, losses: 0, ties: 0, asA: 0, winsAsA: 0, asB: 0, winsAsB: 0 });
    }
    return place;
  }

  #count(a: number, b: number, label: Outcome): void {
    const i = Math.min(a, b), j = Math.max(a, b), key = `${i} ${j}`;
    let pair = this.#pairs.get(key);
    if (!pair) this.#pairs.set(key, pair = { i, j, winsI: 0, winsJ: 0, ties: 0 });
    if (label === 2) pair.ties++;
    else if ((label === 0 ? a : b) === i) pair.winsI++;
    else pair.winsJ++;
  }

  /** Undefined where the file names no two chatbots. */
  finish(seed: number): ChatbotFindings | undefined {
    const byBattles = this.#rows.map((row, place) => ({ row, place })).filter(({ row }) => row.battles > 0)
      .sort((x, y) => y.row.battles - x.row.battles);
    if (byBattles.length === 0) return undefined;
    const none = { pairs: [], nu: 0, rounds: 0, groups: 0, againstItself: this.#againstItself, rated: 0 };
    if (this.#pairs.size === 0) return { rows: byBattles.map(({ row }) => row), ...none };

    // The most battled chatbots take places 0, 1, ...; pairs with any other are left out.
    const rated = byBattles.slice(0, mostRated);
    const ranked = leaderboard({ chatbots: rated.length, pairs: reordered(this.#pairs.values(), rated), seed });
    for (const [place, { row }] of rated.entries()) row.rating = ranked.ratings[place];
    const byPoints = rated.toSorted((x, y) => y.row.rating!.points - x.row.rating!.points);
    return {
      ...none,
      rows: [...byPoints, ...byBattles.slice(mostRated)].map(({ row }) => row),
      pairs: reordered(this.#pairs.values(), byPoints),
      nu: ranked.nu,
      rounds: ranked.rounds,
      groups: ranked.groups,
      rated: rated.length,
    };
  }
}

function reordered(pairs: Iterable<PairCounts>, order: readonly { place: number }[]): PairCounts[] {
  const newPlace = new Map(order.map(({ place }, index) => [place, index]));
  const found: PairCounts[] = [];
  for (const { i, j, winsI, winsJ, ties } of pairs) {
    const x = newPlace.get(i), y = newPlace.get(j);
    if (x === undefined || y === undefined) continue;
    found.push(
      x < y ? { i: x, j: y, winsI, winsJ, ties } : { i: y, j: x, winsI: winsJ, winsJ: winsI, ties },
    );
  }
  return found;
}
