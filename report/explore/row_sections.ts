// Sections of the data report: what truncation cuts, what repeats, what is broken.
import { counted, percent, plural, whole } from "../format.ts";
import { figure, type Html, paragraph, type Section, table } from "../page.ts";
import { colours, draw, Plot } from "../plot.ts";
import type { Findings } from "./collect.ts";
import { faultKinds } from "./faults.ts";
import { shareColumns } from "./share_bars.ts";
import { tried } from "./token_lengths.ts";

export function truncationSection({ tokens }: Findings): Section {
  const { cuts, battles, of, tokenizer, joint } = tokens;
  const measures = ["sequences that are cut", "tokens that are lost"];
  const rows = cuts.flatMap(({ pairing, maxTokens, sequences, tokens }) => [
    { pairing, maxTokens: String(maxTokens), measure: measures[0], share: sequences },
    { pairing, maxTokens: String(maxTokens), measure: measures[1], share: tokens },
  ]);
  const pairings = ["siamese", "joint"];
  const svg = draw("What each limit of tokens cuts", {
    height: 285,
    marginLeft: 44,
    marginRight: 16,
    x: { type: "point", label: "--max-tokens", domain: tried.map(String), inset: 6 },
    y: { label: "share (%)", percent: true, nice: true, domain: [0, 100] },
    fx: { label: null, domain: measures, padding: 0.12 },
    color: { domain: pairings, range: [colours.a, colours.b], legend: true },
    marks: [
      Plot.gridY({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.lineY(rows, { fx: "measure", x: "maxTokens", y: "share", stroke: "pairing", strokeWidth: 2 }),
      Plot.dot(rows, {
        fx: "measure",
        x: "maxTokens",
        y: "share",
        fill: "pairing",
        r: 3.5,
        title: ({ share }) => percent(share),
      }),
      Plot.ruleY([0]),
    ],
  });
  const at = (pairing: string, maxTokens: number) =>
    cuts.find((cut) => cut.pairing === pairing && cut.maxTokens === maxTokens)!;
  const source = tokenizer
    ? `Tokens of ${tokenizer}`
    : "Tokens estimated as characters / 4, as no tokenizer was at hand";
  const sampled = battles < of
    ? `on a random sample of ${whole(battles)} of the ${plural(of, "battle")}`
    : `on all ${plural(of, "battle")}`;
  const header = ["--max-tokens", ...tried.map(String)];
  const cells = pairings.flatMap((pairing) => [
    [`${pairing}: sequences cut`, ...tried.map((maxTokens) => percent(at(pairing, maxTokens).sequences))],
    [`${pairing}: tokens lost`, ...tried.map((maxTokens) => percent(at(pairing, maxTokens).tokens))],
  ]);
  return {
    title: "Truncation",
    parts: [
      figure(
        svg,
        `${source}, ${sampled}. Siamese sequences hold the prompt and one answer, joint ones the prompt and both (median ` +
          `${whole(joint.median)}, nine of ten up to ${whole(joint.p90)}). At 512 tokens ${
            percent(at("siamese", 512).sequences)
          } of the ` +
          `siamese and ${percent(at("joint", 512).sequences)} of the joint sequences lose their middles.`,
      ),
      table(header, cells),
    ],
  };
}

export function repeatSection({ repeats, battles }: Findings, labeled: boolean): Section {
  const parts: Html[] = [repeatPlot(repeats.sizes, battles, repeats.prompts)];
  if (repeats.mostRepeated.length > 0) {
    parts.push(
      table(
        ["most repeated prompts", "battles"],
        repeats.mostRepeated.map(({ beginning, battles }) => [beginning, whole(battles)]),
      ),
    );
  }
  const counts = [
    ["battles whose prompt stands in another battle too", counted(repeats.battlesOfRepeatedPrompts, battles)],
    ["exact copies of an earlier battle (prompt and both answers)", counted(repeats.duplicates, battles)],
    ["copies with A and B exchanged", counted(repeats.exchanged, battles)],
    ["battles whose two answers are the same text", counted(repeats.sameAnswers, battles)],
  ];
  if (labeled) {
    counts.push(
      ["… of them with a winner all the same", counted(repeats.sameAnswersWithWinner, battles)],
      ["battles among copies with contradicting outcomes", counted(repeats.contradictingBattles, battles)],
    );
  }
  parts.push(table(["copies", "battles"], counts));
  if (repeats.contradicting.length > 0) {
    const groups = repeats.contradicting.map(({ rows, battles }) =>
      `${rows.join(", ")}${battles > rows.length ? ", …" : ""}`
    );
    parts.push(
      paragraph(`Rows with the same texts and contradicting outcomes (the header is row 1): ${groups.join("; ")}.`),
    );
  }
  return { title: "Repetition", parts };
}

const sizeClasses: [string, number, number][] = [
  ["once", 1, 1],
  ["twice", 2, 2],
  ["3 times", 3, 3],
  ["4–5", 4, 5],
  ["6–10", 6, 10],
  ["11–20", 11, 20],
  ["21–50", 21, 50],
  ["over 50", 51, Infinity],
];

function repeatPlot(sizes: ReadonlyMap<number, number>, battles: number, prompts: number): Html {
  const rows = sizeClasses.map(([name, low, high]) => ({
    name,
    share: [...sizes].reduce((sum, [size, count]) => size >= low && size <= high ? sum + size * count : sum, 0) /
      battles,
  }));
  const last = rows.findLastIndex(({ share }) => share > 0);
  const shown = rows.slice(0, Math.max(2, last + 1));
  const svg = shareColumns(shown, {
    label: "Battles by how often their prompt occurs",
    axis: "the battle's prompt occurs",
    width: 560,
    height: 215,
  });
  const repeated = 1 - rows[0].share;
  const advice = repeated > 0.02
    ? " Split by prompt, as train does, or validation will see prompts of the training part."
    : "";
  return figure(
    svg,
    `Share of battles by how often their prompt occurs, without regard to case and white space: ${
      plural(prompts, "different prompt")
    } in ` +
      `${plural(battles, "battle")}; ${percent(repeated)} of the battles share theirs with another.${advice}`,
  );
}

export function faultSection({ faults, battles }: Findings): Section {
  const met = faults.filter((fault) => fault.battles > 0), unmet = faults.filter((fault) => fault.battles === 0);
  const parts: Html[] = [];
  if (met.length > 0) {
    parts.push(table(
      ["what", "battles", "first rows"],
      met.toSorted((x, y) => y.battles - x.battles).map((fault) => [
        faultKinds[fault.kind],
        counted(fault.battles, battles),
        fault.rows.length < fault.battles ? `${fault.rows.join(", ")}, …` : fault.rows.join(", "),
      ]),
    ));
  }
  if (unmet.length > 0) {
    parts.push(paragraph(`Looked for and not found: ${unmet.map(({ kind }) => faultKinds[kind]).join("; ")}.`));
  }
  parts.push(paragraph("Rows are counted from the header, which is row 1. A null turn is read as an empty text."));
  return { title: "Missing and broken texts", parts };
}
