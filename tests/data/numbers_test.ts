// Numbers beside the text: what is counted, and that A and B are treated alike.
import assert from "node:assert/strict";
import { answerCounts, battleNumbers, exchangeNumbers, expandNumbers, numberColumns } from "../../data/numbers.ts";

const battle = {
  prompt: ["Name two fruits"],
  responseA: ["Two fruits:\n- Apple\n- pear. Is that all?\n\n```x = 1```\n**Yes!** No."],
  responseB: ["apple apple"],
};

Deno.test("battleNumbers() counts characters, words, sentences, lines and marks of format, as logarithms", () => {
  const numbers = battleNumbers(battle, [20, 2]);
  assert.equal(numbers.length, 2 * 13 + 1);
  const counts = (side: number) =>
    Object.fromEntries(answerCounts.map((name, at) => [name, Math.round(Math.expm1(numbers[side * 13 + at]))]));
  assert.deepEqual(counts(0), {
    "characters": battle.responseA[0].length,
    "tokens": 20,
    "words": 11,
    "different words": 11,
    "words of the prompt": 2,
    "sentences": 3,
    "lines": 5,
    "list items": 2,
    "code blocks": 2,
    "marks of format": 2,
    "digits": 1,
    "capitals": 5,
    "questions": 1,
  });
  assert.equal(counts(1)["different words"], 1);
  assert.equal(Math.round(Math.expm1(numbers[26])), battle.prompt[0].length);
});

Deno.test("numbers of a battle exchanged are those of the exchanged battle, and their columns change sign or stay, to the bit", () => {
  const numbers = battleNumbers(battle, [20, 2]);
  const other = battleNumbers({ ...battle, responseA: battle.responseB, responseB: battle.responseA }, [2, 20]);
  assert.deepEqual(exchangeNumbers(numbers), other);
  const columns = (of: Float32Array) => {
    const into = { winner: new Float32Array(2 * numberColumns.winner), tie: new Float32Array(2 * numberColumns.tie) };
    expandNumbers(of, into, 1);
    return { winner: into.winner.subarray(numberColumns.winner), tie: into.tie.subarray(numberColumns.tie) };
  };
  const one = columns(numbers), two = columns(other);
  assert.deepEqual([...two.winner], [...one.winner].map((value) => value === 0 ? 0 : -value));
  assert.deepEqual([...two.tie], [...one.tie]);
  // tanh(d / 2) of log counts is (a - b) / (a + b).
  const [a, b] = [battle.responseA[0].length + 1, battle.responseB[0].length + 1];
  assert.ok(Math.abs(one.winner[1] - (a - b) / (a + b)) < 1e-6);
});
