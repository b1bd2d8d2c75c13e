// Looks at a report in a real browser and prints what it saw as JSON: Chromium without a window, driven by puppeteer-core.
//   deno run -A --no-config --lock=tests/report/browser.lock --frozen tests/report/browser.ts REPORT.html [WIDTH [PICTURE.png HEIGHT]]
// It has a lock file of its own, so that nobody who only uses the project fetches puppeteer.

/** What of puppeteer's is used here. */
interface Page {
  setViewport(size: { width: number; height: number }): Promise<void>;
  on(event: string, listener: (event: { text(): string; url(): string }) => void): void;
  goto(address: string): Promise<unknown>;
  evaluate<T>(script: string): Promise<T>;
  screenshot(options: { path: string }): Promise<unknown>;
}
interface Browser {
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

export interface Seen {
  /** Marks of each kind in each section, e.g. `outcomes bar` -> 3. */
  marks: Record<string, number>;
  /** Labels that lie on another or stick out. */
  clashes: string[];
  /** All that the page said on its console, its errors, and what it asked for besides itself. */
  complaints: string[];
}

const places = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** The installed Chromium, or undefined. */
export function findChromium(): string | undefined {
  return places.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Runs in the page: marks of each kind in each section, e.g. `outcomes bar` -> 3. */
const countMarks = `(() => {
  const counts = {};
  for (const section of document.querySelectorAll("section")) {
    for (const svg of section.querySelectorAll("figure svg[aria-label]")) {
      for (const group of svg.querySelectorAll("g[aria-label]")) {
        const key = section.id + " " + group.getAttribute("aria-label");
        const marks = group.querySelectorAll("rect, circle, path, line, text").length;
        counts[key] = (counts[key] ?? 0) + marks;
      }
    }
  }
  return counts;
})()`;

/** Runs in the page: pairs of labels of one plot that overlap by more than a pixel, and what sticks out of the page. */
const findClashes = `(() => {
  const clashes = [];
  for (const svg of document.querySelectorAll("figure svg[aria-label]")) {
    const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim() !== "");
    const edge = svg.closest("section").getBoundingClientRect().right;
    for (const text of texts) if (text.getBoundingClientRect().right > edge) clashes.push("outside: " + text.textContent);
    // A turned label's box is larger than its letters.
    const boxes = texts.filter((text) => !/rotate/.test(text.getAttribute("transform") ?? ""))
      .map((text) => ({ words: text.textContent, box: text.getBoundingClientRect() }));
    for (const [i, one] of boxes.entries()) {
      for (const other of boxes.slice(i + 1)) {
        const x = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
        const y = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
        if (x > 1 && y > 3) clashes.push(svg.getAttribute("aria-label") + ": " + one.words + " / " + other.words);
      }
    }
  }
  if (document.documentElement.scrollWidth > innerWidth) clashes.push("the page is wider than its window");
  return clashes;
})()`;

async function look(path: string, width: number, picture?: string, height = 1200): Promise<Seen> {
  // Not spelled out in the import, or the project's own lock file would hold it too.
  const packageName = "npm:puppeteer-core@25.16.0";
  const { default: puppeteer } = await import(packageName);
  const browser: Browser = await puppeteer.launch({ executablePath: findChromium(), args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage(), complaints: string[] = [], address = `file://${path}`;
    await page.setViewport({ width, height });
    page.on("console", (message) => complaints.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`error: ${error}`));
    page.on("request", (request) => {
      if (request.url() !== address) complaints.push(`request: ${request.url()}`);
    });
    await page.goto(address);
    if (picture) await page.screenshot({ path: picture });
    return { marks: await page.evaluate(countMarks), clashes: await page.evaluate(findClashes), complaints };
  } finally {
    await browser.close();
  }
}

if (import.meta.main) {
  const [report, width = "900", picture, height = "1200"] = Deno.args;
  console.log(JSON.stringify(await look(await Deno.realPath(report), Number(width), picture, Number(height))));
}
