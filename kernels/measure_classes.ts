// Chooses the tiles of each class of products by a short measurement on the adapter at hand, where they differ from those of
// all products of the form.
import { type Gpu } from "../gpu/device.ts";
import { type PipelineCache } from "../gpu/pipelines.ts";
import { textureTiles, tileText, workgroupTiles } from "./measure.ts";
import { type Candidate, measureVariants, type Variant } from "./measure_product.ts";
import { type TextureTile } from "./matmul_texture.ts";
import { defaultSchedules, type ProductTiles, type Schedules, tilesOf } from "./schedules.ts";
import { type ClassProduct, classProducts } from "./shape_classes.ts";

/** What a candidate must win by over what is known to be good: each other tile is one more pipeline to compile. */
const CLEARLY = 1.12;

/** Rows up to which tiles in workgroup memory, and the lowest texture tile, have a chance where textures are the rule. */
const FEW_ROWS = 64;

/** What only products of few rows are tried with. */
export const lowTile: TextureTile = { rows: 4, columns: 4, group: [8, 1] };

/** Of each class, in the order of their names: its default tiles, or else those of `base`, unless others are clearly faster. */
export async function measureClasses(
  gpu: Gpu,
  pipelines: PipelineCache,
  { base, classes, onCandidate = () => {} }: {
    /** As measured for all products of each form. */
    base: Schedules;
    classes: readonly string[];
    onCandidate?: (candidate: Candidate) => void;
  },
): Promise<Record<string, ProductTiles>> {
  const chosen: Record<string, ProductTiles> = {};
  for (const name of [...new Set(classes)].sort()) {
    const product = classProducts[gpu.report.isCpu ? "cpu" : "gpu"].get(name);
    if (!product) continue;
    const known = base.texture ? defaultSchedules(gpu.report.isCpu).classes : {};
    const candidates = candidatesFor(tilesOf({ ...base, classes: known }, product.form, product.size), product);
    const variants = candidates.map(({ texture, tile }): Variant => ({
      name: texture ? `textures ${texture.rows} x ${texture.columns * 4}` : `tiles ${tileText(tile)}`,
      schedules: {
        ...base,
        texture: texture && { NT: texture, NN: texture, TN: texture },
        tile: { NT: tile, NN: tile, TN: tile },
        classes: {},
      },
    }));
    const measured = await measureVariants(gpu, pipelines, product, variants);
    measured.forEach(({ rate }, i) =>
      onCandidate({ form: product.form, shapeClass: name, name: variants[i].name, rate })
    );
    const speeds = measured.map(({ speed }) => speed), best = speeds.indexOf(Math.max(...speeds));
    chosen[name] = candidates[speeds[best] > CLEARLY ? best : 0];
  }
  return chosen;
}

/** The base's own first. */
function candidatesFor(base: ProductTiles, { form, size: [rows] }: ClassProduct): ProductTiles[] {
  const isLow = form !== "TN" && rows <= FEW_ROWS;
  const others: ProductTiles[] = base.texture
    ? [
      ...[...textureTiles, ...(isLow ? [lowTile] : [])].map((texture) => ({ ...base, texture })),
      ...(isLow ? [{ ...base, texture: null }] : []),
    ]
    : workgroupTiles.map((tile) => ({ texture: null, tile }));
  const known = JSON.stringify(base);
  return [base, ...others.filter((tiles) => JSON.stringify(tiles) !== known)];
}
