// --train-layers: only the top layers of a backbone are trained, and what stands behind them.
import { UsageError } from "../errors.ts";
import { type ParameterSpec } from "./parameters.ts";

/** The layer a parameter belongs to, by its name; undefined for embeddings and what stands behind the layers. */
function layerOf(name: string): number | undefined {
  const found = name.match(/(?:^|\.)layers?\.(\d+)\./);
  return found ? Number(found[1]) : undefined;
}

/** Which parameters are trained if the top `count` layers are: those of the layers, and norms behind the last one.
 *  @throws {UsageError} if the model has fewer layers */
export function trainedLayers(backbone: readonly ParameterSpec[], count: number): (name: string) => boolean {
  const layers = 1 + Math.max(-1, ...backbone.map(({ name }) => layerOf(name) ?? -1));
  if (count > layers) {
    throw new UsageError(`Cannot use --train-layers ${count}: the model has ${layers} layers: lower it`);
  }
  const last = backbone.findLastIndex(({ name }) => layerOf(name) !== undefined);
  // What lies in `encoder.` beside its layers serves all of them: DeBERTa's relative positions.
  const behind = new Set(
    backbone.slice(last + 1).map(({ name }) => name).filter((name) => !/embed|^encoder\./.test(name)),
  );
  return (name) => {
    const layer = layerOf(name);
    return layer === undefined ? behind.has(name) : layer >= layers - count;
  };
}
