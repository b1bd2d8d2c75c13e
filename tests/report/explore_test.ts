// What the data report counts, on small files written by hand.
import assert from "node:assert/strict";
import { chatbotLabels } from "../../report/explore/chatbot_sections.ts";
import { priorLogLoss } from "../../report/explore/outcome_sections.ts";
import { exploreReport, summaryLines } from "../../report/explore/report.ts";
import { combineHashes, scanText } from "../../report/explore/text_scan.ts";
import { traits } from "../../report/explore/traits.ts";
import { generateSample } from "../../data/sample.ts";
import { findingsOf, type HandRow } from "./explore_files.ts";

const plain: HandRow = {
  a: "x",
  b: "y",
  prompt: ["Why is that?"],
  responseA: ["Because."],
  responseB: ["So."],
  label: 0,
};

Deno.test("collect() counts outcomes, chatbots and pairs, whichever side they are on", async () => {
  const { battles, outcomes, chatbots } = await findingsOf([
    plain,
    { ...plain, a: "y", b: "x", label: 0 },
    { ...plain, label: 2 },
    { ...plain, b: "z", label: 1 },
    { ...plain, a: "z", b: "z" },
    { ...plain, label: undefined },
  ]);
  assert.equal(battles, 6);
  assert.deepEqual(outcomes, [3, 1, 1]);
  const of = (name: string) => chatbots!.rows.find((row) => row.name === name)!;
  const { rating: _x, ...x } = of("x");
  const expected = { name: "x", battles: 5, wins: 1, losses: 2, ties: 1, asA: 3, winsAsA: 1, asB: 1, winsAsB: 0 };
  assert.deepEqual(x, expected);
  assert.equal(of("z").battles, 1);
  assert.equal(chatbots!.againstItself, 1);
  assert.deepEqual([chatbots!.groups, chatbots!.rated], [1, 3]);
  const names = chatbots!.rows.map(({ name }) => name);
  const found = chatbots!.pairs.map(({ i, j, winsI, winsJ, ties }) => [names[i], names[j], winsI, winsJ, ties]);
  assert.deepEqual(found.sort(), [["y", "x", 1, 1, 1], ["z", "x", 1, 0, 0]]);
});

Deno.test("collect() knows copies, copies exchanged, and outcomes that contradict each other", async () => {
  const exchanged = { ...plain, responseA: plain.responseB, responseB: plain.responseA };
  const { repeats } = await findingsOf([
    plain,
    { ...exchanged, label: 1 }, // the same answer won
    plain,
    { ...plain, prompt: ["WHY  is that?"], responseA: ["?"] },
    { ...plain, prompt: ["other"] },
    { ...exchanged, prompt: ["other"], label: 0 }, // another answer won
    { ...plain, prompt: ["third"], responseB: plain.responseA },
    { ...plain, prompt: ["third"], responseB: plain.responseA, label: 2 },
  ]);
  assert.equal(repeats.prompts, 3);
  assert.deepEqual(repeats.sizes, new Map([[4, 1], [2, 2]]));
  assert.equal(repeats.battlesOfRepeatedPrompts, 8);
  assert.deepEqual(repeats.mostRepeated[0], { battles: 4, beginning: "Why is that?" });
  assert.deepEqual([repeats.duplicates, repeats.exchanged], [2, 2]);
  assert.deepEqual(repeats.contradicting, [{ rows: [6, 7], battles: 2 }, { rows: [8, 9], battles: 2 }]);
  assert.deepEqual([repeats.sameAnswers, repeats.sameAnswersWithWinner], [2, 1]);
});

Deno.test("collect() finds empty, null, plain, unequal and broken turns, with their rows", async () => {
  const { faults } = await findingsOf([
    plain,
    { ...plain, responseA: [null] },
    { ...plain, prompt: ["a", "b"], responseA: ["x", ""], responseB: ["x"] },
    { ...plain, responseA: [true, 1.5] },
    { ...plain, responseB: "no array, null" },
    { ...plain, responseA: '["never closed' },
    { ...plain, responseA: ["half \ud83d of a smile"] },
    { ...plain, prompt: [" "], responseA: [], responseB: ["\n"] },
    { ...plain, responseA: ["in words, null and [1, 2]"] },
    { ...plain, label: undefined },
  ]);
  const rows = Object.fromEntries(faults.map(({ kind, rows }) => [kind, rows]));
  assert.deepEqual(rows, {
    emptyPrompt: [9],
    emptyAnswer: [3],
    bothAnswersEmpty: [9],
    nullTurns: [3],
    emptyTurns: [4],
    otherTurns: [5],
    plainCells: [6, 7],
    unequalTurns: [4, 5, 9],
    broken: [8],
    unlabeled: [11],
  });
});

