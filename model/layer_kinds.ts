// Layers that see everything beside layers with a sliding window, as Gemma's and ModernBERT's config.json names them.
import { ConfigFields } from "./config_fields.ts";
import { isObject } from "./json_text.ts";
import { parseRope, type RopeConfig } from "./rotary.ts";

const layerKinds = ["full_attention", "sliding_attention"] as const;
export type LayerKind = typeof layerKinds[number];

/** As `layer_types` lists them, else as `isFull` says of each layer. */
export function parseLayerKinds(
  fields: ConfigFields,
  layers: number,
  isFull: (layer: number) => boolean,
): LayerKind[] {
  const types = fields.get("layer_types");
  if (types === undefined) {
    return Array.from({ length: layers }, (_, i) => isFull(i) ? "full_attention" : "sliding_attention");
  }
  if (!Array.isArray(types) || types.length !== layers || !types.every((kind) => layerKinds.includes(kind))) {
    throw fields.refuse("layer_types", `must name ${layerKinds.join(" or ")} for each of ${layers} layers`);
  }
  return types;
}

/** Rotary positions by kind of layer, as `rope_parameters` nests them; `otherwise` where there is none of it.
 *  @param thetas of entries without `rope_theta` */
export function parseRopesByKind(
  fields: ConfigFields,
  thetas: Record<LayerKind, number>,
  otherwise: () => Record<LayerKind, RopeConfig>,
): Record<LayerKind, RopeConfig> {
  const nested = fields.get("rope_parameters");
  if (nested === undefined) return otherwise();
  if (
    !isObject(nested) || fields.has("rope_scaling") ||
    !Object.keys(nested).every((kind) => layerKinds.includes(kind as LayerKind))
  ) {
    throw fields.refuse("rope_parameters", `must hold ${layerKinds.join(" and ")}, without rope_scaling beside it`);
  }
  const of = (kind: LayerKind) => {
    const entry = new ConfigFields(`${fields.path} entry "rope_parameters"`, { rope_parameters: nested[kind] });
    return parseRope(entry, { rope_theta: thetas[kind] });
  };
  return { full_attention: of("full_attention"), sliding_attention: of("sliding_attention") };
}
