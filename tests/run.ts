// Runs the test files, each in a process of its own, so that a crash or a lost device takes one file and not the suite.
//   deno task test [--all] [words]     words: only files whose path holds one of them; shows what they print
// Files named *_slow_test.ts run with --all only, which also sets TIEBREAK_ALL_TESTS=1 for the rest. A file uses the GPU
// if it imports gpu/, or says "Uses the GPU" in its first lines (it starts programs that do); such files run one at a
// time, the others two at a time beside them. Types are checked once for all files, since a check of each by itself takes
// some seconds where nothing is cached. Ends with `N passed, N failed`, counted in test cases.
import { join } from "node:path";
import { readFileSync } from "node:fs";
import { closure, filesBelow, root } from "./imports.ts";

interface Result {
  file: string;
  seconds: number;
  passed: number;
  failed: number;
  ignored: number;
  /** The signal that ended the process when all of its tests had passed: the driver's fault at exit, not a test's. */
  abortedAfter?: string;
  /** What the file printed, shown if something failed. */
  output: string;
}

const fileLimitSeconds = 1800;

function usesGpu(file: string): boolean {
  const head = readFileSync(join(root, file), "utf8").split("\n", 5).join("\n");
  return /uses the GPU/i.test(head) || [...closure(file)].some((path) => path.startsWith("gpu/"));
}

async function runFile(file: string, all: boolean): Promise<Result> {
  const started = performance.now();
  const report = await Deno.makeTempFile({ prefix: "tiebreak-", suffix: ".xml" });
  const args = ["test", "--no-check", "--no-prompt", `--junit-path=${report}`];
  const permissions = ["read", "write", "net", "run", "env", "sys"].map((kind) => `--allow-${kind}`);
  const child = new Deno.Command("deno", {
    args: [...args, ...permissions, file],
    cwd: root,
    env: { NO_COLOR: "1", ...(all ? { TIEBREAK_ALL_TESTS: "1" } : {}) },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(fileLimitSeconds * 1000),
  });
  const { code, signal, stdout, stderr } = await child.output();
  const xml = await Deno.readTextFile(report);
  await Deno.remove(report);
  const decoder = new TextDecoder();
  const counts = countCases(xml);
  let output = decoder.decode(stdout) + decoder.decode(stderr);
  const abortedAfter = signal && counts.passed > 0 && counts.failed === 0 && /^ok \| \d+ passed/m.test(output)
    ? signal
    : undefined;
  if (code !== 0 && counts.failed === 0) {
    // The process ended without a report of its own, or failed outside of any test: a crash.
    counts.failed = 1;
    output += `\n${file}: ended with ${signal ?? `exit code ${code}`} outside of any test\n`;
  }
  return {
    file,
    seconds: (performance.now() - started) / 1000,
    ...counts,
    ...(abortedAfter && { abortedAfter }),
    output,
  };
}

/** Test cases of a JUnit report; nested steps are cases too. */
function countCases(xml: string): { passed: number; failed: number; ignored: number } {
  const cases = xml.match(/<testcase\b[^>]*?(?:\/>|>[\s\S]*?<\/testcase>)/g) ?? [];
  const failed = cases.filter((text) => /<(failure|error)\b/.test(text)).length;
  const ignored = cases.filter((text) => /<skipped\b/.test(text)).length;
  return { passed: cases.length - failed - ignored, failed, ignored };
}

/** One program of all files; a type error anywhere is one failure. */
async function checkTypes(files: readonly string[]): Promise<Result> {
  const started = performance.now();
  const { code, stderr } = await new Deno.Command("deno", {
    args: ["check", "--quiet", ...files],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  const seconds = (performance.now() - started) / 1000, output = new TextDecoder().decode(stderr);
  return { file: "types", seconds, passed: 0, failed: code === 0 ? 0 : 1, ignored: 0, output };
}

async function main(args: string[]): Promise<number> {
  const all = args.includes("--all");
  if (args.includes("--help")) {
    console.log("Usage: deno task test [--all] [words]\n\nwords: only test files whose path holds one of them");
    return 0;
  }
  const unknown = args.find((word) => word.startsWith("-") && word !== "--all");
  if (unknown) {
    console.error(`Cannot run the tests with ${unknown}: use --all, --help or words of file names`);
    return 2;
  }
  const words = args.filter((word) => !word.startsWith("-"));
  const files = filesBelow("tests", ["_test.ts"])
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .filter((file) => all || words.length > 0 || !file.endsWith("_slow_test.ts"));
  if (files.length === 0) {
    console.error(`Cannot run the tests: no file's path holds ${words.join(" or ")}`);
    return 2;
  }

  const started = performance.now();
  const results: Result[] = [];
  const work = async (queue: string[]) => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      let result = await runFile(file, all);
      if (result.abortedAfter) {
        // Mesa's CPU adapter does so in about one of a hundred processes. Once more, and said; a second time is a failure.
        console.log(`${file}: ended with ${result.abortedAfter} after its last test had passed: run again`);
        result = await runFile(file, all);
      }
      record(result, `${result.passed} passed${result.failed ? `, ${result.failed} FAILED` : ""}`);
      if (words.length > 0 && result.failed === 0) console.log(result.output);
    }
  };
  const record = (result: Result, counts: string) => {
    results.push(result);
    console.log(`${result.seconds.toFixed(1).padStart(7)} s  ${result.file}  ${counts}`);
    if (result.failed > 0) console.log(result.output);
  };
  const check = async () => {
    const result = await checkTypes(files);
    record(result, result.failed > 0 ? "FAILED" : "checked");
  };
  const gpu = files.filter(usesGpu);
  const plain = files.filter((file) => !gpu.includes(file));
  // While GPU files run, one plain file keeps them company: Mesa's CPU adapter uses every core already.
  await Promise.all([work(gpu).then(() => work(plain)), check().then(() => work(plain))]);

  const sum = (key: "passed" | "failed" | "ignored") => results.reduce((total, result) => total + result[key], 0);
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s  in all`);
  const broken = results.filter((result) => result.failed > 0).map((result) => result.file);
  if (broken.length > 0) console.log(`Failed in: ${broken.join(", ")}`);
  const ignored = sum("ignored");
  console.log(`${sum("passed")} passed, ${sum("failed")} failed${ignored ? `, ${ignored} skipped` : ""}`);
  return sum("failed") > 0 ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
