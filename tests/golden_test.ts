// The reader of the goldens: its hashes equal Python's, its tolerance notices small faults, and the stored figures of
// each golden agree with one another.
import assert from "node:assert/strict";
import {
  compareGradient,
  compareGradients,
  key,
  loadGolden,
  mix,
  norm,
  packGolden,
  positions,
  project,
  stepWeight,
  type StoredGradient,
  tinyGoldens,
} from "./golden.ts";

const allGoldens = [...tinyGoldens, "minilm_joint", "minilm_siamese"];

Deno.test("mix(), key() and positions() equal those of tests/oracle/projections.py", () => {
  assert.deepEqual([0, 1, 2, -1].map(mix), [0, 1753845952, 3507691905, 1734902346]);
  assert.deepEqual(["head.a", "größe"].map(key), [1168240730, 52884411]);
  const table = "bert.embeddings.word_embeddings.weight";
  assert.deepEqual(
    [...positions(table, [67, 36], [2, 3, 66]).subarray(0, 8)],
    [2403, 2387, 2376, 116, 113, 2400, 128, 2383],
  );
  assert.deepEqual([...positions("x.weight", [1000]).subarray(0, 8)], [822, 111, 759, 21, 32, 287, 703, 760]);
  assert.deepEqual([...positions("head.bias", [2])], [0, 1]);
});

Deno.test("project() of a stored gradient equals Python's eight sums", async () => {
  const golden = await loadGolden("bert_odd");
  const table = "bert.embeddings.word_embeddings.weight";
  const python = [
    0.4669814934604801,
    -1.3302417699596845,
    0.17295458196895197,
    -0.17724997189361602,
    -0.6350407718564384,
    -1.4634802230866626,
    2.0574884666712023,
    0.2701590246288106,
  ];
  const ours = project(table, golden.gradients.get(table)!.values);
  ours.forEach((sum, k) => assert.ok(Math.abs(sum - python[k]) < 1e-12, `projection ${k}: ${sum}, not ${python[k]}`));
});

/** A gradient of normal deviates, whole and as the summary that Python would store. */
function madeUp(size: number): { g: Float32Array; whole: StoredGradient; summary: StoredGradient } {
  const uniform = (i: number) => (mix(i + 1) + 0.5) / 2 ** 32;
  const normal = (i: number) => Math.sqrt(-2 * Math.log(uniform(2 * i))) * Math.cos(2 * Math.PI * uniform(2 * i + 1));
  const g = Float32Array.from({ length: size }, (_, i) => normal(i));
  const whole = { name: "made.up", shape: [size], norm: norm(g), values: g };
  const at = positions(whole.name, whole.shape);
  return {
    g,
    whole,
    summary: {
      ...whole,
      values: Float32Array.from(at, (position) => g[position]),
      summary: { positions: at, choices: size, projections: project(whole.name, g) },
    },
  };
}

Deno.test("compareGradient() finds nothing in the gradient itself", () => {
  const { g, whole, summary } = madeUp(5000);
  assert.equal(compareGradient(g, whole, whole.norm), 0);
  assert.equal(compareGradient(g, summary, whole.norm), 0);
});

Deno.test("compareGradient() gives 1 at the tolerance, and about 1 from a summary", () => {
  const { g, whole, summary } = madeUp(5000);
  const noise = madeUp(10000).g.subarray(5000);
  const step = (1e-3 * whole.norm + 1e-6 * whole.norm) / norm(noise);
  const moved = g.map((value, i) => value + step * noise[i]);
  assert.ok(Math.abs(compareGradient(moved, whole, whole.norm) - 1) < 1e-3);
  const estimate = compareGradient(moved, summary, whole.norm);
  assert.ok(estimate > 0.5 && estimate < 2, `share from the summary is ${estimate}`);
});

