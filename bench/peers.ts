// This project against others on the same machine: each in its own process, single runs in turns, by the wall clock, with
// all results read or waited for. What compiles and warms up is not counted for anybody.
import { type Schedules } from "../kernels/schedules.ts";
import { layerNorm } from "../kernels/layer_norm.ts";
import { linear } from "../kernels/linear.ts";
import { ratio, timing } from "./interleave.ts";
import { formNames, LAYERS, recordMatmul } from "./matmul.ts";
import { miniLmShape, openBenchModel, uniformBatch } from "./model.ts";
import { recordOperation } from "./operations.ts";
import { type Peer, type PeerName, startPeer } from "./peer_process.ts";
import { type Row } from "./row.ts";
import { type Bench } from "./runs.ts";
import { wallClock } from "./stopwatch.ts";

export const peerKernels = ["against.products", "against.block", "against.predict", "against.train_step"];

/** A peer's run may take half a minute on a CPU adapter. */
const MOST_SAMPLES = 3;

/** Tokens of every sequence in the end-to-end cases. */
const LENGTH = 128;

export interface PeerOptions {
  against: readonly PeerName[];
  schedules: Schedules;
  tokens: number;
  wanted(kernel: string): boolean;
  say(line: string): void;
}

interface Contest {
  /** Without "against.", as the peers know it. */
  name: string;
  /** What the peers are told. */
  size: Readonly<Record<string, number>>;
  /** What identifies the row. */
  shown: Readonly<Record<string, number>>;
  work: { flops: number; tokens?: number };
  note: string;
  /** Opens this project's side. */
  open(): Promise<{ run(): void | Promise<void>; dispose(): void }>;
}

/** One row for each side of each contest. */
export async function measurePeers(bench: Bench, options: PeerOptions): Promise<Row[]> {
  const { against, wanted, say } = options;
  const peers: Peer[] = [];
  try {
    for (const name of against) peers.push(startPeer(name));
    const rows: Row[] = [];
    for (const contest of contests(bench, options).filter(({ name }) => wanted(`against.${name}`))) {
      const able = peers.filter(({ cases }) => cases.includes(contest.name));
      if (able.length === 0) continue;
      say(`against ${able.map(({ title }) => title).join(", ")}: ${contest.name}`);
      rows.push(...await hold(bench, contest, able));
    }
    return rows;
  } finally {
    for (const peer of peers) await peer.stop();
  }
}

async function hold(bench: Bench, contest: Contest, peers: readonly Peer[]): Promise<Row[]> {
  const { name, size, shown, work, note, open } = contest;
  const ours = await open();
  try {
    const clock = wallClock(bench.gpu);
    const once = async () => (await clock.laps([() => ours.run()]))[0];
    const turns = [once, ...await inOrder(peers, (peer) => peer.prepare(name, size))];
    for (let i = 0; i < 2; i++) await once();
    const samples = turns.map(() => [] as number[]);
    for (let round = 0; round < Math.min(bench.rounds, MOST_SAMPLES); round++) {
      for (const [i, turn] of turns.entries()) samples[i].push(await turn());
    }
    return samples.map((ms, i): Row => {
      const time = timing(ms);
      return {
        section: "Against others",
        kernel: `against.${name}`,
        size: { ...shown, by: i === 0 ? "Tiebreak" : peers[i - 1].title },
        ...time,
        GFLOPs: work.flops / time.ms / 1e6,
        ...(work.tokens && { tokensPerSecond: work.tokens / time.ms * 1000 }),
        ...(i > 0 ? { timesOurs: ratio(ms, samples[0]) } : { note }),
      };
    });
  } finally {
    ours.dispose();
  }
}

async function inOrder<T, R>(items: readonly T[], run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await run(item));
  return results;
}

function contests(bench: Bench, { schedules, tokens }: PeerOptions): Contest[] {
  const products = LAYERS.map(([inputs, outputs]): Contest => ({
    name: "products",
    size: { T: tokens, inputs, outputs },
    shown: { T: tokens, in: inputs, out: outputs },
    work: { flops: 6 * tokens * inputs * outputs },
    note: "the three products of a dense layer: forward, by the input, by the weight",
    // deno-lint-ignore require-await -- models wait for their weights
    async open() {
      const runs = formNames.map((form) => recordMatmul(bench, { form, T: tokens, inputs, outputs, schedules }));
      return {
        run: () => runs.forEach(({ run }) => run()),
        dispose: () => runs.forEach(({ dispose }) => dispose()),
      };
    },
  }));
  const { W, F } = miniLmShape;
  const parameter = (...shape: number[]) => ({ shape, grad: "parameter" as const });
  const block: Contest = {
    name: "block",
    size: { T: tokens, W, F },
    shown: { T: tokens, W, F },
    work: { flops: 12 * tokens * W * F },
    note: "dense, GELU, dense, layer norm: forward and all gradients",
    // deno-lint-ignore require-await -- as above
    open: async () =>
      recordOperation(bench, {
        inputs: {
          x: { shape: [tokens, W], grad: "activation" },
          w1: parameter(F, W),
          b1: parameter(F),
          w2: parameter(W, F),
          b2: parameter(W),
          gain: parameter(W),
          bias: parameter(W),
        },
        step: { tokens },
        record: (tape, { x, w1, b1, w2, b2, gain, bias }) => {
          const h = linear(tape, x, { weight: w1, bias: b1, gelu: "erf" });
          return layerNorm(tape, linear(tape, h, { weight: w2, bias: b2 }), { gain, bias, eps: 1e-12 });
        },
      }, { schedules, backward: true }),
  };
  const { layers, heads, vocabulary, positions } = miniLmShape;
  const segments = 2 * Math.floor(tokens / LENGTH / 2);
  const model = (name: string, passes: number, note: string): Contest => ({
    name,
    size: { segments, length: LENGTH, layers, W, heads, F, vocabulary, positions },
    shown: { T: segments * LENGTH, length: LENGTH },
    work: { flops: passes * 2 * layers * (4 * W * W + 2 * W * F) * segments * LENGTH, tokens: segments * LENGTH },
    note,
    async open() {
      const { engine } = await openBenchModel({ gpu: bench.gpu, schedules, tokens, shortest: LENGTH });
      const batch = uniformBatch({ tokens, length: LENGTH, vocabulary });
      let step = 0;
      return {
        async run() {
          if (name === "predict") return void await engine.predict(batch);
          engine.accumulate(batch, { step: ++step, stepWeight: batch.battles });
          engine.update({ step, lr: 1e-5 });
          await engine.readSteps();
        },
        dispose: () => engine.dispose(),
      };
    },
  });
  return [
    ...products,
    block,
    model("predict", 1, "MiniLM's shape, random weights, probabilities read back"),
    model("train_step", 3, "MiniLM's shape, forward, backward and AdamW, loss read back"),
  ];
}
