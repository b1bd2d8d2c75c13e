// Run folders made by hand, as `train` would leave them, for the tests of the run's report and of `compare`.
import { resolveSettings } from "../../train/settings.ts";
import { type TrainFlags, trainFlags } from "../../train/train_flags.ts";

export interface HandMadeRun {
  steps: number;
  /** Steps after which it validated. */
  validations?: number[];
  flags?: Partial<TrainFlags>;
  adapter?: string;
  dataSha256?: string;
  noTimes?: boolean;
  /** How many kernels were timed. */
  kernels?: number;
}

const defaults = Object.fromEntries(
  Object.entries(trainFlags).map(([field, flag]) => [field, flag.default]),
) as unknown as TrainFlags;

/** Step s has the loss 1 + 1/s and 100 s tokens; steps are read in tens and take 50 ms each, those of the first ten 100. */
export function writeRun(path: string, made: HandMadeRun): void {
  const { steps, validations = [], flags, adapter = "An adapter", dataSha256 = "0123456789abcdef" } = made;
  const settings = resolveSettings({ ...defaults, data: "/data/train.csv", ...flags }, {
    max_position_embeddings: 512,
  }, "siamese");
  const run = {
    tiebreak: "0.1.0",
    deno: "2.9.6",
    started: "2026-11-24T09:30:00.000Z",
    settings: { ...settings, batchTokens: 2048 },
    adapter: { name: adapter, isCpu: true },
    schedules: {},
    data: { source: "/data/train.csv", sha256: dataSha256, battles: 500 },
    parameters: { trained: 22_000_000, frozen: 0 },
    memory: 700 * 2 ** 20,
  };
  const rows: Record<string, number>[] = [];
  for (let step = 1; step <= steps; step++) {
    const lr = 5e-5 * step / steps, gradNorm = 1 + Math.sin(step), ms = step <= 10 ? 100 : 50;
    rows.push({
      step,
      loss: 1 + 1 / step,
      lr,
      gradNorm,
      accuracy: 0.5,
      tokens: 100 * step,
      ms: ms + Math.ceil(step / 10) / 100,
    });
    if (validations.includes(step)) rows.push({ step, validLogLoss: 1.05 + Math.cos(step) / 50, validAccuracy: 0.45 });
  }
  Deno.mkdirSync(path, { recursive: true });
  Deno.writeTextFileSync(`${path}/run.json`, JSON.stringify(run));
  Deno.writeTextFileSync(`${path}/metrics.jsonl`, rows.map((row) => JSON.stringify(row) + "\n").join(""));
  if (made.kernels) {
    const kernels = Array.from({ length: made.kernels }, (_, at) => (
      { kernel: `kernel of a longer name ${at}`, dispatches: 6, ms: 100 / (at + 1) }
    ));
    Deno.writeTextFileSync(`${path}/kernels.json`, JSON.stringify({ tokens: 2000, battles: 9, kernels }));
  }
  if (made.noTimes) return;
  const times = [{ prepare: 3000, pack: 20, wait: 60_000, validate: 9000 }, { wait: 61_000, encode: 400, export: 90 }];
  Deno.writeTextFileSync(`${path}/times.jsonl`, times.map((row) => JSON.stringify(row) + "\n").join(""));
}
