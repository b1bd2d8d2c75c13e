// Matmul at a transformer's shapes: the three products of a dense layer's step, operands as textures and as workgroup tiles.
import { ownedTensor, Recorder } from "../gpu/recorder.ts";
import { type Tensor } from "../gpu/tensor.ts";
import { upload } from "../gpu/transfer.ts";
import { Random } from "../data/random.ts";
import { matmul } from "../kernels/matmul.ts";
import { type MatmulForm } from "../kernels/matmul_texture.ts";
import { tileText } from "../kernels/measure.ts";
import { shapeClass } from "../kernels/shape_classes.ts";
import { defaultSchedules, type Schedules, tilesOf } from "../kernels/schedules.ts";
import { stepFields } from "../kernels/step.ts";
import { Tape } from "../kernels/tape.ts";
import { interleaveWithCeilings, type References } from "./ceilings.ts";
import { timing } from "./interleave.ts";
import { rates, type Row, shares } from "./row.ts";
import { type Bench, noStep, type Recorded, withRecorded } from "./runs.ts";

/** Inputs and outputs of MiniLM's dense layers. */
export const LAYERS = [[384, 384], [384, 1536], [1536, 384]] as const;

/** What a dense layer [out, in] computes over T tokens, as [M, N, K]; see kernels/linear.ts. */
const forms: Record<MatmulForm, (T: number, inputs: number, outputs: number) => [number, number, number]> = {
  NT: (T, inputs, outputs) => [T, outputs, inputs], // y = x W^T
  NN: (T, inputs, outputs) => [T, inputs, outputs], // dx = dy W
  TN: (T, inputs, outputs) => [outputs, inputs, T], // dW = dy^T x
};

/** Products of a few sequences. Tiles are timed at no more on a CPU adapter: they take 20 times as long there. */
const FEW_TOKENS = 128;

/** One product to be timed. */
export interface MatmulCase {
  form: MatmulForm;
  T: number;
  inputs: number;
  outputs: number;
  schedules: Schedules;
}

export const formNames = Object.keys(forms) as MatmulForm[];

export const matmulKernels = formNames.map((form) => `matmul.${form}`);

export interface MatmulOptions {
  references: References;
  /** As measured for this adapter. */
  schedules: Schedules;
  tokens: number;
  wanted(kernel: string): boolean;
}

/** Both schedules of each wanted form at each shape, interleaved; and the case with the best rate. */
export async function measureMatmul(
  bench: Bench,
  options: MatmulOptions,
): Promise<{ rows: Row[]; fastest: MatmulCase }> {
  const cases = matmulCases(bench.gpu.report.isCpu, options);
  return await withRecorded(cases.map((at) => recordMatmul(bench, at)), async (runs) => {
    const work = runs.map(({ run }) => ({ laps: { run } }));
    const { samples, ceilings } = await interleaveWithCeilings(bench, options.references, work);
    const rows = cases.map((at, i): Row => {
      const time = timing(samples[i].run);
      return {
        section: "Matmul",
        kernel: `matmul.${at.form}`,
        size: { T: at.T, in: at.inputs, out: at.outputs, schedule: at.schedules.texture ? "textures" : "tiles" },
        ...time,
        ...rates(time, runs[i]),
        ...shares(samples[i].run, runs[i], ceilings),
        ...(at.schedules.texture && { note: noteOf(at) }),
      };
    });
    const best = rows.reduce((most, { GFLOPs }, i) => GFLOPs! > rows[most].GFLOPs! ? i : most, 0);
    return { rows, fastest: cases[best] };
  });
}

function matmulCases(isCpu: boolean, { schedules, tokens, wanted }: MatmulOptions): MatmulCase[] {
  const texture = schedules.texture ?? defaultSchedules(true).texture;
  const variants = [
    { schedules: { ...schedules, texture }, T: tokens },
    ...(isCpu && tokens > FEW_TOKENS ? [{ schedules: { ...schedules, texture }, T: FEW_TOKENS }] : []),
    { schedules: { ...schedules, texture: null, classes: {} }, T: isCpu ? Math.min(FEW_TOKENS, tokens) : tokens },
  ];
  return variants.flatMap((variant) =>
    LAYERS.flatMap(([inputs, outputs]) =>
      formNames
        .filter((form) => wanted(`matmul.${form}`))
        .map((form) => ({ form, inputs, outputs, ...variant }))
    )
  );
}

/** The classes of all cases. */
export function matmulClasses(tokens: number): string[] {
  return [tokens, FEW_TOKENS].flatMap((T) =>
    LAYERS.flatMap(([inputs, outputs]) => formNames.map((form) => shapeClass(form, forms[form](T, inputs, outputs))))
  );
}

function noteOf({ form, T, inputs, outputs, schedules }: MatmulCase): string {
  const { texture, tile } = tilesOf(schedules, form, forms[form](T, inputs, outputs));
  if (!texture) return `tiles of ${tileText(tile)}`;
  const { rows, columns, group } = texture;
  return `${rows} rows x ${columns} vec4f a lane, ${group.join(" x ")} lanes`;
}

/** Records one product of random operands. */
export function recordMatmul(
  { gpu, pipelines }: Bench,
  { form, T, inputs, outputs, schedules }: MatmulCase,
): Recorded & { flops: number } {
  const [M, N, K] = forms[form](T, inputs, outputs);
  const random = new Random(M, N, K);
  const operand = (shape: [number, number]): Tensor => {
    const tensor = ownedTensor(gpu, shape);
    upload(gpu, tensor, Float32Array.from({ length: tensor.size }, () => random.normal()));
    return tensor;
  };
  const a = operand(form === "TN" ? [K, M] : [M, K]), b = operand(form === "NT" ? [N, K] : [K, N]);
  const out = ownedTensor(gpu, [M, N]);
  const recorder = new Recorder(gpu);
  matmul(new Tape(recorder, { schedules }), form, a, b, { tensor: out, accumulate: 0 });
  const program = recorder.build(pipelines, stepFields);
  return {
    flops: 2 * M * N * K,
    run: () => program.run(noStep),
    dispose() {
      program.dispose();
      for (const tensor of [a, b, out]) tensor.region!.buffer.destroy();
    },
  };
}
