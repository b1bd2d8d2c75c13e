// `sample` and what every task shares: errors in one line, exit codes, --help, paths relative to the user's folder.
import assert from "node:assert/strict";
import type { Battle } from "../../data/battle.ts";
import { readBattles } from "../../data/battles.ts";
import { generateSample } from "../../data/sample.ts";
import { inFolder, task } from "./command_line.ts";

Deno.test("sample writes battles that are read back as they were drawn, twice the same bytes", () =>
  inFolder(async (folder) => {
    const args = ["--battles", "50", "--test-battles", "20", "--seed", "7"];
    const { code, out, err } = await task(["sample", "--out", "a", ...args], folder);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^a\/train\.csv {2}50 battles\n/);
    await task(["sample", "--out", "b", ...args], folder);
    for (const name of ["train.csv", "valid.csv", "test.csv", "solution.csv"]) {
      assert.equal(Deno.readTextFileSync(`${folder}/a/${name}`), Deno.readTextFileSync(`${folder}/b/${name}`));
    }
    const read = await Array.fromAsync(readBattles(`${folder}/a/train.csv`, { requireLabels: true }));
    const drawn = generateSample({ battles: 50, seed: 7 }).map(({ planted: _planted, ...battle }): Battle => battle);
    assert.deepEqual(read, drawn);
    const test = await Array.fromAsync(readBattles(`${folder}/a/test.csv`));
    const solution = await Array.fromAsync(readBattles(`${folder}/a/solution.csv`, { requireLabels: true }));
    assert.deepEqual(test.map(({ id }) => id), solution.map(({ id }) => id));
    assert.ok(test.every((battle) => battle.label === undefined && battle.truth === undefined));
  }));

Deno.test("sample replaces nothing without --force", () =>
  inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/valid.csv`, "mine");
    const refused = await task(["sample", "--out", "."], folder);
    assert.equal(refused.code, 2);
    assert.equal(refused.err, "Cannot write valid.csv: it exists: add --force, or name another --out\n");
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["valid.csv"]);
    assert.equal((await task(["sample", "--out", ".", "--force", "--battles", "2"], folder)).code, 0);
    Deno.writeTextFileSync(`${folder}/file`, "");
    assert.equal((await task(["sample", "--out", "file"], folder)).code, 2);
  }));

Deno.test("each task prints --help on stdout with examples, and exits with 0", () =>
  inFolder(async (folder) => {
    for (const name of ["train", "evaluate", "submit", "tokenize", "sample"]) {
      const { code, out, err } = await task([name, "--help"], folder);
      assert.deepEqual([code, err], [0, ""], name);
      assert.match(out, new RegExp(`^Usage: deno task ${name} \\[options\\]`));
      assert.match(out, /\nExamples:\n {2}deno task /);
    }
  }));

Deno.test("wrong usage is one line on stderr and exit code 2, with the stack only if --verbose asks for it", () =>
  inFolder(async (folder) => {
    const wrong: [string[], RegExp][] = [
      [["sample", "--nonsense"], /unknown option '--nonsense'/],
      [["sample", "--sead", "3"], /unknown option '--sead' \(Did you mean --seed\?\)/],
      [["sample", "--seed"], /option '--seed <N>' argument missing/],
      [["sample", "--seed", "x"], /^Cannot read --seed "x": must be a whole number from 0 to 4294967295$/],
      [["sample", "more"], /too many arguments/],
    ];
    for (const [args, message] of wrong) {
      const { code, out, err } = await task(args, folder);
      assert.deepEqual([code, out], [2, ""], args.join(" "));
      assert.match(err, /^[^\n]+\n$/, args.join(" "));
      assert.match(err.trimEnd(), message);
    }
    const { err } = await task(["sample", "--seed", "x", "--verbose"], folder);
    assert.match(err, /\n {4}at /);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  }));
