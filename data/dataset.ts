// Encoded battles: what stays in memory of a data set once its texts are tokens.
import type { Battle, Outcome } from "./battle.ts";
import { battleNumbers } from "./numbers.ts";
import { encodeBattle, type EncodeOptions, type Sequence } from "./template.ts";
import { writeLines } from "./text_file.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** A battle as tokens, about 5 bytes for each. */
export interface EncodedBattle {
  /** Place in the data set, from 0. */
  index: number;
  id: string;
  /** Row in its file, for messages. */
  row: number;
  /** [ab] when joint, [a, b] when siamese. */
  sequences: Sequence[];
  /** Of all its sequences. */
  tokens: number;
  segments: number;
  label?: Outcome;
  /** Learned in place of the label. */
  target?: [number, number, number];
  /** In the loss. @default {1} */
  weight?: number;
  truth?: [number, number, number];
  /** Beside the text: `battleNumbers`, where they are asked for. */
  numbers?: Float32Array<ArrayBuffer>;
}

/** Encodes battles in their order. */
export async function encodeAll(
  battles: Iterable<Battle> | AsyncIterable<Battle>,
  tokenizer: Tokenizer,
  options: EncodeOptions,
): Promise<EncodedBattle[]> {
  const encoded: EncodedBattle[] = [];
  for await (const battle of battles) encoded.push(encodeOne(battle, encoded.length, tokenizer, options));
  return encoded;
}

function encodeOne(battle: Battle, index: number, tokenizer: Tokenizer, options: EncodeOptions): EncodedBattle {
  const sequences = encodeBattle(tokenizer, battle, options);
  return {
    index,
    id: battle.id,
    row: battle.row,
    sequences,
    tokens: sequences.reduce((sum, { inputIds }) => sum + inputIds.length, 0),
    segments: sequences.length,
    ...(options.features === "length" && {
      numbers: battleNumbers(battle, sequences.flatMap(({ wholeTokens }) => wholeTokens)),
    }),
    ...(battle.label !== undefined && { label: battle.label }),
    ...(battle.target !== undefined && { target: battle.target }),
    ...(battle.weight !== undefined && { weight: battle.weight }),
    ...(battle.truth !== undefined && { truth: battle.truth }),
  };
}

/** Of a battle: its sequences after A and B changed places, as if the battle had been encoded so. */
export function exchangeSides(sequences: readonly Sequence[]): Sequence[] {
  if (sequences.length === 2) {
    return [{ ...sequences[1], side: "a" }, { ...sequences[0], side: "b" }];
  }
  const [{ inputIds, tokenTypeIds, answerStarts: [startA, startB], wholeTokens }] = sequences;
  // Cutting treats A and B alike, so the exchanged sequence holds the same tokens: prompt, B with its mark, A with its.
  const answerA = inputIds.subarray(startA, startB), answerB = inputIds.subarray(startB);
  const exchanged = inputIds.slice();
  exchanged.set(answerB, startA);
  exchanged.set(answerA, startA + answerB.length);
  const typeOfA = tokenTypeIds[startA], typeOfB = tokenTypeIds[startB];
  const types = tokenTypeIds.slice().fill(typeOfA, startA).fill(typeOfB, startA + answerB.length);
  return [{
    side: "ab",
    inputIds: exchanged,
    tokenTypeIds: types,
    answerStarts: [startA, startA + answerB.length],
    wholeTokens: wholeTokens.toReversed(),
  }];
}

/** The line of `deno task tokenize` for one sequence. */
export function tokensLine(battle: EncodedBattle, { side, inputIds, tokenTypeIds }: Sequence): string {
  const line = {
    id: battle.id,
    side,
    input_ids: [...inputIds],
    token_type_ids: [...tokenTypeIds],
    label: battle.label ?? null,
    ...(battle.numbers && { numbers: [...battle.numbers] }),
  };
  return `${JSON.stringify(line)}\n`;
}

/** Writes one JSON line per sequence: id, side, input_ids, token_type_ids, label, and numbers where the model reads them. Battles are read, encoded and written
 *  one by one. @returns sequences written */
export async function writeTokens(
  path: string,
  battles: Iterable<Battle> | AsyncIterable<Battle>,
  tokenizer: Tokenizer,
  options: EncodeOptions,
): Promise<number> {
  let written = 0;
  async function* lines(): AsyncGenerator<string> {
    for await (const battle of battles) {
      const encoded = encodeOne(battle, 0, tokenizer, options);
      for (const sequence of encoded.sequences) {
        written++;
        yield tokensLine(encoded, sequence);
      }
    }
  }
  await writeLines(path, lines());
  return written;
}
