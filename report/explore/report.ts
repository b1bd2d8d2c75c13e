// The data report and its summary for the terminal, both from the same findings.
import { basename } from "node:path";
import { counted, percent, plural, whole } from "../format.ts";
import { type Page, renderPage } from "../page.ts";
import { battlesByChatbot, chatbotSections } from "./chatbot_sections.ts";
import type { Findings } from "./collect.ts";
import { faultKinds } from "./faults.ts";
import { outcomeSection, positionSection, priorLogLoss } from "./outcome_sections.ts";
import { faultSection, repeatSection, truncationSection } from "./row_sections.ts";
import { languageSection, lengthOutcomeSection, lengthSection } from "./text_sections.ts";
import { traitSection } from "./trait_section.ts";

/** The HTML file. */
export function exploreReport(findings: Findings): string {
  const labeled = isLabeled(findings);
  const { chatbots } = findings;
  const page: Page = {
    title: `Battles of ${basename(findings.file)}`,
    introduction: [introduction(findings), ...leftOut(findings)],
    tiles: tiles(findings),
    sections: [
      ...(labeled ? [outcomeSection(findings)] : []),
      ...(chatbots ? labeled ? chatbotSections(chatbots) : [battlesByChatbot(chatbots)] : []),
      lengthSection(findings),
      ...(findings.lengths.ratios.some(({ outcomes }) => outcomes.some(Boolean))
        ? [lengthOutcomeSection(findings)]
        : []),
      ...(findings.outcomes[0] + findings.outcomes[1] > 0 ? [positionSection(findings)] : []),
      languageSection(findings),
      traitSection(findings, labeled),
      truncationSection(findings),
      repeatSection(findings, labeled),
      faultSection(findings),
    ],
  };
  return renderPage(page);
}

function isLabeled({ outcomes }: Findings): boolean {
  return outcomes.some((count) => count > 0);
}

function introduction({ battles, chatbots, repeats }: Findings): string {
  const fighters = chatbots ? ` between ${plural(chatbots.rows.length, "chatbot")}` : "";
  return `${plural(battles, "battle")}${fighters} on ${plural(repeats.prompts, "different prompt")}. ` +
    "Everything below is counted over all of them unless it says otherwise.";
}

/** What the file does not allow to say. */
function leftOut(findings: Findings): string[] {
  const said: string[] = [];
  if (!isLabeled(findings)) {
    said.push(
      "The file has no outcomes, so outcome shares, leaderboard, pairs, position and what goes with winning are left out.",
    );
  }
  if (!findings.chatbots) {
    said.push("It does not name the chatbots, so what concerns them is left out.");
  }
  return said;
}

function tiles(findings: Findings): Page["tiles"] {
  const { battles, outcomes, chatbots, lengths, tokens, repeats } = findings;
  const labels = outcomes[0] + outcomes[1] + outcomes[2];
  const found = [{ value: whole(battles), words: "battles" }];
  if (labels > 0) {
    found.push(
      { value: percent(outcomes[2] / labels), words: "ties" },
      { value: priorLogLoss(outcomes).toFixed(3), words: "log loss of constant shares" },
    );
  }
  if (chatbots) found.push({ value: whole(chatbots.rows.length), words: "chatbots" });
  found.push(
    { value: whole(repeats.prompts), words: "different prompts" },
    { value: whole(lengths.prompt.median), words: "characters in the median prompt" },
    { value: whole(lengths.answer.median), words: "characters in the median answer" },
    { value: whole(tokens.joint.median), words: "tokens in the median battle" },
  );
  return found;
}

/** A few lines for the terminal. */
export function summaryLines(findings: Findings): string[] {
  const { battles, outcomes, chatbots, lengths, tokens, languages, repeats, faults } = findings;
  const rows: [string, string][] = [["battles", introductionWords(findings)]];
  if (isLabeled(findings)) {
    const total = outcomes[0] + outcomes[1] + outcomes[2];
    const [a, b, tie] = outcomes.map((count) => percent(count / total));
    rows.push(["outcomes", `A ${a}, B ${b}, tie ${tie}; constant shares score ${priorLogLoss(outcomes).toFixed(4)}`]);
    if (chatbots && chatbots.rated > 1) {
      const [first, second] = chatbots.rows;
      rows.push([
        "strongest",
        [first, second].map(({ name, rating }) => `${name} ${Math.round(rating!.points)}`).join(", "),
      ]);
    }
    rows.push([
      "longer won",
      `${percent(lengths.longerWon / lengths.decided)} of ${plural(lengths.decided, "battle")} with a winner`,
    ]);
  } else rows.push(["outcomes", "none in this file: what needs them is left out"]);
  rows.push([
    "lengths",
    `median ${whole(lengths.prompt.median)} characters a prompt, ${whole(lengths.answer.median)} an answer`,
  ]);
  const cut = (pairing: string) =>
    tokens.cuts.find((one) => one.pairing === pairing && one.maxTokens === 512)!.sequences;
  rows.push([
    "512 tokens",
    `cut ${percent(cut("siamese"))} of siamese, ${percent(cut("joint"))} of joint sequences ` +
    `(${whole(tokens.battles)} battles, ${tokens.tokenizer ?? "characters / 4"})`,
  ]);
  const top = languages.languages.slice(0, 3).map(({ name, battles: of }) => `${name} ${percent(of / battles)}`);
  rows.push(["languages", top.join(", ")]);
  rows.push([
    "repetition",
    `${counted(repeats.battlesOfRepeatedPrompts, battles)} share a prompt, ${
      plural(repeats.duplicates + repeats.exchanged, "copy", "copies")
    }, ` +
    `${whole(repeats.contradictingBattles)} with contradicting outcomes`,
  ]);
  const worst = faults.filter((fault) => fault.battles > 0 && fault.kind !== "unlabeled").toSorted((x, y) =>
    y.battles - x.battles
  );
  rows.push([
    "faults",
    worst.length === 0
      ? "none found"
      : worst.slice(0, 3).map((fault) => `${whole(fault.battles)}: ${faultKinds[fault.kind]}`).join("; "),
  ]);
  return rows.map(([name, words]) => `${name.padEnd(11)} ${words}`);
}

function introductionWords({ battles, chatbots, repeats }: Findings): string {
  return `${whole(battles)}, ${whole(repeats.prompts)} different prompts` +
    (chatbots ? `, ${whole(chatbots.rows.length)} chatbots` : "");
}
