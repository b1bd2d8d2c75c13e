// Writes a large file of battles, as long and as odd as people's: the sample's chatbots and sentences, put together into
// long texts with turns, lists, code, other scripts, repeated prompts, copies and null turns.
//   deno run -A tests/report/large_battles.ts FILE [BATTLES]     55,000 battles are 180 MB
import { Random } from "../../data/random.ts";
import { generateSample } from "../../data/sample.ts";
import { writeLines } from "../../data/text_file.ts";

const header = "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie\n";
const otherScripts = ["Как это работает? ", "请解释一下这个问题。", "これは何ですか。", "¿Cómo funciona esto? ", "🙂 "];
const code = "```python\nfor number in range(10):\n    print(number * number)\n```\n";

export interface LargeOptions {
  /** @default {42} */
  seed?: number;
  /** Versions of each of the twelve chatbots, with names as long as people's. @default {1} */
  versions?: number;
}

/** Rows of the file, one by one; the same options give the same rows. */
export function* largeRows(battles: number, { seed = 42, versions = 1 }: LargeOptions = {}): Generator<string> {
  const draw = new Random(seed);
  const sample = generateSample({ battles: 2000, seed });
  const sentences = sample.flatMap(({ prompt, responseA, responseB }) => [...prompt, ...responseA, ...responseB]);
  yield header;
  let earlier = "";
  for (let row = 0; row < battles; row++) {
    const { modelA, modelB, label } = sample[draw.below(sample.length)];
    const [a, b] = [modelA, modelB].map((name) =>
      versions === 1 ? name : `${name}-${1 + draw.below(versions)}b-instruct-preview`
    );
    const turns = draw.uniform() < 0.85 ? 1 : 2 + draw.below(4);
    const repeated = draw.uniform() < 0.15;
    const prompt = Array.from(
      { length: turns },
      () => repeated ? sentences[draw.below(400)] : text(draw, sentences, 180, 1.1),
    );
    // The winner's text is a little longer, as people's taste has it.
    const answer = (won: boolean) =>
      Array.from(
        { length: turns },
        () => draw.uniform() < 0.002 ? null : text(draw, sentences, (won ? 950 : 800) / turns ** 0.5, 0.85),
      );
    const copy = earlier !== "" && draw.uniform() < 0.01;
    const texts = copy ? earlier : [prompt, answer(label === 0), answer(label === 1)].map(cell).join(",");
    earlier = texts;
    yield `${100000 + row},${a},${b},${texts},${[0, 1, 2].map((one) => Number(one === label)).join(",")}\n`;
  }
}

/** A text of log-normal length around `median` characters. */
function text(draw: Random, sentences: readonly string[], median: number, spread: number): string {
  const length = median * Math.exp(spread * draw.normal());
  const foreign = draw.uniform() < 0.08 ? otherScripts[draw.below(otherScripts.length)] : "";
  const list = draw.uniform() < 0.25;
  let result = draw.uniform() < 0.1 ? code : "";
  for (let line = 1; result.length < length; line++) {
    result += (list ? `${line}. ` : "") + (foreign || sentences[draw.below(sentences.length)]) +
      (list || line % 5 === 0 ? "\n" : " ");
  }
  return result;
}

function cell(turns: readonly (string | null)[]): string {
  return `"${JSON.stringify(turns).replaceAll('"', '""')}"`;
}

if (import.meta.main) {
  const [path, battles = "55000"] = Deno.args;
  await writeLines(path, largeRows(Number(battles)));
  console.log(`${path}  ${battles} battles, ${((await Deno.stat(path)).size / 1e6).toFixed(0)} MB`);
}
