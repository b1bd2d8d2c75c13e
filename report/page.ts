// The HTML of a report: one file that needs nothing else, no script and no network (its policy forbids both).

/** HTML that is safe to put into a page; made by the functions of this file only. */
export interface Html {
  html: string;
}

export interface Section {
  title: string;
  parts: Html[];
}

export interface Page {
  title: string;
  /** Says what was read and what was left out. */
  introduction: string[];
  tiles: { value: string; words: string }[];
  sections: Section[];
}

/** A plot with the line that says how to read it and what it shows here. */
export function figure(svg: string, reading: string): Html {
  return { html: `<figure>${svg}<figcaption>${escaped(reading)}</figcaption></figure>` };
}

export function paragraph(text: string): Html {
  return { html: `<p>${escaped(text)}</p>` };
}

/** A table; columns after the first `words` hold numbers and stand to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], words = 1): Html {
  const cell = (tag: string) => (text: string, column: number) =>
    `<${tag}${column < words ? "" : ' class="number"'}>${escaped(text)}</${tag}>`;
  const body = rows.map((row) => `<tr>${row.map(cell("td")).join("")}</tr>`).join("\n");
  return {
    html: `<div class="scroll"><table><thead><tr>${
      header.map(cell("th")).join("")
    }</tr></thead>\n<tbody>${body}</tbody></table></div>`,
  };
}

const style = `
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f7f9; color: #22303c; font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 856px; margin: 0 auto; padding: 32px 16px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 0 0 12px; }
p { margin: 0 0 12px; }
nav { margin: 20px 0 24px; font-size: 14px; line-height: 2; }
nav a { color: #2a5d8f; text-decoration: none; border: 1px solid #d3dbe2; border-radius: 14px; padding: 3px 11px; margin-right: 4px;
  background: #fff; white-space: nowrap; }
nav a:hover { border-color: #2a5d8f; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; margin: 20px 0; }
.tile { background: #fff; border: 1px solid #e1e7ec; border-radius: 8px; padding: 12px 14px; }
.tile b { display: block; font-size: 22px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile span { color: #5a6873; font-size: 13.5px; }
section { background: #fff; border: 1px solid #e1e7ec; border-radius: 8px; padding: 24px 32px; margin: 0 0 20px; }
section > :last-child { margin-bottom: 0; }
figure { margin: 0 0 24px; }
figure figure { margin: 0; }
figure [class*="swatches"] { font-size: 13px; margin-bottom: 2px; }
figure svg { max-width: 100%; height: auto; overflow: visible; }
figcaption { color: #43525e; font-size: 14.5px; margin-top: 8px; max-width: 70ch; }
.scroll { overflow-x: auto; margin: 0 0 20px; }
table { border-collapse: collapse; font-size: 14px; width: 100%; }
th { text-align: left; border-bottom: 1px solid #b9c4cd; padding: 4px 14px 4px 0; font-weight: 600; }
td { border-bottom: 1px solid #edf1f4; padding: 4px 14px 4px 0; vertical-align: top; overflow-wrap: anywhere; white-space: pre-line; }
td:first-child { min-width: 9.5em; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
footer { color: #6b7984; font-size: 13px; }
@media (max-width: 600px) { section { padding: 16px; } }
@media print { body { background: #fff; } section { break-inside: avoid; border: 0; padding: 0; } nav { display: none; } }
`;

const policy = "default-src 'none'; style-src 'unsafe-inline'";

/** The whole file. */
export function renderPage({ title, introduction, tiles, sections }: Page): string {
  const links = sections.map(({ title }) => `<a href="#${anchor(title)}">${escaped(title)}</a>`).join("\n");
  const cards = tiles.map(({ value, words }) =>
    `<div class="tile"><b>${escaped(value)}</b><span>${escaped(words)}</span></div>`
  );
  const bodies = sections.map(({ title, parts }) =>
    `<section id="${anchor(title)}">\n<h2>${escaped(title)}</h2>\n${
      parts.map(({ html }) => html).join("\n")
    }\n</section>`
  );
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="generator" content="${generator}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
${introduction.map((text) => paragraph(text).html).join("\n")}
<div class="tiles">${cards.join("\n")}</div>
<nav>${links}</nav>
${bodies.join("\n")}
<footer>Made by Tiebreak. Intervals are 95 %.</footer>
</main>
</body>
</html>
`;
}

/** Marks a file as a report, so that a new one may replace it. */
export const generator = "Tiebreak report";

function anchor(title: string): string {
  return title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
}

/** Safe as text and in quotes; a number and its % stay on one line. */
function escaped(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  const kept = text.toWellFormed().replaceAll(/(\d) %/g, "$1\u00a0%");
  return kept.replaceAll(/[&<>"]/g, (character) => entities[character]);
}
