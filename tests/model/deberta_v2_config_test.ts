// config.json of DeBERTa-v2 and v3: defaults, lists in one string, rows of distances as transformers has them, refusals by name.
import assert from "node:assert/strict";
import { InputError } from "../../errors.ts";
import { parseConfig } from "../../model/config.ts";
import { type DebertaV2Config, relativeRows } from "../../model/deberta_v2_config.ts";
import rows from "../goldens/deberta_rows.json" with { type: "json" };

const parse = (fields: Record<string, unknown> = {}) =>
  parseConfig(JSON.stringify({ model_type: "deberta-v2", ...fields }), "m/config.json") as unknown as DebertaV2Config;

/** What microsoft/deberta-v3-xsmall's config.json says of the attention. */
const v3 = {
  hidden_size: 384,
  num_attention_heads: 6,
  intermediate_size: 1536,
  relative_attention: true,
  position_buckets: 256,
  norm_rel_ebd: "layer_norm",
  share_att_key: true,
  pos_att_type: "p2c|c2p",
  max_relative_positions: -1,
  position_biased_input: false,
};

Deno.test("parseConfig() fills absent fields with the defaults of DebertaV2Config", () => {
  const config = parse();
  assert.deepEqual(config.pos_att_type, []);
  assert.equal(config.relative_embeddings, 0);
  const { hidden_size, embedding_size, type_vocab_size, layer_norm_eps, position_biased_input, share_att_key } = config;
  assert.deepEqual([hidden_size, embedding_size, type_vocab_size, layer_norm_eps], [1536, 1536, 0, 1e-7]);
  assert.deepEqual([position_biased_input, share_att_key, config.norm_rel_ebd, config.conv_kernel_size], [
    true,
    false,
    false,
    0,
  ]);
  assert.deepEqual([config.pooler_hidden_act, config.pooler_dropout, config.cls_dropout], ["gelu", 0, 0.1]);
});

Deno.test("parseConfig() reads DeBERTa-v3's relative attention", () => {
  const config = parse(v3);
  assert.deepEqual(config.pos_att_type, ["c2p", "p2c"]);
  const { position_buckets, max_relative_positions, relative_embeddings, norm_rel_ebd } = config;
  assert.deepEqual([position_buckets, max_relative_positions, relative_embeddings, norm_rel_ebd], [
    256,
    512,
    512,
    true,
  ]);
  assert.equal(parse({ ...v3, position_buckets: -1, max_relative_positions: 6 }).relative_embeddings, 12);
  assert.deepEqual(parse({ ...v3, pos_att_type: ["p2c"] }).pos_att_type, ["p2c"]);
});

Deno.test("relativeRows() are transformers' own, distance by distance", () => {
  for (const { position_buckets, max_relative_positions, positions, rows: expected } of rows.cases) {
    const relative_embeddings = 2 * (position_buckets || max_relative_positions);
    assert.deepEqual(
      relativeRows({ position_buckets, max_relative_positions, relative_embeddings }, positions),
      expected,
    );
  }
});

Deno.test("parseConfig() refuses by name what is not computed for DeBERTa", () => {
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ hidden_act: "relu" }, /hidden_act is "relu"/],
    [{ pooler_hidden_act: "silu" }, /pooler_hidden_act is "silu"/],
    [{ conv_act: "swish" }, /conv_act is "swish"/],
    [{ conv_kernel_size: 4 }, /conv_kernel_size is 4, must be odd/],
    [{ conv_kernel_size: 3, conv_groups: 2 }, /conv_groups is 2, must be 1/],
    [{ pos_att_type: "p2c|p2p" }, /pos_att_type is "p2c\|p2p"/],
    [{ norm_rel_ebd: "batch_norm" }, /norm_rel_ebd is "batch_norm"/],
    [{ position_buckets: 255 }, /position_buckets is 255, must be even/],
    [{ position_buckets: 256, max_relative_positions: 128 }, /position_buckets is 256/],
    [{ position_buckets: 0, max_relative_positions: 7 }, /max_relative_positions is 7, must be even/],
    [{ attention_head_size: 32 }, /attention_head_size is 32, must be 64 or absent/],
    [{ pooler_hidden_size: 32 }, /pooler_hidden_size is 32, must be 384 or absent/],
    [{ num_attention_heads: 7 }, /hidden_size is 384/],
    [{ embedding_size: 30 }, /embedding_size is 30, must be a multiple of 4/],
    [{ share_att_key: "yes" }, /share_att_key is "yes", must be true or false/],
  ];
  for (const [fields, message] of refused) {
    assert.throws(() => parse({ ...v3, ...fields }), (error: Error) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, message);
      return true;
    });
  }
});
