// One pass over the characters of a text: how many, of which scripts, and a hash to know the text again.

/** Scripts told apart; letters of any other count as "other". */
const scripts = [
  "Latin",
  "Han",
  "Cyrillic",
  "Arabic",
  "Hiragana",
  "Katakana",
  "Hangul",
  "Devanagari",
  "Thai",
  "Greek",
  "Hebrew",
  "Bengali",
  "Tamil",
] as const;

export type Script = typeof scripts[number] | "other" | "none";

const other = scripts.length + 1;

/** Place of a UTF-16 unit's script in `scripts`, from 1; 0 for what is no letter. */
const scriptOfUnit = scriptTable();

function scriptTable(): Uint8Array {
  const table = new Uint8Array(65536);
  const letters = scripts.map((name) => new RegExp(`^(?=\\p{L})\\p{Script=${name}}`, "u"));
  const letter = /^\p{L}/u;
  for (let unit = 0; unit < 65536; unit++) {
    const character = String.fromCharCode(unit);
    if (letter.test(character)) table[unit] = letters.findIndex((script) => script.test(character)) + 1 || other;
  }
  // Ideographs past U+FFFF begin with these surrogates.
  for (let unit = 0xd840; unit <= 0xd888; unit++) table[unit] = scripts.indexOf("Han") + 1;
  return table;
}

export interface TextScan {
  /** Code points. */
  characters: number;
  /** 53 bits; equal for equal texts, and for a million different ones by chance with odds of 1 to 18,000. */
  hash: number;
  /** The script of most letters. */
  script: Script;
  /** Halves of surrogate pairs that stand alone, and U+FFFD: text that was broken on its way here. */
  broken: number;
  /** Holds nothing but white space, or nothing. */
  blank: boolean;
}

const tally = new Uint32Array(other + 1);

/** Scans `text`. */
export function scanText(text: string): TextScan {
  tally.fill(0);
  // cyrb53, two multiplicative hashes side by side.
  let one = 0xdeadbeef, two = 0x41c6ce57, pairs = 0, broken = 0, previous = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    one = Math.imul(one ^ unit, 2654435761);
    two = Math.imul(two ^ unit, 1597334677);
    tally[scriptOfUnit[unit]]++;
    if (unit >= 0xd800) {
      if (unit === 0xfffd) broken++;
      const low = unit >= 0xdc00 && unit <= 0xdfff, afterHigh = previous >= 0xd800 && previous <= 0xdbff;
      if (low && afterHigh) pairs++;
      else if (low) broken++;
      if (!low && afterHigh) broken++;
    } else if (previous >= 0xd800 && previous <= 0xdbff) broken++;
    previous = unit;
  }
  if (previous >= 0xd800 && previous <= 0xdbff) broken++;
  one = Math.imul(one ^ (one >>> 16), 2246822507) ^ Math.imul(two ^ (two >>> 13), 3266489909);
  two = Math.imul(two ^ (two >>> 16), 2246822507) ^ Math.imul(one ^ (one >>> 13), 3266489909);
  return {
    characters: text.length - pairs,
    hash: (two >>> 0 & 0x1fffff) * 2 ** 32 + (one >>> 0),
    script: mostLetters(),
    broken,
    blank: text.trim() === "",
  };
}

function mostLetters(): Script {
  let most = 0;
  for (let place = 1; place <= other; place++) if (tally[place] > (most && tally[most])) most = place;
  if (most === 0) return "none";
  return most === other ? "other" : scripts[most - 1];
}

/** One hash of several, in order. */
export function combineHashes(...hashes: number[]): number {
  let one = 0x9e3779b9, two = 0x7f4a7c15;
  for (const hash of hashes) {
    for (const half of [hash >>> 0, Math.floor(hash / 2 ** 32)]) {
      one = Math.imul(one ^ half, 2654435761) ^ (one >>> 15);
      two = Math.imul(two ^ half, 1597334677) ^ (two >>> 13);
    }
  }
  one = Math.imul(one ^ (one >>> 16), 2246822507) ^ Math.imul(two ^ (two >>> 13), 3266489909);
  two = Math.imul(two ^ (two >>> 16), 2246822507) ^ Math.imul(one ^ (one >>> 13), 3266489909);
  return (two >>> 0 & 0x1fffff) * 2 ** 32 + (one >>> 0);
}
