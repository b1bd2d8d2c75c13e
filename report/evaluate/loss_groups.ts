// Log loss of groups of battles: sums alone are kept, so that groups cost nothing however many battles they have.

/** What a model is worth on one group. */
export interface GroupRow {
  name: string;
  battles: number;
  logLoss: number;
  /** 95 % interval of the mean by the normal distribution; NaN of a single battle. */
  low: number;
  high: number;
  /** Share of battles whose likeliest outcome came true. */
  accuracy: number;
  /** Log loss of the reference on the same battles. */
  reference?: number;
}

/** What one battle adds to its groups. */
export interface BattleLoss {
  loss: number;
  correct: boolean;
  reference?: number;
}

interface Sums {
  battles: number;
  loss: number;
  squares: number;
  correct: number;
  reference: number;
}

/** Two-sided 95 % quantile of the normal distribution. */
const z95 = 1.959963984540054;

/** Groups by name, in the order they were first met unless they were named beforehand. */
export class LossGroups {
  readonly #groups = new Map<string, Sums>();

  /** @param names in the order of the report; those that are never met are left out */
  constructor(names: readonly string[] = []) {
    for (const name of names) this.#groups.set(name, emptySums());
  }

  add(name: string, { loss, correct, reference = NaN }: BattleLoss): void {
    let sums = this.#groups.get(name);
    if (!sums) this.#groups.set(name, sums = emptySums());
    sums.battles++;
    sums.loss += loss;
    sums.squares += loss * loss;
    sums.correct += Number(correct);
    sums.reference += reference;
  }

  rows(): GroupRow[] {
    return [...this.#groups].filter(([, { battles }]) => battles > 0).map(([name, sums]) => rowOf(name, sums));
  }
}

function emptySums(): Sums {
  return { battles: 0, loss: 0, squares: 0, correct: 0, reference: 0 };
}

function rowOf(name: string, { battles, loss, squares, correct, reference }: Sums): GroupRow {
  const mean = loss / battles;
  // Of rounding a variance may come out below 0.
  const variance = Math.max(0, squares - battles * mean * mean) / (battles - 1);
  const half = z95 * Math.sqrt(variance / battles);
  return {
    name,
    battles,
    logLoss: mean,
    low: mean - half,
    high: mean + half,
    accuracy: correct / battles,
    ...(!Number.isNaN(reference) && { reference: reference / battles }),
  };
}
