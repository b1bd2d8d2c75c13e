// Rotary positions as config.json describes them: base, kind of scaling, and the inverse frequencies that follow.
// Mirrors modeling_rope_utils.py of transformers in its older (`rope_theta`, `rope_scaling`) and newer form (`rope_parameters`).
import { ConfigFields } from "./config_fields.ts";
import { isObject } from "./json_text.ts";

export type RopeConfig =
  & { rope_theta: number }
  & (
    | { rope_type: "default" }
    | { rope_type: "linear"; factor: number }
    | {
      rope_type: "llama3";
      factor: number;
      low_freq_factor: number;
      high_freq_factor: number;
      original_max_position_embeddings: number;
    }
  );

/** Reads the rotary fields. @throws {InputError} if the scaling is of another kind, or only parts of a head are turned */
export function parseRope(fields: ConfigFields, { rope_theta: usual = 10000 } = {}): RopeConfig {
  const name = fields.has("rope_scaling") ? "rope_scaling" : "rope_parameters";
  const entry = fields.get(name) ?? {};
  if (!isObject(entry)) throw fields.refuse(name, "must be an object");
  const rope = new ConfigFields(`${fields.path} entry "${name}"`, entry);
  for (const place of [fields, rope]) {
    if ((place.get("partial_rotary_factor") ?? 1) !== 1) throw place.refuse("partial_rotary_factor", "must be 1");
  }
  const rope_theta = rope.positive("rope_theta", fields.positive("rope_theta", usual));
  // "type" is the older name.
  const key = !rope.has("rope_type") && rope.has("type") ? "type" : "rope_type";
  switch (rope.choice(key, "default", ["default", "linear", "llama3"])) {
    case "default":
      return { rope_type: "default", rope_theta };
    case "linear":
      return { rope_type: "linear", rope_theta, factor: required(rope, "factor") };
    case "llama3":
      return {
        rope_type: "llama3",
        rope_theta,
        factor: required(rope, "factor"),
        low_freq_factor: required(rope, "low_freq_factor"),
        high_freq_factor: required(rope, "high_freq_factor"),
        original_max_position_embeddings: required(rope, "original_max_position_embeddings"),
      };
  }
}

function required(rope: ConfigFields, name: string): number {
  // An absent field has no default here: 0 is refused as not positive.
  return rope.positive(name, 0);
}

/**
 * Radians a position, [D / 2], in float32 like PyTorch's: theta^(-2 i / D), then scaled.
 *
 * linear  all divided by `factor`
 * llama3  long waves divided by `factor`, short ones left, those between blended; Llama 3.1's model card
 */
export function inverseFrequencies(rope: RopeConfig, D: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: D / 2 }, (_, i) => {
    const plain = Math.fround(1 / Math.fround(rope.rope_theta ** Math.fround(2 * i / D)));
    if (rope.rope_type === "default") return plain;
    if (rope.rope_type === "linear") return plain / rope.factor;
    const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: length } = rope;
    const waves = length * plain / (2 * Math.PI);
    if (waves < low) return plain / factor;
    if (waves > high) return plain;
    const share = (waves - low) / (high - low);
    return (1 - share) * plain / factor + share * plain;
  });
}