Deno.test("collect() counts lengths in characters and turns, and outcomes by their ratio from both sides", async () => {
  const { lengths } = await findingsOf([
    { ...plain, prompt: ["👍 ok"], responseA: ["a".repeat(300)], responseB: ["b".repeat(100)], label: 0 },
    { ...plain, prompt: ["1", "2"], responseA: ["a".repeat(10)], responseB: ["b".repeat(1000)], label: 0 },
    { ...plain, prompt: [], responseA: ["ab"], responseB: ["ba"], label: 1 },
    { ...plain, responseA: ["a".repeat(100)], responseB: ["b".repeat(300)], label: 2 },
  ]);
  assert.deepEqual(lengths.turns.slice(0, 3), [3, 1, 0]);
  assert.equal(lengths.prompt.greatest, "Why is that?".length);
  assert.equal(lengths.answer.greatest, 1000);
  assert.deepEqual([lengths.decided, lengths.longerWon], [2, 1]);
  const bin = (ratio: number) => lengths.ratios.find(({ low, high }) => ratio >= low && ratio < high)!.outcomes;
  assert.deepEqual(bin(1.55), [1, 0, 1]);
  assert.deepEqual(bin(-1.55), [0, 1, 1]);
  assert.deepEqual(bin(-2.9), [1, 0, 0]);
  assert.deepEqual(bin(2.9), [0, 1, 0]);
  assert.equal(lengths.answer.bins.reduce((sum, { count }) => sum + count, 0), 8);
});

Deno.test("collect() measures what truncation cuts on a sample, with the tokens it is given", async () => {
  const words = (n: number) => [Array.from({ length: n }, () => "w").join(" ")];
  const rows = [{ ...plain, prompt: words(60), responseA: words(65), responseB: words(70) }, {
    ...plain,
    prompt: words(10),
  }];
  const tokens = {
    name: "words",
    count: (text: string) => text.split(" ").length,
    marks: (parts: number) => parts + 1,
  };
  const found = await findingsOf(rows, { tokens });
  assert.deepEqual([found.tokens.battles, found.tokens.of, found.tokens.tokenizer], [2, 2, "words"]);
  const cut = (pairing: string, maxTokens: number) =>
    found.tokens.cuts.find((one) => one.pairing === pairing && one.maxTokens === maxTokens)!;
  // 60 + 65 + 3 marks fit into 128, 60 + 70 + 3 do not: 5 of 125 + 130 + 11 + 11 tokens go.
  assert.equal(cut("siamese", 128).sequences, 1 / 4);
  assert.ok(Math.abs(cut("siamese", 128).tokens - 5 / 277) < 1e-12);
  assert.equal(cut("joint", 128).sequences, 1 / 2);
  assert.equal(cut("joint", 256).sequences, 0);
  const estimated = await findingsOf(rows);
  assert.equal(estimated.tokens.tokenizer, undefined);
  assert.equal((await findingsOf(rows, { tokenSample: 1 })).tokens.battles, 1);
});

Deno.test("collect() tells languages and scripts of prompts", async () => {
  const prompts = [
    "Wie spät ist es in Berlin, und warum?",
    "What time is it in London, and why?",
    "请解释一下这个问题",
    "2 + 2",
  ];
  const { languages: { languages, scripts } } = await findingsOf(
    prompts.map((prompt) => ({ ...plain, prompt: [prompt], label: 2 })),
  );
  assert.deepEqual(languages.map(({ name }) => name).sort(), ["Chinese", "English", "German", "not recognised"]);
  assert.ok(languages.every(({ battles, ties }) => battles === 1 && ties === 1));
  assert.deepEqual(scripts, [{ name: "Latin", battles: 2 }, { name: "Han", battles: 1 }, { name: "none", battles: 1 }]);
});

