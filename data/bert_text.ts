// BERT's text cleaning and word splitting, as Hugging Face's Rust tokenizers do them (BertNormalizer, BertPreTokenizer).
// @huggingface/tokenizers 0.2.0 differs: it lowercases before it strips accents, turns a final capital sigma into the
// final small one, and leaves ideographs past U+FFFF unsplit (53,786 of 1,112,064 code points). Here 618 differ, marks and
// punctuation of scripts that Unicode gained after the Rust crate's tables were made.

export interface BertNormalizerConfig {
  clean_text: boolean;
  handle_chinese_chars: boolean;
  /** null: as `lowercase`. */
  strip_accents: boolean | null;
  lowercase: boolean;
}

const unwanted = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\uFFFD]/gu;
// The fifth range begins at U+2B920 in the original too.
const ideograph =
  /[\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B920}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu;
const plain = /^[\t\n\r\x20-\x7e]*$/;
const word = /[^\s\p{P}!-/:-@[-`{-~]+|[\p{P}!-/:-@[-`{-~]/gu;

/** The text as BERT reads it: no control characters, ideographs spaced, accents stripped, lower case. White space is left
 *  as it is, since words are split at all of it. */
export function normalizeBertText(text: string, config: BertNormalizerConfig): string {
  if (plain.test(text)) return config.lowercase ? text.toLowerCase() : text;
  if (config.clean_text) text = text.replace(unwanted, "");
  if (config.handle_chinese_chars) text = text.replace(ideograph, " $& ");
  if (config.strip_accents ?? config.lowercase) text = text.normalize("NFD").replace(/\p{Mn}/gu, "");
  return config.lowercase ? text.replaceAll("Σ", "σ").toLowerCase() : text;
}

/** Words and single punctuation marks, in order. */
export function splitBertWords(text: string): string[] {
  return text.match(word) ?? [];
}
