// Sections of the data report: who fought, who is strong, who beats whom.
import { percent, plural, whole } from "../format.ts";
import { figure, type Html, paragraph, type Section } from "../page.ts";
import { colours, draw, marginFor, Plot, plotWidth, shortened } from "../plot.ts";
import type { ChatbotFindings } from "./chatbots.ts";

const rowsShown = 40;
const matrixShown = 20;
/** Fewer battles of a pair say next to nothing. */
const fewBattles = 5;
const columnName = (name: string) => shortened(name, 20);

/** Names that fit beside a plot, in the order of the rows; two that are shortened alike get a number. */
export function chatbotLabels(chatbots: ChatbotFindings): string[] {
  const seen = new Map<string, number>();
  return chatbots.rows.map(({ name }) => {
    const short = shortened(name, 30), before = seen.get(short) ?? 0;
    seen.set(short, before + 1);
    return before === 0 ? short : `${short} (${before + 1})`;
  });
}

/** Battles alone, where nothing is known of outcomes. */
export function battlesByChatbot(chatbots: ChatbotFindings): Section {
  const names = chatbotLabels(chatbots);
  const rows = chatbots.rows.slice(0, rowsShown).map(({ battles }, place) => ({ name: names[place], battles }));
  const svg = draw("Battles by chatbot", {
    height: 60 + 20 * rows.length,
    marginLeft: marginFor(rows.map(({ name }) => name)),
    marginRight: 50,
    x: { label: "battles" },
    y: { label: null, domain: rows.map(({ name }) => name), padding: 0.25 },
    marks: [
      Plot.barX(rows, { y: "name", x: "battles", fill: colours.accent }),
      Plot.text(rows, { y: "name", x: "battles", dx: 6, textAnchor: "start", text: ({ battles }) => whole(battles) }),
    ],
  });
  return {
    title: "Chatbots",
    parts: [figure(svg, `Battles of each chatbot${limited(chatbots.rows.length)}.`), ...againstItself(chatbots)],
  };
}

export function chatbotSections(chatbots: ChatbotFindings): Section[] {
  return [
    { title: "Chatbots", parts: [rates(chatbots), ...againstItself(chatbots)] },
    { title: "Leaderboard", parts: [ratings(chatbots)] },
    { title: "Who beats whom", parts: [matrix(chatbots)] },
  ];
}

function againstItself({ againstItself }: ChatbotFindings): Html[] {
  if (againstItself === 0) return [];
  return [
    paragraph(`${plural(againstItself, "battle")} of a chatbot with itself are left out of what is said of chatbots.`),
  ];
}

function limited(of: number): string {
  return of > rowsShown ? `, the first ${rowsShown} of ${whole(of)}` : "";
}

const parts = ["won", "tie", "lost"];

function rates(chatbots: ChatbotFindings): Html {
  const names = chatbotLabels(chatbots);
  const shown = chatbots.rows.slice(0, rowsShown).map((row, place) => ({ ...row, label: names[place] }));
  const bars = shown.flatMap(({ label, name, wins, ties, losses }) => {
    const total = Math.max(1, wins + ties + losses);
    return [[wins, "won"], [ties, "tie"], [losses, "lost"]].map(([count, part]) => (
      {
        label,
        part,
        share: Number(count) / total,
        title: `${name}: ${part} ${whole(Number(count))} of ${whole(total)}`,
      }
    ));
  });
  const svg = draw("Battles won, tied and lost by chatbot", {
    height: 60 + 20 * shown.length,
    marginLeft: marginFor(shown.map(({ label }) => label)),
    marginRight: 60,
    x: { label: "share of its battles (%)", percent: true },
    y: { label: null, domain: shown.map(({ label }) => label), padding: 0.2 },
    color: { domain: parts, range: [colours.accent, colours.pale, "#c9695f"], legend: true },
    marks: [
      Plot.barX(bars, Plot.stackX({ y: "label", x: "share", fill: "part", title: "title", order: parts })),
      Plot.text(shown, {
        y: "label",
        x: () => 1,
        dx: 8,
        textAnchor: "start",
        text: ({ battles }) => whole(battles),
        fill: "#5a6873",
      }),
    ],
  });
  const most = shown.reduce((best, row) => row.battles > best.battles ? row : best);
  return figure(
    svg,
    `Share of its battles that each chatbot won, tied and lost${
      limited(chatbots.rows.length)
    }, strongest first; at the right its ` +
      `number of battles. ${most.name} fought most. A high share may also come from weak opponents: the leaderboard allows for that.`,
  );
}

