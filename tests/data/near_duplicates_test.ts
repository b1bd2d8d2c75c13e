// Near-duplicate prompts: what is taken as the same, and what is not.
import assert from "node:assert/strict";
import { nearDuplicateKeys } from "../../data/near_duplicates.ts";
import { Random } from "../../data/random.ts";

const words =
  "the of a to and in is it you that he was for on are with as his they be at one have this from by hot but";
const vocabulary = words.split(" ");

/** Two letters, since numbers are looked at apart. */
const ending = (number: number) => String.fromCharCode(97 + number % 26, 97 + number / 26);

function invent(random: Random, length: number): string {
  return Array.from({ length }, () => vocabulary[random.below(vocabulary.length)] + ending(random.below(50))).join(" ");
}

/** Share of common five-letter pieces. */
function jaccard(one: string, other: string): number {
  const pieces = (text: string) => new Set(Array.from({ length: text.length - 4 }, (_, at) => text.slice(at, at + 5)));
  const a = pieces(one), b = pieces(other);
  return a.intersection(b).size / a.union(b).size;
}

Deno.test("nearDuplicateKeys() joins what is alike and nothing else, whatever the order", () => {
  const random = new Random(1);
  const keys: string[] = [];
  let alike = 0, unlike = 0;
  for (let at = 0; at < 300; at++) {
    const original = invent(random, 15 + random.below(40)), parts = original.split(" ");
    const changes = [1, 1, 2, 12][random.below(4)];
    for (let change = 0; change < changes; change++) parts[random.below(parts.length)] = invent(random, 1);
    keys.push(original, parts.join(" "));
  }
  const found = nearDuplicateKeys(keys);
  for (let at = 0; at < keys.length; at += 2) {
    const likeness = jaccard(keys[at], keys[at + 1]), joined = found[at] === found[at + 1];
    // The estimate is off by 0.04 or so.
    if (likeness > 0.85) assert.ok(joined, `${likeness}: ${keys[at]}\n${keys[at + 1]}`);
    if (likeness < 0.5) assert.ok(!joined, `${likeness}: ${keys[at]}\n${keys[at + 1]}`);
    if (joined) alike++;
    else unlike++;
  }
  assert.ok(alike > 100 && unlike > 50, `${alike} ${unlike}`);
  assert.ok(new Set(found).size >= 300, "originals stay apart");
  assert.deepEqual(nearDuplicateKeys(keys.toReversed()).toReversed(), found);
});

Deno.test("nearDuplicateKeys() keeps short prompts apart unless they are equal", () => {
  const keys = ["", "hi", "ho", "hello", "hallo", "日本", "日本の首都はどこですか", "日本の首都はどこですか?", "hi"];
  const found = nearDuplicateKeys(keys);
  assert.equal(found[1], found[8]);
  assert.equal(found[6], found[7]);
  assert.equal(new Set(found.slice(0, 7)).size, 7);
});

Deno.test("nearDuplicateKeys() keeps apart what differs in its numbers", () => {
  const keys = Array.from(
    { length: 200 },
    (_, at) => `a rather long question, of which only the number differs: ${at}`,
  );
  assert.equal(new Set(nearDuplicateKeys(keys)).size, 200);
  assert.equal(new Set(nearDuplicateKeys(keys.flatMap((key) => [key, `${key}?`]))).size, 200);
});

Deno.test("nearDuplicateKeys() chains: a group is whatever is linked", () => {
  const parts = invent(new Random(2), 60).split(" ");
  const chain = Array.from({ length: 12 }, (_, at) => {
    const own = [...parts];
    for (let change = 0; change < at * 4; change++) own[change] = `other${ending(change)}`;
    return own.join(" ");
  });
  assert.ok(jaccard(chain[0], chain[11]) < 0.4);
  assert.equal(new Set(nearDuplicateKeys(chain)).size, 1);
});

Deno.test("nearDuplicateKeys() keeps apart what shares a long preface only, and finds copies among thousands of those", () => {
  const random = new Random(3), preface = invent(random, 20);
  const keys = Array.from({ length: 2000 }, () => `${preface} ${invent(random, 30)}`);
  const found = nearDuplicateKeys([...keys, ...keys.slice(0, 50).map((key) => `${key} please`)]);
  assert.ok(new Set(found).size > 1990, `${new Set(found).size} groups`);
  for (let at = 0; at < 50; at++) assert.equal(found[2000 + at], found[at]);
});
