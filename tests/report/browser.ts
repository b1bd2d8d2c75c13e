// A real browser for the tests of reports: Chromium without a window, where one is installed.

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

async function launch(executablePath: string) {
  // Fetched only by those who run this, so it is not among the imports of deno.json, which everybody fetches.
  // deno-lint-ignore no-import-prefix
  const { default: puppeteer } = await import("npm:puppeteer-core@25.16.0");
  return await puppeteer.launch({ executablePath, args: ["--no-sandbox"] });
}

type Browser = Awaited<ReturnType<typeof launch>>;
type Page = Awaited<ReturnType<Browser["newPage"]>>;

export interface Opened {
  page: Page;
  /** All that the page said on its console, its errors, and what it asked for besides itself. */
  complaints: string[];
}

/** Opens an HTML file for `look`. @param width of the window, in CSS pixels */
export async function withReport(
  path: string,
  look: (opened: Opened) => Promise<void>,
  { width = 900, height = 1200 } = {},
): Promise<void> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error("Cannot open a browser: no Chromium is installed: install chromium");
  const browser = await launch(executablePath);
  try {
    const page = await browser.newPage(), complaints: string[] = [];
    await page.setViewport({ width, height });
    const address = `file://${path}`;
    page.on("console", (message) => complaints.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`error: ${error}`));
    page.on("request", (request) => {
      if (request.url() !== address) complaints.push(`request: ${request.url()}`);
    });
    await page.goto(address);
    await look({ page, complaints });
  } finally {
    await browser.close();
  }
}

if (import.meta.main) {
  // deno run -A tests/report/browser.ts REPORT.html PICTURE.png [HEIGHT]
  const [report, picture, height = "1200"] = Deno.args;
  const look = async ({ page, complaints }: Opened) => {
    await page.screenshot({ path: picture as `${string}.png` });
    for (const complaint of complaints) console.error(complaint);
  };
  await withReport(await Deno.realPath(report), look, { height: Number(height) });
}