function ratings(chatbots: ChatbotFindings): Html {
  const names = chatbotLabels(chatbots);
  const shown = chatbots.rows.slice(0, Math.min(rowsShown, chatbots.rated)).map((row, place) => (
    {
      name: names[place],
      ...row.rating!,
      title: `${row.name}: ${Math.round(row.rating!.points)}, ${plural(row.battles, "battle")}`,
    }
  ));
  const svg = draw("Strengths of chatbots with their intervals", {
    height: 60 + 20 * shown.length,
    marginLeft: marginFor(shown.map(({ name }) => name)),
    marginRight: 50,
    x: { label: "points", nice: true, inset: 6 },
    y: { label: null, domain: shown.map(({ name }) => name) },
    marks: [
      Plot.gridX({ stroke: colours.pale, strokeOpacity: 1 }),
      Plot.ruleX([1000], { stroke: colours.tie, strokeDasharray: "3 3" }),
      Plot.ruleY(shown, { y: "name", x1: "low", x2: "high", stroke: colours.a, strokeWidth: 2 }),
      Plot.dot(shown, { y: "name", x: "points", fill: colours.a, r: 4.5, title: "title" }),
      Plot.text(shown, {
        y: "name",
        x: "high",
        dx: 8,
        textAnchor: "start",
        text: ({ points }) => String(Math.round(points)),
      }),
    ],
  });
  const [first, second] = shown;
  const lead = second === undefined || first.low > second.high
    ? ""
    : ` The intervals of ${first.name} and ${second.name} overlap: the order at the top is not certain.`;
  const rest = chatbots.rows.length > shown.length
    ? ` Shown are the first ${shown.length} of ${whole(chatbots.rated)}` +
      (chatbots.rows.length > chatbots.rated ? `, the most battled of ${whole(chatbots.rows.length)}.` : ".")
    : "";
  const groups = chatbots.groups > 1
    ? ` The chatbots form ${chatbots.groups} groups that never met; points compare only within a group.`
    : "";
  return figure(
    svg,
    `Bradley–Terry strengths with Davidson's ties (tie parameter ${
      chatbots.nu.toFixed(2)
    }), fitted to all battles at once; the ` +
      `average is 1000, and 400 points more are odds of 10 to 1 in battles with a winner. Lines are intervals from ` +
      `${chatbots.rounds} bootstrap samples of the battles.${lead}${groups}${rest}`,
  );
}

interface Cell {
  row: string;
  column: string;
  /** Of the points: a win 1, a tie a half. */
  share: number;
  battles: number;
  title: string;
}

function matrix(chatbots: ChatbotFindings): Html {
  const names = chatbotLabels(chatbots);
  // The most battled, in the order of the leaderboard.
  const chosen = new Set(
    chatbots.rows.map((row, place) => ({ place, row })).slice(0, chatbots.rated)
      .sort((x, y) => y.row.battles - x.row.battles).slice(0, matrixShown).map(({ place }) => place),
  );
  const cells: Cell[] = chatbots.pairs.filter(({ i, j }) => chosen.has(i) && chosen.has(j)).flatMap((pair) => {
    const { i, j, winsI, winsJ, ties } = pair, battles = winsI + winsJ + ties;
    const cell = (row: number, column: number, wins: number): Cell => ({
      row: names[row],
      column: names[column],
      share: (wins + ties / 2) / battles,
      battles,
      title: `${names[row]} against ${names[column]}: won ${wins}, tied ${ties}, lost ${battles - wins - ties}`,
    });
    return [cell(i, j, winsI), cell(j, i, winsJ)];
  });
  const order = names.filter((_, place) => chosen.has(place));
  // Names over the columns are turned by 45 degrees: they need as much room above as to the right of the last one.
  const margin = marginFor(order), turned = 0.72 * marginFor(order.map(columnName)) + 6;
  const size = Math.min(44, Math.floor((plotWidth - margin - turned) / order.length));
  const svg = draw("Share of points of each chatbot against each other", {
    width: margin + turned + size * order.length,
    height: turned + 20 + size * order.length,
    marginLeft: margin,
    marginTop: turned + 10,
    marginBottom: 10,
    marginRight: turned,
    x: { label: null, domain: order, axis: "top", tickRotate: -45, tickSize: 0, tickFormat: columnName },
    y: { label: null, domain: order, tickSize: 0 },
    color: { type: "diverging", domain: [0, 1], pivot: 0.5, scheme: "BrBG" },
    marks: [
      Plot.cell(cells, {
        x: "column",
        y: "row",
        fill: "share",
        fillOpacity: ({ battles }) => battles < fewBattles ? 0.4 : 1,
        title: "title",
        inset: 0.5,
      }),
      ...(size < 26 ? [] : [Plot.text(cells, {
        x: "column",
        y: "row",
        text: ({ share }) => String(Math.round(100 * share)),
        fill: ({ share, battles }) => battles >= fewBattles && Math.abs(share - 0.5) > 0.3 ? "white" : colours.ink,
        fontSize: 11,
      })]),
    ],
  });
  const strongest = cells.filter(({ battles }) => battles >= 10).sort((x, y) => y.share - x.share)[0];
  return figure(
    svg,
    `Each row's points against each column in percent, a tie counting half; green: the row is ahead. Rows and columns are the ` +
      `${order.length} most battled chatbots by strength; empty cells never met, pale ones fewer than ${fewBattles} times.` +
      (strongest
        ? ` Most one-sided of ten battles or more: ${strongest.row} against ${strongest.column}, ${
          percent(strongest.share)
        } of ${whole(strongest.battles)}.`
        : ""),
  );
}
