// What an answer looks like: code, lists, headings, refusals. Found by patterns, so a hint and no judgement.

export interface Trait {
  name: string;
  /** Said in the report under the plot. */
  rule: string;
  test(answer: string): boolean;
}

const listItem = /^[ \t]*(?:[-*•+]|\d{1,3}[.)])[ \t]+\S/gm;
const heading = /^#{1,6} \S/m;
const table = /^[ \t]*\|?[ \t]*:?-{3,}:?[ \t]*\|[-:| \t]*$/m;
const maths = /\$\$|\\\(|\\\[|\\begin\{|\\frac\b/;
const sorry = /\b(?:i['’]?m|i am) (?:very |so |truly )?(?:sorry|afraid)|\bi apologi[sz]e|\bunfortunately, i/i;
const unable =
  /\bi (?:can['’]?t|can ?not|won['’]?t|will not|must decline|do(?: not|n['’]t) feel comfortable|am (?:unable|not able|not allowed)|['’]?m (?:unable|not able))\b|\bi['’]m (?:unable|not able|not allowed)\b/i;
const machine = /\bas an? (?:ai|artificial intelligence|(?:large )?language model|assistant)\b/i;

/** Traits in the order of the report. */
export const traits: readonly Trait[] = [
  { name: "code", rule: "a fenced block (```)", test: (answer) => answer.includes("```") },
  { name: "list", rule: "two or more lines that begin as list items", test: hasList },
  { name: "heading", rule: "a Markdown heading", test: (answer) => answer.includes("#") && heading.test(answer) },
  { name: "bold", rule: "Markdown bold", test: (answer) => /\*\*[^\s*][^*\n]*\*\*/.test(answer) },
  { name: "table", rule: "a Markdown table", test: (answer) => answer.includes("---") && table.test(answer) },
  { name: "maths", rule: "LaTeX", test: (answer) => maths.test(answer) },
  {
    name: "refusal",
    rule: "in its first 300 characters “I can’t”, “I’m unable”, “as an AI” or an apology (English only)",
    test: isRefusal,
  },
];

function hasList(answer: string): boolean {
  listItem.lastIndex = 0;
  return listItem.test(answer) && listItem.test(answer);
}

function isRefusal(answer: string): boolean {
  const start = answer.slice(0, 300);
  return unable.test(start) || machine.test(start) || sorry.test(start);
}
