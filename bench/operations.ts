// Row kernels and attention on a tape: one declarative case an operation, forward and backward timed from its recording.
import { ownedTensor, Recorder } from "../gpu/recorder.ts";
import { type Live, type Tensor } from "../gpu/tensor.ts";
import { upload } from "../gpu/transfer.ts";
import { type Schedules } from "../kernels/schedules.ts";
import { stepFields, type StepUniform } from "../kernels/step.ts";
import { Tape } from "../kernels/tape.ts";
import { Random } from "../data/random.ts";
import { interleaveWithCeilings, type References } from "./ceilings.ts";
import { differences, timing } from "./interleave.ts";
import { rates, type Row, shares, type Work } from "./row.ts";
import { type Bench, type Recorded, stepValues, withRecorded } from "./runs.ts";

export interface OperationInput {
  shape: readonly number[];
  /** Random where absent. */
  data?: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  live?: Live;
  /** Whether a gradient flows to it, and whose: an activation's is overwritten, a parameter's added to. */
  grad?: "activation" | "parameter";
}

/** An operation on a tape with its inputs. */
export interface Operation {
  inputs: Record<string, OperationInput>;
  step: Partial<StepUniform>;
  record(tape: Tape, inputs: Record<string, Tensor>): Tensor;
}

export interface OperationCase extends Operation {
  kernel: string;
  size: Record<string, number>;
  forward: Work;
  backward: Work;
}

export interface OperationOptions {
  references: References;
  schedules: Schedules;
}

/**
 * Two rows for each case. A backward cannot run alone: its time is that of both less that of the forward, in the same round.
 */
export async function measureOperations(
  bench: Bench,
  section: string,
  cases: readonly OperationCase[],
  { references, schedules }: OperationOptions,
): Promise<Row[]> {
  const runs = cases.flatMap((at) =>
    [false, true].map((backward) => recordOperation(bench, at, { schedules, backward }))
  );
  return await withRecorded(runs, async () => {
    const work = runs.map(({ run }) => ({ laps: { run } }));
    const { samples, ceilings } = await interleaveWithCeilings(bench, references, work);
    return cases.flatMap((at, i) => {
      const forward = samples[2 * i].run, both = samples[2 * i + 1].run;
      const row = (part: "forward" | "backward", ms: number[]): Row => ({
        section,
        kernel: `${at.kernel}.${part}`,
        size: at.size,
        ...timing(ms),
        ...rates(timing(ms), at[part]),
        ...shares(ms, at[part], ceilings),
      });
      return [row("forward", forward), row("backward", differences(both, forward))];
    });
  });
}

/** Records the operation, with its backward where asked for, and fills its inputs. */
export function recordOperation(
  { gpu, pipelines }: Bench,
  at: Operation,
  { schedules, backward }: { schedules: Schedules; backward: boolean },
): Recorded {
  const recorder = new Recorder(gpu), owned: Tensor[] = [], planned: Tensor[] = [];
  const inputs: Record<string, Tensor> = {};
  const parameterGradients = new Map<Tensor, Tensor>();
  const own = (shape: readonly number[], options = {}) => {
    const tensor = ownedTensor(gpu, shape, options);
    owned.push(tensor);
    return tensor;
  };
  for (const [label, { shape, data, live, grad }] of Object.entries(at.inputs)) {
    const dtype = data instanceof Uint32Array ? "u32" as const : "f32" as const;
    if (grad === "activation") {
      inputs[label] = recorder.keep(recorder.tensor(shape, { label, live, requiresGrad: true }));
      planned.push(inputs[label]);
      continue;
    }
    inputs[label] = own(shape, { label, live, dtype });
    upload(gpu, inputs[label], data ?? normal(inputs[label].size));
    if (grad === "parameter" && backward) parameterGradients.set(inputs[label], own(shape));
  }
  const tape = new Tape(recorder, { schedules, parameterGradients });
  const output = at.record(tape, inputs);
  if (backward) {
    const dy = recorder.keep(recorder.tensor(output.shape, { live: output.live, label: "dy" }));
    planned.push(dy);
    tape.setGrad(output, dy);
    tape.backward();
  }
  const program = recorder.build(pipelines, stepFields);
  // What no dispatch touches has no memory: the input of an operation that hands its gradient on.
  for (const tensor of planned) if (tensor.region) upload(gpu, tensor, normal(tensor.size));
  const step = stepValues(at.step);
  return {
    run: () => program.run(step),
    dispose() {
      program.dispose();
      for (const tensor of owned) tensor.region!.buffer.destroy();
    },
  };
}

function normal(count: number): Float32Array<ArrayBuffer> {
  const random = new Random(count);
  return Float32Array.from({ length: count }, () => random.normal());
}
