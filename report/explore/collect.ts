// One pass over the battles of a file: every counter sees each battle once, nothing but counts, hashes and a random
// sample of texts stays in memory.
import { readBattles, type ReadOptions } from "../../data/battles.ts";
import type { Battle } from "../../data/battle.ts";
import type { CsvRow } from "../../data/csv.ts";
import { Reservoir } from "../statistics/reservoir.ts";
import { ChatbotCounter, type ChatbotFindings } from "./chatbots.ts";
import { FaultCounter, type FaultFindings } from "./faults.ts";
import { LanguageCounter, type LanguageFindings } from "./languages.ts";
import { LengthCounter, type LengthFindings } from "./lengths.ts";
import { RepeatCounter, type RepeatFindings } from "./repeats.ts";
import { scanText } from "./text_scan.ts";
import { type CountTokens, measureTokens, type SampledTexts, type TokenFindings } from "./token_lengths.ts";
import { TraitCounter, type TraitFindings } from "./trait_counts.ts";

/** All that is known about a file of battles; the report and the summary are made from it. */
export interface Findings {
  file: string;
  battles: number;
  /** Battles with an outcome: A won, B won, tie. */
  outcomes: [number, number, number];
  chatbots: ChatbotFindings | undefined;
  lengths: LengthFindings;
  tokens: TokenFindings;
  languages: LanguageFindings;
  traits: TraitFindings[];
  repeats: RepeatFindings;
  faults: FaultFindings[];
}

/** How texts become tokens; without one, tokens are estimated from characters. */
export interface TokenSource {
  name: string;
  count: CountTokens;
  marks: (parts: number) => number;
}

export interface CollectOptions {
  /** Battles whose tokens are counted. */
  tokenSample: number;
  seed: number;
  tokens?: TokenSource;
  /** @param bytes of the file read so far */
  onBattle?: (battles: number, bytes: number) => void;
  onTokens?: (done: number, of: number) => void;
}

/** An English token is about four characters long; other scripts have more tokens. */
const charactersOfToken = 4;

/** Reads `path` once. @throws {InputError} as readBattles */
export async function collect(path: string, options: CollectOptions): Promise<Findings> {
  const outcomes: Findings["outcomes"] = [0, 0, 0];
  const chatbots = new ChatbotCounter(), lengths = new LengthCounter(), languages = new LanguageCounter();
  const traitCounts = new TraitCounter(), repeats = new RepeatCounter(), faults = new FaultCounter();
  const sample = new Reservoir<SampledTexts>(options.tokenSample, options.seed);
  for await (const { battle, cells } of battlesWithCells(path)) {
    const [prompt, a, b] = [battle.prompt, battle.responseA, battle.responseB].map((turns) => turns.join("\n"));
    const scans = { prompt: scanText(prompt), a: scanText(a), b: scanText(b) };
    if (battle.label !== undefined) outcomes[battle.label]++;
    chatbots.add(battle.modelA, battle.modelB, battle.label);
    lengths.add(battle, scans);
    languages.add(battle.prompt, scans.prompt, battle.label);
    traitCounts.add(a, b, battle.label);
    repeats.add(battle, scans);
    faults.add(battle, cells, scans);
    sample.offer(() => ({ prompt, a, b }));
    options.onBattle?.(sample.seen, cells.bytes);
  }
  const { name, count, marks }: Partial<TokenSource> & Omit<TokenSource, "name"> = options.tokens ?? {
    count: (text) => Math.ceil(text.length / charactersOfToken),
    marks: (parts) => parts + 1,
  };
  const measured = measureTokens(sample.items, {
    count,
    marks,
    onBattle: (done) => options.onTokens?.(done, sample.items.length),
  });
  return {
    file: path,
    battles: sample.seen,
    outcomes,
    chatbots: chatbots.finish(options.seed),
    lengths: lengths.finish(),
    tokens: { battles: sample.items.length, of: sample.seen, tokenizer: name, ...measured },
    languages: languages.finish(),
    traits: traitCounts.finish(),
    repeats: repeats.finish(),
    faults: faults.finish(),
  };
}

/** Battles, each with the row of the file it was read from. */
async function* battlesWithCells(path: string): AsyncGenerator<{ battle: Battle; cells: CsvRow }> {
  let cells: CsvRow | undefined;
  const options: ReadOptions = { onRow: (row) => cells = row };
  for await (const battle of readBattles(path, options)) yield { battle, cells: cells! };
}