Deno.test("scanText() counts code points, finds broken ones, and knows a text again", () => {
  const scan = scanText("héllo 👍");
  assert.deepEqual([scan.characters, scan.broken, scan.blank, scan.script], [7, 0, false, "Latin"]);
  assert.equal(scanText("\ud83d").broken, 1);
  assert.equal(scanText("\ud83dx\udc4d").broken, 2);
  assert.equal(scanText("lost \ufffd").broken, 1);
  assert.equal(scanText("𠀀𠀁").script, "Han");
  assert.equal(scanText("Привет, world и все").script, "Cyrillic");
  const texts = generateSample({ battles: 3000, seed: 1 }).flatMap(({ prompt, responseA, responseB }) => [
    prompt[0],
    responseA[0],
    responseB[0],
  ]);
  const hashes = new Set(texts.map((text) => scanText(text).hash));
  assert.equal(hashes.size, new Set(texts).size);
  assert.notEqual(combineHashes(1, 2), combineHashes(2, 1));
  assert.ok([...hashes].every(Number.isSafeInteger));
});

Deno.test("traits find code, lists, tables and refusals, and not what only looks like them", () => {
  const has = (answer: string) => traits.filter(({ test }) => test(answer)).map(({ name }) => name);
  const cases: [string, string[]][] = [
    ["Here:\n```js\n1 - 2\n```", ["code"]],
    ["1. one\n2. two", ["list"]],
    ["- one\nand 3 - 2\n- two", ["list"]],
    ["- only one", []],
    ["# Title\nUse **bold** words", ["heading", "bold"]],
    ["a ** b ** c, C# 2", []],
    ["| a | b |\n|---|---|\n| 1 | 2 |", ["table"]],
    ["so \\(x^2\\)", ["maths"]],
    ["I'm sorry, but I can't help with that.", ["refusal"]],
    ["As an AI language model, I have no taste.", ["refusal"]],
    ["I am unable to open files.", ["refusal"]],
    ["You can't do that in Paris.", []],
    [`${"Well. ".repeat(60)}I cannot say.`, []],
  ];
  for (const [answer, names] of cases) assert.deepEqual(has(answer), names, answer);
});

Deno.test("chatbotLabels() are short, and different for different chatbots", async () => {
  const long = "a-very-long-name-of-a-chatbot-of-the-size-";
  const { chatbots } = await findingsOf([{ ...plain, a: `${long}7b`, b: `${long}70b` }, {
    ...plain,
    a: "x",
    b: `${long}7b`,
  }]);
  const labels = chatbotLabels(chatbots!);
  assert.equal(new Set(labels).size, 3);
  assert.ok(labels.every((label) => label.length <= 34), labels.join());
});

Deno.test("priorLogLoss() is the entropy of the shares", () => {
  assert.ok(Math.abs(priorLogLoss([5, 5, 5]) - Math.log(3)) < 1e-12);
  assert.equal(priorLogLoss([7, 0, 0]), 0);
});

Deno.test("exploreReport() holds no markup of users' texts, no script and no address to load from", async () => {
  const evil = `<script>alert(1)</script>"&'`;
  const row: HandRow = { ...plain, a: evil, b: "<b>bold</b>", prompt: [evil] };
  const html = exploreReport(await findingsOf([row, row, { ...row, label: 1 }]));
  assert.doesNotMatch(html, /<script|<b>bold/i);
  assert.ok(html.includes("&lt;script&gt;alert(1)"));
  assert.doesNotMatch(html.replaceAll(/xmlns(:\w+)?="[^"]*"/g, ""), /(?:src|href)="(?!#)|url\((?!#)|@import|https?:/);
});

Deno.test("exploreReport() and summaryLines() say what is left out of a file without outcomes or chatbots", async () => {
  const found = await findingsOf([{ ...plain, a: undefined, b: undefined, label: undefined }]);
  assert.equal(found.chatbots, undefined);
  const html = exploreReport(found);
  assert.match(html, /has no outcomes, so outcome shares, leaderboard/);
  assert.match(html, /does not name the chatbots/);
  assert.doesNotMatch(html, /NaN|undefined|Infinity/);
  assert.ok(summaryLines(found).some((line) => /^outcomes +none in this file/.test(line)));
  const unlabeled = exploreReport(await findingsOf([{ ...plain, label: undefined }]));
  assert.match(unlabeled, /Battles of each chatbot/);
  assert.doesNotMatch(unlabeled, /Leaderboard/);
});

Deno.test("exploreReport() stands the least of files: one battle, only ties, empty texts", async () => {
  for (
    const row of [plain, { ...plain, label: 2 }, { ...plain, prompt: [], responseA: [], responseB: [null], label: 2 }]
  ) {
    const found = await findingsOf([row]);
    assert.doesNotMatch(exploreReport(found), /NaN|undefined|Infinity/);
    assert.doesNotMatch(summaryLines(found).join("\n"), /NaN|undefined|Infinity/);
  }
});
