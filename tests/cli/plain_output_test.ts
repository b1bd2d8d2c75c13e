// Uses the GPU: what commands write into a pipe or a log file is plain text: no control characters, whatever the
// environment says of colours; and on a terminal no colour with NO_COLOR.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../imports.ts";
import { inFolder } from "./command_line.ts";
import { oddCsv, writeTinyModel } from "./tiny_model.ts";

const tasks = Object.entries(JSON.parse(readFileSync(join(root, "deno.json"), "utf8")).tasks as Record<string, string>);
/** Tasks that are commands of main.ts. */
const commands = tasks.filter(([, line]) => line.includes("main.ts")).map(([name]) => name);

/** Runs a task without NO_COLOR, and with colours asked for where `forced`. */
async function piped(args: string[], cwd: string, forced = false) {
  const { NO_COLOR: _no, FORCE_COLOR: _force, ...env } = Deno.env.toObject();
  const output = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "--config", join(root, "deno.json"), ...args],
    cwd,
    clearEnv: true,
    env: { ...env, INIT_CWD: cwd, TERM: "xterm-256color", HF_HOME: cwd, ...(forced && { FORCE_COLOR: "1" }) },
    stdin: "null",
  }).output();
  const [out, err] = [output.stdout, output.stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code: output.code, out, err };
}

function assertPlain(text: string, what: string): void {
  // deno-lint-ignore no-control-regex
  const found = text.match(/.{0,40}[\u0000-\u0008\u000b-\u001f\u007f-\u009f].{0,40}/);
  assert.equal(found, null, `${what}: ${JSON.stringify(found?.[0])}`);
}

Deno.test("every command's --help and errors are plain in a pipe", () =>
  inFolder(async (folder) => {
    // Two at a time: each is a process of its own.
    const queue = [...commands];
    const work = async () => {
      for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
        const help = await piped([name, "--help"], folder, true),
          wrong = await piped([name, "--no-such-flag"], folder, true);
        assert.deepEqual([help.code, wrong.code], [0, 2], `${name}: ${help.err}${wrong.err}`);
        assert.match(help.out, new RegExp(`^Usage: deno task ${name} `));
        assert.match(wrong.err, /^Cannot read the command line: [^\n]*\n$/);
        assertPlain(help.out + help.err + wrong.out + wrong.err, name);
      }
    };
    await Promise.all([work(), work()]);
  }));

Deno.test("every command's output is plain in a pipe, that of odd texts too", () =>
  inFolder(async (folder) => {
    await writeTinyModel(`${folder}/model`);
    // A text that would ring, colour and erase, in prompt, id and chatbot.
    const evil = oddCsv.replace("m,n,plain text", 'm\u001b[31m,n\u0007,"\u001b[2Jplain\r\u0008text"')
      .replaceAll(/^(\d+),/gm, "$1\u001b[1m,");
    Deno.writeTextFileSync(`${folder}/odd.csv`, evil);
    const train = ["--data", "train.csv", "--model", "model", "--steps", "2", "--no-tune", "--batch-tokens", "256"];
    const lines: string[][] = [
      ["sample", "--out", ".", "--battles", "30", "--test-battles", "12"],
      ["train", ...train, "--valid-fraction", "0.4", "--validate-every", "1", "--out", "a"],
      ["train", ...train, "--method", "lora", "--seed", "7", "--out", "l"],
      ["crossvalidate", ...train, "--folds", "2", "--out", "cv"],
      ["evaluate", "--model", "a", "--data", "odd.csv", "--no-tune", "--report", "e.html"],
      ["calibrate", "--model", "a", "--data", "valid.csv", "--method", "prior", "--no-tune"],
      ["submit", "--model", "a", "--model", "l", "--data", "odd.csv", "--no-tune", "--out", "s.csv"],
      ["ensemble", "cv", "cv", "--data", "train.csv"],
      ["compare", "a", "l"],
      ["average", "cv/fold-1", "cv/fold-2", "--out", "mean"],
      ["merge", "l", "--out", "merged"],
      ["tokenize", "--data", "odd.csv", "--model", "model"],
      ["explore", "--data", "odd.csv", "--out", "x.html"],
      ["memory", "--model", "model"],
    ];
    for (const args of lines) {
      const { code, out, err } = await piped(args, folder);
      assert.equal(code, 0, `${args.join(" ")}: ${err}`);
      assert.ok((out + err).length > 0, `${args[0]} says something`);
      assertPlain(out + err, args.join(" "));
    }
    // These measure for minutes.
    const left = commands.filter((name) => !lines.some(([ran]) => ran === name));
    assert.deepEqual(left.toSorted(), ["bench", "tune"]);
  }));

const script = "/usr/bin/script";
const hasTerminal = Deno.build.os === "linux" && await Deno.stat(script).then(() => true, () => false);

Deno.test({
  name: "a terminal gets a bar that moves, and with NO_COLOR no colour",
  ignore: !hasTerminal,
  fn: () =>
    inFolder(async (folder) => {
      await writeTinyModel(`${folder}/model`);
      const run = async (...args: string[]) => {
        const line = [Deno.execPath(), "task", "--quiet", "--config", join(root, "deno.json"), ...args].join(" ");
        const { success, stdout } = await new Deno.Command(script, {
          args: ["-qec", line, "/dev/null"],
          cwd: folder,
          env: { INIT_CWD: folder, NO_COLOR: "1", TERM: "xterm-256color" },
          stdin: "null",
        }).output();
        const text = new TextDecoder().decode(stdout);
        assert.ok(success, text);
        // deno-lint-ignore no-control-regex
        assert.doesNotMatch(text, /\u001b\[[\d;]*m/);
        return text;
      };
      await run("sample", "--out", ".", "--battles", "30", "--test-battles", "6");
      const train = ["--data", "train.csv", "--model", "model", "--steps", "12", "--no-tune", "--batch-tokens", "256"];
      const shown = await run("train", ...train, "--log-every", "1", "--out", "a");
      assert.match(shown, /step [█░]+ \d+\/12 /);
      assert.match(shown, /step \d+: validation log loss 1\.\d+/);
    }),
});
