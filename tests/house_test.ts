// The house rules that a tool can check: imports go down only, WebGPU behind one door, kernels with headers, documents
// that name only what exists, no paths of anyone's machine. Prints the lines of each file.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { trainFlags } from "../train/train_flags.ts";
import { flagName } from "../train/flags.ts";
import { filesBelow, importsOf, root } from "./imports.ts";

/** Folders from the bottom up; a file may import its own folder and what the list names. */
const mayImport: Record<string, string[]> = {
  gpu: [],
  kernels: ["gpu"],
  model: ["data", "kernels", "gpu"],
  data: ["model", "kernels", "gpu"],
  report: ["train", "model", "data"],
  train: ["model", "data", "kernels", "gpu"],
  bench: ["train", "report", "model", "data", "kernels", "gpu", "tests"],
  cli: ["train", "report", "model", "data", "kernels", "gpu", "bench"],
};

const read = (file: string) => readFileSync(join(root, file), "utf8");
const sources = filesBelow(".", [".ts"]);
const folderOf = (file: string) => file.includes("/") ? file.split("/")[0] : ".";

function assertNone(found: string[]): void {
  assert.equal(found.length, 0, `\n${found.join("\n")}`);
}

Deno.test("imports go down only: cli, report, train, model and data, kernels, gpu", () => {
  const wrong = sources.filter((file) => folderOf(file) in mayImport).flatMap((file) =>
    importsOf(file)
      .filter((imported) => ![file, "errors.ts", "deno.json"].includes(imported))
      .filter((imported) => ![folderOf(file), ...mayImport[folderOf(file)]].includes(folderOf(imported)))
      .map((imported) => `${file} imports ${imported}`)
  );
  assertNone(wrong);
});

Deno.test("nothing is imported but this project's files, packages of deno.json and node:", () => {
  const pinned = Object.keys(JSON.parse(read("deno.json")).imports);
  const wrong = sources.flatMap((file) =>
    [...read(file).matchAll(/^(?:import|export)\b[^"'\n]*from\s+["']([^"'.][^"']*)["']/gm)]
      .map(([, specifier]) => specifier)
      .filter((name) => !name.startsWith("node:") && !pinned.some((pin) => name === pin || name.startsWith(`${pin}/`)))
      .map((name) => `${file} imports ${name}`)
  );
  assertNone(wrong);
});

Deno.test("navigator.gpu is used in gpu/ only", () => {
  const code = (file: string) => read(file).replaceAll(/\/\/.*$|\/\*[\s\S]*?\*\//gm, "");
  const wrong = sources.filter((file) => folderOf(file) !== "gpu" && /\bnavigator\s*\.\s*gpu\b/.test(code(file)));
  assertNone(wrong.filter((file) => file !== "tests/house_test.ts"));
});

Deno.test("each kernel opens with a header that names its shapes and its dispatch", () => {
  const wrong = filesBelow(".", [".wgsl"]).flatMap((file) => {
    const header = read(file).split("\n").slice(0, read(file).split("\n").findIndex((line) => !line.startsWith("//")));
    const missing = ["Shapes", "Dispatch"].filter((word) => !header.some((line) => line.startsWith(`// ${word} `)));
    return header.length > 0 && missing.length === 0 ? [] : [`${file}: header without ${missing.join(" and ")}`];
  });
  assertNone(wrong);
});

Deno.test("each TypeScript file opens with a comment that says what it is for", () => {
  assertNone(sources.filter((file) => !/^(\/\/|\/\*)/.test(read(file))));
});

Deno.test("documents name only files, tasks and flags that exist", () => {
  const tasks = Object.keys(JSON.parse(read("deno.json")).tasks);
  const known = new Set([
    "help",
    "verbose",
    "all",
    ...Object.keys(trainFlags).flatMap((f) => [flagName(f), `no-${flagName(f)}`]),
  ]);
  for (const file of filesBelow("cli", [".ts"]).concat("tests/run.ts", "tests/house_test.ts")) {
    // Flag tables of other commands: `field: text({ ... })`.
    for (const [, field] of read(file).matchAll(/\b(\w+): (?:text|integer|number|toggle|choice)\(/g)) {
      known.add(flagName(field)).add(`no-${flagName(field)}`);
    }
  }
  // Flags of other programs that the documents show.
  for (const flag of ["index-url", "upgrade", "version", "frozen"]) known.add(flag);
  const wrong: string[] = [];
  for (const file of ["README.md", ...filesBelow("docs", [".md"])]) {
    if (!existsSync(join(root, file))) continue;
    const text = read(file);
    for (
      const [, path] of text.matchAll(
        /(?<![\w./-])((?:cli|gpu|kernels|model|data|train|report|bench|tests|docs)\/[\w./*-]*)/g,
      )
    ) {
      const plain = path.replace(/[.,]+$/, "");
      if (!plain.includes("*") && !existsSync(join(root, plain))) wrong.push(`${file}: no file ${plain}`);
    }
    for (const [, target] of text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)) {
      if (!existsSync(join(root, file, "..", target))) wrong.push(`${file}: link to missing ${target}`);
    }
    for (const [, task] of text.matchAll(/(?:deno task|\.\/tiebreak) +([a-z]\w*)/g)) {
      if (!tasks.includes(task)) wrong.push(`${file}: no task ${task}`);
    }
    for (const [, flag] of text.matchAll(/(?<![\w-])--([a-z][\w-]*)/g)) {
      if (!known.has(flag)) wrong.push(`${file}: no flag --${flag}`);
    }
  }
  assertNone(wrong);
});

Deno.test("no file names a path of somebody's machine", () => {
  const files = filesBelow(".", [".ts", ".wgsl", ".md", ".py", ".json", ".lock"]).concat("tiebreak", ".ci/run");
  const machine = /(?<![\w}.])\/(?:home\/\w|root\/|Users\/\w|work\/|tmp\/\w)/;
  assertNone(
    files.filter((file) => file !== "tests/house_test.ts" && existsSync(join(root, file)) && machine.test(read(file))),
  );
});

Deno.test("lines per file, the longest first", () => {
  const lines = [...sources, ...filesBelow(".", [".wgsl"])]
    .map((file) => ({ file, lines: read(file).split("\n").length - 1 }))
    .sort((a, b) => b.lines - a.lines);
  for (const { file, lines: count } of lines) console.log(`${String(count).padStart(6)}  ${file}`);
});