Deno.test("compareGradient() refuses small faults of whole gradients and of summaries", () => {
  const { g, whole, summary } = madeUp(5000);
  const faults: Record<string, Float32Array> = {
    "1% too large": g.map((value) => 1.01 * value),
    "sign lost": g.map((value) => -value),
    "one element of 5000 missing": g.with(17, 0),
    "two elements exchanged": g.with(100, g[4000]).with(4000, g[100]),
    "rows transposed": g.map((_, i) => g[(i % 50) * 100 + Math.floor(i / 50)]),
    "a NaN": g.with(3, NaN),
    "an infinity": g.with(3, Infinity),
  };
  for (const [fault, faulty] of Object.entries(faults)) {
    for (const stored of [whole, summary]) {
      const share = compareGradient(faulty, stored, whole.norm);
      assert.ok(share > 1, `${fault}: share ${share}${stored.summary ? " from the summary" : ""}`);
    }
  }
});

Deno.test("compareGradient() allows a mathematically zero gradient 1e-6 of all", () => {
  const { whole } = madeUp(100);
  const zero = { ...whole, norm: 0, values: new Float32Array(100) };
  const noise = new Float32Array(100).fill(1e-8);
  assert.ok(Math.abs(compareGradient(noise, zero, 1) - 0.1) < 1e-6);
  assert.equal(compareGradient(zero.values, zero, 0), 0);
});

Deno.test("compareGradients() names the worst gradient and refuses a missing one", async () => {
  const golden = await loadGolden("bert_one_layer");
  const stored = [...golden.gradients.values()].map(({ name, values }) => ({ name, data: new Float32Array(values) }));
  stored[3].data[0] += 1;
  assert.equal(compareGradients(stored, golden).name, stored[3].name);
  assert.throws(() => compareGradients(stored.slice(1), golden), /no gradient of/);
});

for (const name of allGoldens) {
  Deno.test(`loadGolden() reads ${name}, whose figures agree with one another`, async () => {
    const golden = await loadGolden(name);
    const { battles, steps, losses, gradNorms, logits, hyper } = golden;
    // PyTorch sums the squares of MiniLM's 11.7 million word gradients in float32, which costs it 1e-5 of the norm.
    const stray = (norm: number) => Math.abs(golden.totalNorm / norm - 1);
    assert.ok(
      stray(gradNorms[0]) < 2e-5 && stray(golden.float64.gradNorms[0]) < 1e-6,
      "gradients do not fit gradNorms",
    );
    assert.equal(steps.length, losses.length);
    assert.equal(battles.length, logits.length);
    assert.ok(steps.some(({ microBatches }) => new Set(microBatches.map((micro) => micro.length)).size > 1));

    // The loss of the first step, from the stored logits: weights and smoothing are as this file says.
    let loss = 0;
    for (const micro of steps[0].microBatches) {
      const { targets, weights } = packGolden(golden, micro);
      micro.forEach((battle, i) => {
        const total = Math.log(logits[battle].reduce((sum, z) => sum + Math.exp(z), 0));
        logits[battle].forEach((z, column) => loss -= weights[i] * targets[3 * i + column] * (z - total));
      });
    }
    loss /= stepWeight(golden, 0);
    assert.ok(Math.abs(loss - losses[0]) < 1e-6, `loss from the logits is ${loss}, stored is ${losses[0]}`);

    // PyTorch's own float32 stays far below what we allow ourselves.
    const { float32Error } = golden;
    assert.ok(float32Error.gradientShare < 0.02 && float32Error.losses < 1e-5 && float32Error.logits < 1e-5);
    assert.ok(hyper.clip === 1 && gradNorms.some((norm) => norm > 1), "clipping takes part");
  });
}

Deno.test("packGolden() lays sequences end to end, two segments a battle when siamese, one when joint", async () => {
  const siamese = packGolden(await loadGolden("bert_long"), [0, 2]);
  assert.deepEqual([siamese.tokens, siamese.segments, siamese.battles], [149, 4, 2]);
  assert.deepEqual([...siamese.starts], [0, 130, 131, 140, 149]);
  assert.deepEqual([...siamese.sides], [0, 1, 2, 3]);
  assert.deepEqual([...siamese.positions.subarray(128, 134)], [128, 129, 0, 0, 1, 2]);
  const joint = packGolden(await loadGolden("bert_one_layer"), [1, 5]);
  assert.deepEqual([...joint.sides], [0, 0, 1, 1]);
  assert.deepEqual([...joint.battleIndex], [1, 5]);
  assert.ok(Math.abs(joint.targets[0] - (0.5 * 0.9 + 0.1 / 3)) < 1e-7);
});
