// Kaggle's CSV with the oddities of real files, and each refusal with its row and column.
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import type { Battle } from "../../data/battle.ts";
import { parseTurns, readBattles } from "../../data/battles.ts";
import { InputError } from "../../errors.ts";
import { inFolder } from "../model/hand_made.ts";

const header = "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie";

const quote = (cell: string) => `"${cell.replaceAll('"', '""')}"`;

function read(content: string | Uint8Array, options = {}): Promise<Battle[]> {
  return inFolder(
    { "train.csv": content },
    (folder) => Array.fromAsync(readBattles(join(folder, "train.csv"), options)),
  );
}

async function refusal(content: string, options = {}): Promise<string> {
  try {
    await read(content, options);
  } catch (error) {
    assert(error instanceof InputError, String(error));
    return error.message.replace(/\/\S*\//g, "");
  }
  return "nothing was refused";
}

Deno.test("readBattles() reads Kaggle's columns, labels and turns, ids in any order", async () => {
  const rows = [
    header,
    `30,gpt,llama,${quote('["hi","and?"]')},${quote('["a","b"]')},${quote('["c","d"]')},1,0,0`,
    `7,m,n,${quote('["x"]')},${quote('["y"]')},${quote('["z"]')},0,1,0`,
    `-x 1,m,n,${quote('["x"]')},${quote("[]")},${quote('[""]')},0,0,1`,
  ];
  const battles = await read(rows.join("\n") + "\n");
  assert.deepEqual(battles[0], {
    id: "30",
    row: 2,
    prompt: ["hi", "and?"],
    responseA: ["a", "b"],
    responseB: ["c", "d"],
    label: 0,
    modelA: "gpt",
    modelB: "llama",
  });
  assert.deepEqual(battles.map(({ id, row, label }) => [id, row, label]), [["30", 2, 0], ["7", 3, 1], ["-x 1", 4, 2]]);
  assert.deepEqual([battles[2].responseA, battles[2].responseB], [[], [""]]);
});

Deno.test("readBattles() refuses bytes that are no UTF-8, and takes characters that two reads of the file share", async () => {
  const text = "id,prompt,response_a,response_b\n1,d\u00e9j\u00e0 vu,a,b\n";
  const latin = Uint8Array.from(text, (character) => character.charCodeAt(0));
  await assert.rejects(read(latin), /it is no UTF-8 near "1,d\ufffdj\ufffd vu,a,b": save it as UTF-8$/);
  const utf16 = new Uint8Array(Uint16Array.from(`\ufeff${text}`, (character) => character.charCodeAt(0)).buffer);
  assert.deepEqual((await read(utf16))[0].prompt, ["d\u00e9j\u00e0 vu"]);
  const long = "\u20ac".repeat(100_000);
  assert.deepEqual((await read(text.replace("d\u00e9j\u00e0 vu", long)))[0].prompt, [long]);
});

Deno.test("readBattles() reads a byte order mark, Windows line ends, quotes, line ends in cells and columns of others", async () => {
  const text = '\ufeffextra,response_b,id,prompt,response_a\r\n1,"say ""hi""\r\nthere",9,"a,b","[""x\\ny""]"\r\n\r\n';
  const [battle] = await read(text);
  assert.deepEqual(battle, {
    id: "9",
    row: 2,
    prompt: ["a,b"],
    responseA: ["x\ny"],
    responseB: ['say "hi"\r\nthere'],
  });
});

Deno.test("readBattles() reads line ends of several kinds in one file, and a last line without one", async () => {
  const battles = await read("id,prompt,response_a,response_b\r\n1,p,a,b\n2,p,a,b\r3,p,a,b");
  assert.deepEqual(battles.map(({ id }) => id), ["1", "2", "3"]);
});

Deno.test("readBattles() reads a cell that is longer than the parser's usual limit and spans several chunks of the file", async () => {
  const long = "é😀x\n".repeat(60_000);
  const [battle] = await read(`id,prompt,response_a,response_b\n1,p,${quote(JSON.stringify([long]))},b\n`);
  assert.equal(battle.responseA[0], long);
});

Deno.test("readBattles() gives back any text that was written as JSON and quoted", async () => {
  const turns = fc.array(fc.string({ unit: "binary" }), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(turns, turns, async (prompt, response) => {
      const cells = [prompt, response, response].map((cell) => quote(JSON.stringify(cell)));
      const [battle] = await read(`id,prompt,response_a,response_b\r\n1,${cells.join(",")}\r\n`);
      assert.deepEqual([battle.prompt, battle.responseA, battle.responseB], [prompt, response, response]);
    }),
    { numRuns: 30 },
  );
});

Deno.test("readBattles() reads labels written as 0, 1, 0.0 or 1.0, and none where the cells are empty", async () => {
  const row = (id: string, labels: string) => `${id},m,n,p,a,b,${labels}\n`;
  const battles = await read(`${header}\n${row("1", "0.0,1.0,0.0")}${row("2", ",,")}${row("3", "0,0,1")}`);
  assert.deepEqual(battles.map(({ label }) => label), [1, undefined, 2]);
});

Deno.test("readBattles() reads the true probabilities of the built-in sample", async () => {
  const columns = "id,prompt,response_a,response_b,true_a,true_b,true_tie";
  const [battle] = await read(`${columns}\n1,p,a,b,0.5,0.2,0.3\n`);
  assert.deepEqual(battle.truth, [0.5, 0.2, 0.3]);
  assert.equal(
    await refusal(`${columns}\n1,p,a,b,0.5,0.5,0.3\n`),
    "Cannot read train.csv row 2: true_a, true_b, true_tie are 0.5, 0.5, 0.3, must be probabilities that add up to 1",
  );
});

Deno.test("parseTurns() takes what is no JSON array as one turn of text", () => {
  for (
    const cell of ["", "plain", "null", "true", '"quoted"', '{"a":1}', "['a', 'b']", "[unfinished", '["a"] and more']
  ) {
    assert.deepEqual(parseTurns(cell), [cell]);
  }
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  assert.equal(parseTurns(deep).length, 1, "nesting past the stack");
});

Deno.test("parseTurns() turns null into an empty turn and what is no string into its JSON text", () => {
  assert.deepEqual(parseTurns(' [null, "a", true, 12, 1.0, 12345678901234567890, {"b": [1, null]}, [2.5, "x"]]'), [
    "",
    "a",
    "true",
    "12",
    "1.0",
    "12345678901234567890",
    '{"b":[1,null]}',
    '[2.5,"x"]',
  ]);
  assert.deepEqual(parseTurns('[{"__proto__": 1, "constructor": 2}]').length, 1);
});

Deno.test("parseTurns() keeps lone surrogates that were written as escapes", () => {
  assert.deepEqual(parseTurns('["a\\ud83d", "\\ude00b", "\\ud83d\\ude00"]'), ["a\ud83d", "\ude00b", "😀"]);
});

Deno.test("readBattles() names the columns that are missing and those it found", async () => {
  assert.equal(
    await refusal("id,prompt,answer a\n1,p,a\n"),
    'Cannot read train.csv: columns response_a, response_b are missing, found id, prompt, "answer a": name the columns as Kaggle does',
  );
  assert.equal(
    await refusal("id,prompt,response_a,response_b\n1,p,a,b\n", { requireLabels: true }),
    "Cannot read train.csv: columns winner_model_a, winner_model_b, winner_tie are missing, found id, prompt, response_a, response_b: name the columns as Kaggle does",
  );
  assert.match(
    await refusal('id;prompt;response_a;response_b\n1;"p";a;b\n'),
    /found "id;prompt;.*": separate cells by/,
  );
  assert.match(await refusal("id,prompt,prompt,response_a,response_b\n1,p,p,a,b\n"), /column prompt is there twice/);
});

Deno.test("readBattles() names the row and column of each refusal", async () => {
  const row = (labels: string) => `${header}\n1,m,n,p,a,b,1,0,0\n2,m,n,p,a,b,${labels}\n`;
  const refusals: [string, string, object?][] = [
    [row("1,0,2"), 'Cannot read train.csv row 3: winner_tie is "2", must be 0 or 1'],
    [row("1,0,"), 'Cannot read train.csv row 3: winner_tie is "", must be 0 or 1'],
    [row("1,0,yes"), 'Cannot read train.csv row 3: winner_tie is "yes", must be 0 or 1'],
    [row(",,"), 'Cannot read train.csv row 3: winner_model_a is "", must be 0 or 1', { requireLabels: true }],
    [
      row("1,0,1"),
      "Cannot read train.csv row 3: winner_model_a, winner_model_b, winner_tie are 1, 0, 1, exactly one must be 1",
    ],
    [
      row("0,0,0"),
      "Cannot read train.csv row 3: winner_model_a, winner_model_b, winner_tie are 0, 0, 0, exactly one must be 1",
    ],
    [
      "id,prompt,response_a,response_b\n5,p,a,b\n6,p,a,b\n5,p,a,b\n",
      "Cannot read train.csv row 4: id 5 is in row 2 already: give each row its own id",
    ],
    [
      "id,prompt,response_a,response_b\n,p,a,b\n",
      "Cannot read train.csv row 2: id is empty: give each battle an id",
    ],
    [
      "id,prompt,response_a,response_b\n1,p,a\n",
      "Cannot read train.csv row 2: it has 3 cells, the header has 4: quote cells that hold commas or line ends",
    ],
    [
      'id,prompt,response_a,response_b\n1,"p,a,b\n2,p,a,b\n',
      "Cannot read train.csv row 2: a quote is never closed: close it",
    ],
    [
      'id,prompt,response_a,response_b\n1,p,a,b\n2,p"q,a,b\n',
      "Cannot read train.csv row 3 (from line 3): a quote stands inside a cell: double it and quote the cell",
    ],
    ["", "Cannot read train.csv: the file is empty: give a CSV file with a header"],
    [
      "id,prompt,response_a,response_b\n",
      "Cannot read train.csv: there is no row below the header: give at least one battle",
    ],
  ];
  for (const [text, message, options] of refusals) assert.equal(await refusal(text, options), message);
});

Deno.test("readBattles() says when there is no file, and when it is a folder", async () => {
  await inFolder({}, async (folder) => {
    const open = (path: string) => Array.fromAsync(readBattles(path));
    await assert.rejects(open(join(folder, "none.csv")), /^InputError: Cannot open .*none\.csv: there is no such file/);
    await assert.rejects(open(folder), /^InputError: Cannot open .*: it is a folder: name a CSV file/);
  });
});

Deno.test("readBattles() closes the file when the reader leaves early", async () => {
  await inFolder({ "train.csv": `${header}\n${"1,m,n,p,a,b,1,0,0\n".repeat(50_000)}` }, async (folder) => {
    for await (const battle of readBattles(join(folder, "train.csv"))) {
      assert.equal(battle.id, "1");
      break;
    }
  });
});
