// Battles as a CSV file in Kaggle's layout, the true probabilities in columns of their own where they are known.
import type { Battle } from "./battle.ts";
import { writeLines } from "./text_file.ts";

export interface WriteOptions {
  /** Columns of the outcome, of the chatbots' names and of the truth; a test file has none of them. @default {true} */
  labels?: boolean;
}

/** Writes `battles`, all of them with the columns of the first. The file appears whole or not at all. */
export async function writeBattles(
  path: string,
  battles: readonly Battle[],
  { labels = true }: WriteOptions = {},
): Promise<void> {
  const truth = labels && battles[0]?.truth !== undefined;
  const header = ["id"];
  if (labels) header.push("model_a", "model_b");
  header.push("prompt", "response_a", "response_b");
  if (labels) header.push("winner_model_a", "winner_model_b", "winner_tie");
  if (truth) header.push("true_a", "true_b", "true_tie");
  const line = (battle: Battle) => {
    const cells = [battle.id];
    if (labels) cells.push(battle.modelA ?? "", battle.modelB ?? "");
    cells.push(...[battle.prompt, battle.responseA, battle.responseB].map((turns) => JSON.stringify(turns)));
    if (labels) cells.push(...[0, 1, 2].map((outcome) => String(Number(battle.label === outcome))));
    if (truth) cells.push(...battle.truth!.map(String));
    return `${cells.map(quoted).join(",")}\n`;
  };
  function* lines(): Generator<string> {
    yield `${header.join(",")}\n`;
    for (const battle of battles) yield line(battle);
  }
  await writeLines(path, lines());
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
