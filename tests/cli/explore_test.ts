// `explore` as a user runs it: the report, the summary, what it refuses to replace, and a file without outcomes.
import assert from "node:assert/strict";
import { inFolder, task } from "./command_line.ts";
import { csv } from "../report/explore_files.ts";

/** Folders without a model, so that tokens are estimated; Deno keeps its own cache. */
const bare = (folder: string) => ({ HF_HOME: folder, XDG_CACHE_HOME: folder, DENO_DIR: denoDir() });

function denoDir(): string {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

Deno.test("explore writes the same report twice, with a summary in plain lines", () =>
  inFolder(async (folder) => {
    await task(["sample", "--out", ".", "--battles", "300"], folder);
    const { code, out, err } = await task(["explore", "--data", "train.csv"], folder, bare(folder));
    assert.equal(code, 0, err);
    const lines = out.trimEnd().split("\n");
    assert.match(lines[0], /^battles {5}300, \d+ different prompts, 12 chatbots$/);
    assert.match(lines[1], /^outcomes {4}A [\d.]+ %, B [\d.]+ %, tie [\d.]+ %; constant shares score 1\.\d{4}$/);
    assert.equal(lines.at(-1), "report      report.html");
    assert.match(out, /\(300 battles, characters \/ 4\)/);
    // deno-lint-ignore no-control-regex
    assert.doesNotMatch(out + err, /[\x00-\x09\x0b-\x1f]/);
    assert.match(err, /^(read MB \d+\/\d+.*\n)*count tokens 1\/300.*\ncount tokens 300\/300.*\n$/);
    const html = Deno.readTextFileSync(`${folder}/report.html`);
    for (const words of ["Leaderboard", "Who beats whom", "estimated as characters / 4", "all 300 battles"]) {
      assert.ok(html.includes(words), words);
    }
    // An earlier report may be replaced.
    assert.equal((await task(["explore", "--data", "train.csv"], folder, bare(folder))).code, 0);
    assert.equal(Deno.readTextFileSync(`${folder}/report.html`), html);

    const unlabeled = await task(["explore", "--data", "test.csv", "--out", "test.html"], folder, bare(folder));
    assert.equal(unlabeled.code, 0, unlabeled.err);
    assert.match(unlabeled.out, /^outcomes +none in this file/m);
    assert.doesNotMatch(Deno.readTextFileSync(`${folder}/test.html`), /Leaderboard|NaN|undefined/);
  }));

Deno.test("explore replaces nothing but reports, and says which row it could not read", () =>
  inFolder(async (folder) => {
    const file = csv([{ prompt: ["a"], responseA: ["b"], responseB: ["c"], label: 0 }]);
    Deno.writeTextFileSync(`${folder}/battles.csv`, file);
    const wrong: [string[], RegExp][] = [
      [[], /^Cannot explore without battles: name a file with --data$/],
      [["--data", "none.csv"], /^Cannot open none\.csv: there is no such file/],
      [["--data", "battles.csv", "--out", "battles.csv"], /^Cannot write battles\.csv: it exists and is no report/],
      [["--data", "battles.csv", "--out", "."], /^Cannot write \.: it is a folder/],
      [["--data", "battles.csv", "--out", "no/report.html"], /^Cannot write no\/report\.html: there is no folder/],
      [["--data", "battles.csv", "--model", "nowhere/at/all"], /^Cannot load the model nowhere\/at\/all/],
    ];
    for (const [args, message] of wrong) {
      const { code, out, err } = await task(["explore", ...args], folder, bare(folder));
      assert.deepEqual([code, out], [2, ""], args.join(" "));
      assert.match(err.trimEnd(), message);
    }
    Deno.writeTextFileSync(
      `${folder}/bad.csv`,
      file + file.split("\n")[1].replace(/^1,/, "2,").replace(/0$/, "7") + "\n",
    );
    const { code, err } = await task(["explore", "--data", "bad.csv"], folder, bare(folder));
    assert.equal(code, 2);
    assert.match(err, /^Cannot read bad\.csv row 3: winner_tie is "7", must be 0 or 1$/m);
    assert.equal(Deno.readTextFileSync(`${folder}/battles.csv`), file);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["bad.csv", "battles.csv"]);
  }));
