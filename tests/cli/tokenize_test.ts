// `tokenize` on the oddities of Kaggle's file, as a user runs it.
import assert from "node:assert/strict";
import { join } from "node:path";
import { root } from "../imports.ts";
import { inFolder, task } from "./command_line.ts";
import { oddCsv, oddIds, writeTinyModel } from "./tiny_model.ts";

interface Line {
  id: string;
  side: string;
  input_ids: number[];
  token_type_ids: number[];
  label: number | null;
}

async function withOddities(test: (folder: string) => Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    await writeTinyModel(`${folder}/model`);
    Deno.writeTextFileSync(`${folder}/odd.csv`, oddCsv);
    await test(folder);
  });
}

Deno.test("tokenize prints both sides of each battle, in the order of the file", () =>
  withOddities(async (folder) => {
    const { code, out, err } = await task(["tokenize", "--data", "odd.csv", "--model", "model"], folder);
    assert.deepEqual([code, err], [0, ""]);
    const lines: Line[] = out.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ id, side }) => `${id}${side}`), oddIds.flatMap((id) => [`${id}a`, `${id}b`]));
    assert.deepEqual(lines.filter(({ side }) => side === "a").map(({ label }) => label), [0, 0, 2, 1, 2, 1]);
    for (const { id, input_ids, token_type_ids } of lines) {
      assert.equal(input_ids.length, token_type_ids.length, id);
      assert.ok(input_ids.length <= 64, id);
      assert.deepEqual(
        [input_ids[0], input_ids.at(-1), input_ids.filter((token) => token === 3).length],
        [2, 3, 2],
        id,
      );
      assert.equal(input_ids.filter((token) => token === 2).length, 1, `${id}: [CLS] in a text stays text`);
    }
    const long = lines.find(({ id, side }) => id === "8" && side === "a")!;
    assert.equal(long.input_ids.length, 64, "a long battle is cut to the model's positions");
  }));

Deno.test("tokenize --pairing joint prints one sequence, --out writes the same lines to a file", () =>
  withOddities(async (folder) => {
    const args = ["tokenize", "--data", "odd.csv", "--model", "model", "--pairing", "joint", "--max-tokens", "20"];
    const { out } = await task(args, folder);
    const lines: Line[] = out.trim().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ id, side }) => `${id}${side}`), oddIds.map((id) => `${id}ab`));
    assert.ok(lines.every(({ input_ids }) => input_ids.length <= 20));
    assert.equal((await task([...args, "--out", "tokens.jsonl"], folder)).out, "");
    assert.equal(Deno.readTextFileSync(`${folder}/tokens.jsonl`), out);
  }));

Deno.test("tokenize ends quietly when its reader has seen enough", () =>
  withOddities(async (folder) => {
    const rows = oddCsv.split("\r\n").slice(1, 2);
    const many = Array.from({ length: 5000 }, (_, i) => rows[0].replace(/^30/, String(i)));
    Deno.writeTextFileSync(`${folder}/many.csv`, [oddCsv.split("\r\n")[0], ...many].join("\n"));
    // The second has nobody to read its first byte: bash's `true` has ended long before deno has begun.
    for (
      const [pipe, lines] of [["tokenize --data many.csv --model model | head -n 1 | wc -l", "1"], [
        "tokenize --help | true",
      ]]
    ) {
      const output = await new Deno.Command("bash", {
        args: [
          "-c",
          `deno task --quiet --config "$1" ${pipe}; echo "\${PIPESTATUS[0]}"`,
          "bash",
          join(root, "deno.json"),
        ],
        cwd: folder,
        env: { INIT_CWD: folder },
      }).output();
      const decoder = new TextDecoder();
      assert.equal(decoder.decode(output.stderr), "");
      assert.deepEqual(decoder.decode(output.stdout).trim().split(/\s+/), [...(lines ? [lines] : []), "0"]);
    }
  }));

Deno.test("tokenize answers bad input with one line that says where, and exit code 2", () =>
  withOddities(async (folder) => {
    const header = oddCsv.slice(1).split("\r\n")[0];
    Deno.writeTextFileSync(`${folder}/bad.csv`, `${header}\n1,m,n,p,a,b,1,0,0\n2,m,n,p,a,b,1,0,2\n`);
    Deno.mkdirSync(`${folder}/empty`);
    Deno.mkdirSync(`${folder}/busy.jsonl.partial`);
    await writeTinyModel(`${folder}/small`);
    const config = Deno.readTextFileSync(`${folder}/small/config.json`);
    Deno.writeTextFileSync(`${folder}/small/config.json`, config.replace('"vocab_size": 563', '"vocab_size": 562'));
    const wrong: [string[], RegExp][] = [
      [["--model", "model"], /without battles: name a file with --data/],
      [["--data", "none.csv", "--model", "model"], /none\.csv/],
      [["--data", "bad.csv", "--model", "model"], /bad\.csv row 3.*winner_tie/],
      [["--data", "odd.csv", "--model", "empty"], /empty/],
      [["--data", "odd.csv", "--model", "small"], /its tokenizer has 563 ids, config\.json's vocab_size is 562/],
      [["--data", "odd.csv", "--model", "odd.csv"], /odd\.csv/],
      [["--data", "odd.csv", "--model", "model", "--max-tokens", "65"], /the model has 64 positions/],
      [["--data", "odd.csv", "--model", "model", "--out", "odd.csv"], /odd\.csv: it exists: add --force/],
      [["--data", "odd.csv", "--model", "model", "--pairing", "joint", "--features", "length"], /with joint pairs/],
      [
        ["--data", "odd.csv", "--model", "model", "--out", "busy.jsonl"],
        /^Cannot write busy\.jsonl: .*: name another --out/,
      ],
      [["--data", "odd.csv", "--model", "model", "--out", "/dev/null", "--force"], /\/dev\/null: it is no plain file/],
      [["--data", "odd.csv", "--model", "model", "--out", "none/x.jsonl"], /there is no folder none: make it/],
    ];
    for (const [args, message] of wrong) {
      const { code, err } = await task(["tokenize", ...args], folder);
      assert.equal(code, 2, `${args.join(" ")}: ${err}`);
      assert.match(err, /^Cannot [^\n]+\n$/, args.join(" "));
      assert.match(err, message);
    }
  }));
