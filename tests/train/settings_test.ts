// Flags and settings: what is refused, and the defaults that depend on the model.
import assert from "node:assert/strict";
import { UsageError } from "../../errors.ts";
import { flagName, parseFlag, type Values } from "../../train/flags.ts";
import { checkIgnored } from "../../train/ignored_flags.ts";
import { dropoutRates, resolveSettings } from "../../train/settings.ts";
import { trainFlags } from "../../train/train_flags.ts";

const sampleDefaults = Object.fromEntries(
  Object.entries(trainFlags).map(([field, flag]) => [field, flag.default]),
) as Values<typeof trainFlags>;
const defaults = { ...sampleDefaults, data: "train.csv" };
const bert = { max_position_embeddings: 512 };
const read = (field: keyof typeof trainFlags, typed: string) => parseFlag(field, trainFlags[field], typed);

Deno.test("flagName() is the field in kebab case", () => {
  assert.equal(flagName("batchTokens"), "batch-tokens");
});

Deno.test("parseFlag() reads numbers as people write them", () => {
  assert.equal(read("lr", "5e-5"), 5e-5);
  assert.equal(read("lr", ".5"), 0.5);
  assert.equal(read("steps", "0"), 0);
  assert.equal(read("schedule", "cosine"), "cosine");
});

Deno.test("parseFlag() refuses what is not a number, not whole, out of range or no choice, and says what must be", () => {
  const refused: [keyof typeof trainFlags, string, string][] = [
    ["lr", "0x10", 'Cannot read --lr "0x10": must be a number from 0 to 10'],
    ["lr", "", 'Cannot read --lr "": must be a number from 0 to 10'],
    ["lr", "NaN", 'Cannot read --lr "NaN": must be a number from 0 to 10'],
    ["lr", "Infinity", 'Cannot read --lr "Infinity": must be a number from 0 to 10'],
    ["steps", "1.5", 'Cannot read --steps "1.5": must be a whole number, 0 or more'],
    ["batch", "0", 'Cannot read --batch "0": must be a whole number from 1 to 65536'],
    ["schedule", "cos", 'Cannot read --schedule "cos": must be linear, cosine or constant'],
    ["data", "", 'Cannot read --data "": must be non-empty'],
  ];
  for (const [field, typed, message] of refused) {
    assert.throws(() => read(field, typed), new UsageError(message));
  }
});

Deno.test("resolveSettings() fills in what depends on the model and the method", () => {
  const settings = resolveSettings(defaults, bert, "siamese");
  assert.deepEqual(
    [settings.pairing, settings.swapAugment, settings.maxTokens, settings.lr],
    ["siamese", false, 512, 5e-5],
  );
  const joint = resolveSettings({ ...defaults, pairing: "joint", method: "head" }, {
    max_position_embeddings: 128,
  }, "siamese");
  assert.deepEqual([joint.swapAugment, joint.maxTokens, joint.lr], [true, 128, 1e-3]);
});

Deno.test("resolveSettings() pairs as the architecture does where nobody says", () => {
  assert.equal(resolveSettings(defaults, bert, "joint").pairing, "joint");
  assert.equal(resolveSettings({ ...defaults, pairing: "siamese" }, bert, "joint").pairing, "siamese");
});

Deno.test("resolveSettings() trains a run on as it was trained: its pairing, head and length, unless flags say otherwise", () => {
  const of = (tiebreak: object, flags: Partial<typeof defaults> = {}) => {
    const { pairing, head, maxTokens } = resolveSettings({ ...defaults, ...flags }, { ...bert, tiebreak }, "siamese");
    return [pairing, head, maxTokens];
  };
  assert.deepEqual(of({ pairing: "siamese", head: "concat", max_tokens: 128 }), ["siamese", "concat", 128]);
  assert.deepEqual(of({ pairing: "joint", max_tokens: 128 }), ["joint", "swap", 128]);
  assert.deepEqual(of({ pairing: "joint", max_tokens: 128 }, { pairing: "siamese", maxTokens: 64 }), [
    "siamese",
    "swap",
    64,
  ]);
  const run = { pairing: "siamese", head: "concat", max_tokens: 128 };
  assert.throws(() => of(run, { head: "swap" }), /--head swap: the run in --model has the head concat: leave it out$/);
  assert.throws(
    () => of(run, { features: "length" }),
    /the head of the run in --model knows no numbers: name its base$/,
  );
});

