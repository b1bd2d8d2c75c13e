// Sections of the evaluation: log loss by group, by order of the answers, and the hardest battles.
import { percent, plural, whole } from "../format.ts";
import { figure, type Html, paragraph, type Section, table } from "../page.ts";
import { colours, draw, marginFor, Plot, shortened } from "../plot.ts";
import type { GroupKind } from "./battle_groups.ts";
import type { Evaluation } from "./evaluation.ts";
import type { GroupRow } from "./loss_groups.ts";
import { losses, outcomeNames } from "./score_sections.ts";

/** Fewer battles in a group say next to nothing. */
const fewBattles = 10;

/** Draws the log loss of groups, one a row, on the scale of the whole report. */
function groupPlot({ title, rows }: GroupKind, { whole: all, domain }: Scale): string {
  const names = rows.map(({ name }) => shortened(name, 40));
  const points = rows.map((row, at) => ({
    ...row,
    name: names.indexOf(names[at]) === at ? names[at] : `${shortened(names[at], 36)} (${at + 1})`,
    few: row.battles < fewBattles,
    title: `${row.name}: ${losses(row.logLoss)} over ${plural(row.battles, "battle")}, ${percent(row.accuracy)} right` +
      (row.reference === undefined ? "" : `; constant prior ${losses(row.reference)}`),
  }));
  const sure = points.filter(({ few }) => !few), referenced = points.filter(({ reference }) => reference !== undefined);
  return draw(`Log loss by ${title}`, {
    height: 62 + 20 * rows.length,
    marginLeft: Math.max(150, marginFor(points.map(({ name }) => name))),
    marginRight: 64,
    x: { label: "log loss", domain, clamp: true, ticks: 6 },
    y: { label: null, domain: points.map(({ name }) => name) },
    marks: [
      Plot.gridX({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.ruleX([all], { stroke: colours.tie, strokeDasharray: "3 3" }),
      Plot.ruleY(sure, { y: "name", x1: "low", x2: "high", stroke: colours.a, strokeWidth: 2 }),
      Plot.tickX(referenced, { y: "name", x: "reference", stroke: colours.b, strokeWidth: 2, inset: 4 }),
      Plot.dot(points, {
        y: "name",
        x: "logLoss",
        r: 4.5,
        fill: ({ few }) => few ? "white" : colours.a,
        stroke: colours.a,
        title: "title",
      }),
      Plot.text(points, {
        y: "name",
        frameAnchor: "right",
        dx: 10,
        textAnchor: "start",
        text: ({ battles }) => whole(battles),
        fill: "#5a6873",
      }),
    ],
  });
}

interface Scale {
  /** The model's log loss on all battles. */
  whole: number;
  domain: [number, number];
}

/** One scale for all groups, wide enough for the means and for the intervals of groups that say something. */
function scaleOf({ groups, rows: [model], swap }: Evaluation): Scale {
  const { lengths, prompts, traits, chatbots } = groups;
  const kinds = [...lengths, ...prompts, ...traits, ...(chatbots ? [chatbots.each, chatbots.pairs] : [])];
  const all = [...kinds.flatMap(({ rows }) => rows), ...(swap?.groups ?? [])];
  const many = all.filter(({ battles }) => battles >= fewBattles);
  const shown = many.length > 0 ? many : all;
  const ends = shown.flatMap(({ logLoss, low, high, reference }) => [
    logLoss,
    ...(reference === undefined ? [] : [reference]),
    // A few wild intervals would press everything else together.
    ...[low, high].filter((end) => Math.abs(end - model.logLoss.mean) < 0.5),
  ]);
  const low = Math.min(model.logLoss.mean, ...ends), high = Math.max(model.logLoss.mean, ...ends);
  const margin = Math.max(0.02, (high - low) * 0.04);
  return { whole: model.logLoss.mean, domain: [Math.max(0, low - margin), high + margin] };
}

/** Groups that say something, the best first. */
export function tellingGroups({ rows }: GroupKind): GroupRow[] {
  return rows.filter(({ battles }) => battles >= fewBattles).sort((x, y) => x.logLoss - y.logLoss);
}

/** What to see in groups: where the model is worst and best. */
function reading(many: readonly GroupRow[]): string {
  const words = ({ name, logLoss, battles }: GroupRow) => `${name} (${losses(logLoss)}, ${plural(battles, "battle")})`;
  const [best, worst] = [many[0], many.at(-1)!];
  const apart = best.high < worst.low ? "" : "; their intervals overlap";
  return `Best: ${words(best)}; worst: ${words(worst)}${apart}.`;
}

function groupSection(title: string, lead: string, kinds: readonly GroupKind[], scale: Scale): Section {
  return { title, parts: [...(lead ? [paragraph(lead)] : []), ...kinds.map((kind) => groupFigure(kind, scale))] };
}

/** A plot where there is something to compare, else a sentence. */
function groupFigure(kind: GroupKind, scale: Scale): Html {
  const { title, rows } = kind, many = tellingGroups(kind);
  if (rows.length === 1) return paragraph(`By ${title}: all are of one group, ${rows[0].name}.`);
  if (many.length < 2) {
    return paragraph(
      `By ${title}: too few battles; ${plural(many.length, "group")} of ${rows.length} has ten or more.`,
    );
  }
  return figure(groupPlot(kind, scale), `By ${title}. ${reading(many)}`);
}

export function groupSections(evaluation: Evaluation): Section[] {
  const { groups: { lengths, prompts, traits, chatbots }, rows } = evaluation;
  const scale = scaleOf(evaluation);
  const marks = `Dots are the model's log loss in each group, lines their intervals, the dashed line all battles${
    rows.some(({ kind }) => kind === "baseline") ? ", orange ticks the constant prior in the same battles" : ""
  }; hollow dots are fewer than ${fewBattles} battles; at the right the number of battles. All plots of groups below have this scale.`;
  const of = (shown: number, all: number, what: string) => shown < all ? ` The ${shown} most frequent of ${what}.` : "";
  return [
    groupSection("Length", marks, lengths, scale),
    groupSection("Prompts", "", prompts, scale),
    groupSection(
      "Code, lists, refusals",
      "A battle counts in each group whose sign one of its answers bears, so groups overlap.",
      traits,
      scale,
    ),
    ...(chatbots
      ? [groupSection(
        "Chatbots",
        "A battle counts for both its chatbots." +
          of(chatbots.each.rows.length, chatbots.of.chatbots, `${whole(chatbots.of.chatbots)} chatbots`) +
          of(chatbots.pairs.rows.length, chatbots.of.pairs, `${whole(chatbots.of.pairs)} pairs`),
        [chatbots.each, chatbots.pairs],
        scale,
      )]
      : []),
  ];
}

export function swapSection(evaluation: Evaluation): Section {
  const { swap } = evaluation;
  const title = "Order of the answers";
  if (!swap) {
    return {
      title,
      parts: [paragraph("Not looked at: that needs the model, to predict battles with A and B exchanged.")],
    };
  }
  const measured = `${plural(swap.battles, "battle")} were predicted with A and B exchanged too. `;
  if (swap.symmetric) {
    return {
      title,
      parts: [
        paragraph(
          measured +
            "A siamese model with the swap head gives each answer its own score, so exchanging A and B exchanges the two " +
            `probabilities exactly: the largest difference found is ${swap.largest}.`,
        ),
      ],
    };
  }
  const kind = { title: "distance of the two predictions", rows: swap.groups };
  return {
    title,
    parts: [
      paragraph(
        measured +
          `The two predictions of a battle are ${swap.mean.toFixed(4)} apart on average and ${
            swap.largest.toFixed(4)
          } at most (half the sum of the three differences); in ${
            percent(swap.changed / swap.battles)
          } the likeliest outcome ` +
          `changes. An answer gets ${signedPercent(swap.towardsA)} of probability from standing in the first place. ` +
          "Where the distance is large, --swap-average is worth its time.",
      ),
      groupFigure(kind, scaleOf(evaluation)),
    ],
  };
}

const signedPercent = (share: number) => `${share < 0 ? "−" : "+"}${(100 * Math.abs(share)).toFixed(2)} points`;

const empty = "(empty)";

export function hardestSection({ hardest, groups }: Evaluation): Section {
  const header = ["battle", "prompt", "answer A", "answer B"];
  const rows = hardest.map(({ id, row, loss, label, probabilities, chatbots, prompt, answers }) => [
    // Lines that do not wrap.
    `${id}\nrow ${row}\nloss ${loss.toFixed(2)}\n${outcomeNames[label]}\nsaid ${
      probabilities.map((p) => Math.round(100 * p)).join(", ")
    } %`.replaceAll(" ", "\u00a0"),
    prompt || empty,
    ...answers.map((answer, side) => (groups.chatbots ? `${chatbots[side]}:\n` : "") + (answer || empty)),
  ]);
  return {
    title: "Hardest battles",
    parts: [
      paragraph(
        `The ${
          plural(hardest.length, "battle")
        } of the greatest loss, with what came true, the probabilities of A wins, B wins and tie, and ` +
          "the beginnings of the texts. Wrong labels and questions of taste gather here.",
      ),
      table(header, rows, header.length),
    ],
  };
}
