// A BERT of 32 channels with random weights and the small tokenizer of the goldens, in Hugging Face layout.
import { join } from "node:path";
import { Random } from "../../data/random.ts";
import { parseConfig } from "../../model/config.ts";
import { architectureOf } from "../../model/registry.ts";
import { writeSafetensors } from "../../model/safetensors_write.ts";
import { root } from "../imports.ts";

const config = {
  model_type: "bert",
  architectures: ["BertModel"],
  vocab_size: 563,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 64,
  hidden_act: "gelu",
  max_position_embeddings: 64,
  type_vocab_size: 2,
  layer_norm_eps: 1e-12,
  initializer_range: 0.02,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
};

/** Writes the model into `folder`, which it makes. @param changes of config.json */
export async function writeTinyModel(folder: string, changes: Partial<typeof config> = {}): Promise<void> {
  await Deno.mkdir(folder);
  const text = JSON.stringify({ ...config, ...changes }, null, 2);
  await Deno.writeTextFile(join(folder, "config.json"), text);
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    await Deno.copyFile(join(root, "tests/goldens/tokenizer", name), join(folder, name));
  }
  const random = new Random(1);
  const parsed = parseConfig(text, "config.json");
  const tensors = architectureOf(parsed).parameters(parsed, true).map(({ name, shape }) => {
    const isGain = name.endsWith("LayerNorm.weight"), isBias = name.endsWith(".bias");
    const size = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: size }, () => isGain ? 1 : isBias ? 0 : 0.1 * random.normal());
    return { name, shape, data };
  });
  await writeSafetensors(join(folder, "model.safetensors"), tensors, { metadata: { format: "pt" } });
}

const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`;
const json = (...turns: unknown[]) => quoted(JSON.stringify(turns));

/** Kaggle's file with the oddities of the real one: byte order mark, Windows line ends, quotes and line ends in cells,
 *  null, boolean and numeric turns, an empty response, lone surrogates, plain text, ids out of order. */
export const oddCsv = "\ufeff" + [
  "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie",
  `30,m,n,${json("What is the answer?", "And why?")},${json("It is 4", "Because")},${json("5", "Who knows")},1,0,0`,
  `7,m,n,${json('Say "hello",\nplease')},${json("hello")},${json("")},1,0,0`,
  `9,m,n,${json("Is it so?", null)},${json(true, 4.0)},${json(null)},0,0,1`,
  `12,m,n,${quoted('["lone \\ud83d here"]')},${quoted('["\\ude00"]')},${json("fine")},0,1,0`,
  `11,m,n,plain text,${quoted('a "quoted"\nline')},[CLS] is text,0,0,1`,
  `8,m,n,${json("long " + "words ".repeat(200))},${json("x ".repeat(300))},${json("short")},0,1,0`,
].join("\r\n") + "\r\n";

export const oddIds = ["30", "7", "9", "12", "11", "8"];