Deno.test("resolveSettings() refuses more tokens than positions, and a budget below one battle", () => {
  assert.throws(() => resolveSettings({ ...defaults, maxTokens: 513 }, bert, "siamese"), UsageError);
  assert.throws(() => resolveSettings({ ...defaults, batchTokens: 199, maxTokens: 100 }, bert, "siamese"), UsageError);
  assert.equal(resolveSettings({ ...defaults, batchTokens: 200, maxTokens: 100 }, bert, "siamese").batchTokens, 200);
  assert.equal(resolveSettings({ ...defaults, pairing: "joint", batchTokens: 512 }, bert, "siamese").maxTokens, 512);
});

Deno.test("resolveSettings() takes a recipe of its own for the built-in sample, and the user's words before it", () => {
  const length = (flags: Partial<typeof defaults>) => {
    const settings = resolveSettings({ ...sampleDefaults, ...flags }, bert, "siamese");
    return [settings.lr, settings.epochs];
  };
  assert.deepEqual(length({}), [3e-4, 1]);
  assert.deepEqual(length({ data: "train.csv" }), [5e-5, 2]);
  assert.deepEqual(length({ method: "head" }), [1e-3, 5]);
  assert.deepEqual(length({ method: "head", poolOnce: false }), [1e-3, 2]);
  assert.deepEqual(length({ lr: 1e-5, epochs: 3 }), [1e-5, 3]);
});

Deno.test("checkIgnored() refuses a flag that would change nothing, and takes the same flag where it does", () => {
  const check = (flags: Partial<typeof defaults>, isFolder = false) =>
    checkIgnored(new Set(Object.keys(flags)), resolveSettings({ ...defaults, ...flags }, bert, "siamese"), isFolder);
  const refused: [Partial<typeof defaults>, Partial<typeof defaults>, string][] = [
    [{ validFraction: 0.2, valid: "v.csv" }, { validFraction: 0.2 }, "--valid-fraction with --valid"],
    [{ validFraction: 0.2, data: undefined }, { data: undefined }, "--valid-fraction on the built-in sample"],
    [{ extraWeight: 2 }, { extraWeight: 2, extraData: "e.csv" }, "--extra-weight without --extra-data"],
    [{ head: "concat", pairing: "joint" }, { head: "concat" }, "--head with joint pairs"],
    [{ poolOnce: false }, { poolOnce: false, method: "head" }, "--pool-once with --method full"],
    [{ dropout: 0.1, method: "head" }, { dropout: 0, method: "head" }, "--dropout with a backbone that runs once"],
    [{ patience: 2, validFraction: 0 }, { patience: 2 }, "--patience with --valid-fraction 0"],
    [
      { validateEvery: 2, validFraction: 0 },
      { validateEvery: 2 },
      "--validate-every",
    ],
  ];
  for (const [wrong, right, message] of refused) {
    assert.throws(() => check(wrong), {
      name: "UsageError",
      message: new RegExp(`^Cannot use ${message}.*: leave it out$`),
    });
    assert.doesNotThrow(() => check(right), message);
  }
  assert.throws(() => check({ revision: "v1" }, true), /^UsageError: Cannot use --revision with a folder as --model: /);
  assert.doesNotThrow(() => check({ revision: "v1" }));
});

Deno.test("dropoutRates() are config.json's, or one for all", () => {
  const own = { hidden: 0.1, attention: 0.2, classifier: 0.3 };
  assert.deepEqual(dropoutRates({}, own), own);
  assert.deepEqual(dropoutRates({ dropout: 0 }, own), { hidden: 0, attention: 0, classifier: 0 });
  assert.equal(dropoutRates({ dropout: 0.2 }, { ...own, pooler: 0 }).pooler, 0.2);
});
