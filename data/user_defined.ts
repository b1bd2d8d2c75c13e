// User-defined symbols of a SentencePiece model: wherever one stands in a text it is a piece of its own.

/** Finds the longest symbol that begins at a place of a text. Gemma 3 has 6,242 of them, so that only lengths of symbols of that
 *  first character are looked up. */
export function symbolFinder(symbols: ReadonlySet<string>): (text: string, at: number) => string | undefined {
  const lengths = new Map<string, number[]>();
  for (const { length, first } of [...symbols].map((symbol) => ({ length: symbol.length, first: symbol[0] }))) {
    const known = lengths.get(first) ?? [];
    if (!known.includes(length)) lengths.set(first, [...known, length].sort((a, b) => b - a));
  }
  return (text, at) =>
    lengths.get(text[at])?.map((length) => text.slice(at, at + length)).find((part) => symbols.has(part));
}
