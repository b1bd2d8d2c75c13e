// Models from folders, caches and a hub on this machine: where they are looked for, and what each failure says.
import assert from "node:assert/strict";
import { join } from "node:path";
import { InputError, UsageError } from "../../errors.ts";
import { isModelId } from "../../model/hub_cache.ts";
import { HubError } from "../../model/hub_fetch.ts";
import { type DownloadProgress, resolveConfig, resolveModel } from "../../model/hub.ts";
import { openWeights } from "../../model/weights.ts";
import { root } from "../imports.ts";
import { at, cacheOf, commit, fakeHub, files, id, small, utf8 } from "./fake_hub.ts";
import { inFolder, namesIn, safetensorsBytes } from "./hand_made.ts";

const shardNames = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
const shard = (name: string) => safetensorsBytes({ [name]: { dtype: "F32", shape: [1], data_offsets: [0, 4] } }, 4);
const shardedFiles = {
  ...small,
  "model.safetensors.index.json": utf8(JSON.stringify({ weight_map: { a: shardNames[0], b: shardNames[1] } })),
  [shardNames[0]]: shard("a"),
  [shardNames[1]]: shard("b"),
};

Deno.test("resolveModel() gives a whole folder back and names what a broken one lacks", () =>
  inFolder(files, async (folder) => {
    assert.equal(await resolveModel(folder), folder);
    await Deno.remove(join(folder, "tokenizer.json"));
    // vocab.txt alone is a tokenizer too.
    assert.equal(await resolveModel(folder), folder);
    await Deno.remove(join(folder, "vocab.txt"));
    await assert.rejects(resolveModel(folder), (error: Error) => {
      assert(error instanceof InputError);
      assert.match(error.message, /^Cannot load the model in .*: tokenizer\.json is missing/);
      return true;
    });
    await Deno.remove(join(folder, "model.safetensors"));
    await assert.rejects(resolveModel(folder), /: tokenizer\.json is missing/, "pytorch_model.bin is there");
    await Deno.remove(join(folder, "pytorch_model.bin"));
    await assert.rejects(resolveModel(folder), /tokenizer\.json and model\.safetensors are missing/);
    await assert.rejects(resolveModel(join(folder, "config.json")), /it is a file: name the folder/);
  }));

for (
  const name of [
    "../no/such/folder",
    "/no/such/folder",
    "a/b/c",
    "none/..x",
    "org/-x",
    "a--b/c",
    "a b",
    "org/",
    "~/x",
    "a\\b",
    "",
  ]
) {
  Deno.test(`resolveModel() takes ${JSON.stringify(name)} for no id of the Hub`, () =>
    inFolder({}, async (home) => {
      assert.equal(isModelId(name), false);
      await assert.rejects(
        resolveModel(name, at(home, "http://127.0.0.1:1")),
        /there is no such folder: name a folder or a Hub id/,
      );
      assert.deepEqual(namesIn(home), []);
    }));
}

for (const revision of ["../x", "a/../b", "/x", "", "a b", ".hidden"]) {
  Deno.test(`resolveModel() refuses the revision ${JSON.stringify(revision)}`, () =>
    inFolder(
      {},
      (home) => assert.rejects(resolveModel(id, { ...at(home, "http://127.0.0.1:1"), revision }), UsageError),
    ));
}

Deno.test("resolveConfig() fetches config.json and nothing else, and takes it from a folder or the cache where it is there", () =>
  inFolder({}, async (home) => {
    await using hub = fakeHub(id, files);
    const { text, path } = await resolveConfig(id, at(home, hub.url));
    assert.deepEqual([utf8(text), path], [files["config.json"], join(id, "config.json")]);
    assert.deepEqual(hub.downloads(), ["config.json"]);
    await assert.rejects(
      resolveConfig(id, { ...at(home, hub.url), offline: true }),
      /without network: it is not in the/,
    );
    await assert.rejects(resolveConfig("no/such", at(home, hub.url)), (error: Error) => {
      assert(error instanceof InputError);
      assert.match(error.message, /^Cannot fetch config\.json of no\/such: .* answers 401 .*: name a folder/);
      return true;
    });
    const folder = await resolveModel(id, at(home, hub.url));
    assert.equal((await resolveConfig(id, { ...at(home, "http://127.0.0.1:1"), offline: true })).text, text);
    assert.equal((await resolveConfig(folder)).path, join(folder, "config.json"));
    await assert.rejects(resolveConfig(join(folder, "none")), /there is no such file: name a folder/);
  }));

Deno.test("resolveModel() fetches only the files needed, verified, into the shared cache, and then needs no network", () =>
  inFolder({}, async (home) => {
    const progress: DownloadProgress[] = [];
    let folder: string;
    {
      await using hub = fakeHub(id, files);
      folder = await resolveModel(id, { ...at(home, hub), onProgress: (now) => progress.push({ ...now }) });
      assert.deepEqual(hub.downloads().sort(), ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt"]);
    }
    const cache = cacheOf(home);
    assert.equal(folder, join(cache, "snapshots", commit));
    assert.deepEqual(namesIn(folder), ["config.json", "model.safetensors", "tokenizer.json", "vocab.txt"]);
    assert.deepEqual(await Deno.readFile(join(folder, "model.safetensors")), files["model.safetensors"]);
    assert.match(await Deno.readLink(join(folder, "model.safetensors")), /^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
    assert.match(await Deno.readLink(join(folder, "config.json")), /^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
    assert.equal(await Deno.readTextFile(join(cache, "refs", "main")), commit);
    assert(namesIn(join(cache, "blobs")).every((name) => !name.endsWith(".partial")));
    const total = ["config.json", "tokenizer.json", "vocab.txt", "model.safetensors"]
      .reduce((sum, name) => sum + files[name as keyof typeof files].length, 0);
    assert.deepEqual({ bytes: progress.at(-1)!.bytes, total: progress.at(-1)!.total }, { bytes: total, total });
    assert(progress.every((now, i) => i === 0 || now.bytes >= progress[i - 1].bytes), "never backwards");
    assert.equal(await resolveModel(id, { ...at(home, "http://127.0.0.1:1"), offline: true }), folder);
    assert.equal(await resolveModel(id, at(home, "http://127.0.0.1:1", { HF_HUB_OFFLINE: "1" })), folder);
    assert.equal(await resolveModel(id, { ...at(home, "http://127.0.0.1:1"), revision: commit }), folder);
  }));

Deno.test("resolveModel() fetches all shards that the index names, and openWeights() reads them through the cache's links", () =>
  inFolder({}, async (home) => {
    await using hub = fakeHub(id, shardedFiles);
    const weights = await openWeights(await resolveModel(id, at(home, hub)));
    assert.deepEqual(weights.names(), ["a", "b"]);
    assert.deepEqual(await weights.readF32("b"), new Float32Array(1));
    weights.close();
  }));

for (const name of ["pytorch_model.bin", "pytorch_model.bin.index.json"]) {
  Deno.test(`resolveModel() fetches ${name} where the Hub has no safetensors`, () =>
    inFolder({}, async (home) => {
      const shards = [1, 2].map((n) => `pytorch_model-0000${n}-of-00002.bin`);
      const names = name.endsWith(".json") ? [name, ...shards] : [name];
      const goldens = join(root, "tests/goldens/torch_file");
      const weightFiles = Object.fromEntries(names.map((file) => [file, Deno.readFileSync(join(goldens, file))]));
      await using hub = fakeHub(id, { ...small, ...weightFiles });
      const folder = await resolveModel(id, at(home, hub));
      assert.deepEqual(namesIn(folder), [...Object.keys(small), ...names].sort());
      const weights = await openWeights(folder);
      assert.deepEqual(await weights.readF32("scalar"), new Float32Array([2.5]));
      weights.close();
    }));
}

Deno.test("resolveModel() refuses an index on the Hub that leads out of its folder, and writes nothing there", () =>
  inFolder({}, async (home) => {
    const evil = {
      ...shardedFiles,
      "model.safetensors.index.json": utf8('{"weight_map":{"a":"../../../../x.safetensors"}}'),
    };
    await using hub = fakeHub(id, evil);
    await assert.rejects(resolveModel(id, at(home, hub)), /its file is "\.\.\/.*must be the plain name/);
    assert.deepEqual(namesIn(join(cacheOf(home))), ["blobs"]);
  }));

Deno.test("resolveModel() looks in HF_HUB_CACHE, HF_HOME and XDG_CACHE_HOME, in this order", () =>
  inFolder({}, async (home) => {
    await using hub = fakeHub(id, files);
    const all = { HF_HUB_CACHE: join(home, "1"), HF_HOME: join(home, "2"), XDG_CACHE_HOME: join(home, "3") };
    assert((await resolveModel(id, at(home, hub, all))).startsWith(join(home, "1", "models--")));
    const two = { HF_HOME: "~/2", XDG_CACHE_HOME: join(home, "3") };
    assert((await resolveModel(id, at(home, hub, two))).startsWith(join(home, "2", "hub", "models--")));
    assert(
      (await resolveModel(id, at(home, hub, { XDG_CACHE_HOME: join(home, "3") }))).startsWith(
        join(home, "3", "huggingface", "hub"),
      ),
    );
    await assert.rejects(resolveModel(id, { env: () => undefined }), /neither HOME nor HF_HOME is set/);
  }));

Deno.test("resolveModel() sends the token to the Hub's own origin and to no other, also not to another port", () =>
  inFolder({}, async (home) => {
    await using hub = fakeHub(id, files);
    await resolveModel(id, at(home, hub, { HF_TOKEN: "hf_secret" }));
    assert(hub.seen.some(({ server }) => server === "cdn"));
    for (const { server, authorization } of hub.seen) {
      assert.equal(authorization, server === "hub" ? "Bearer hf_secret" : null);
    }
  }));

Deno.test("resolveModel() takes the token from the file of a login, and sends none where there is none", () =>
  inFolder({}, async (home) => {
    await Deno.mkdir(join(home, "hf"));
    await Deno.writeTextFile(join(home, "hf", "token"), "hf_from_file\n");
    await using hub = fakeHub(id, files);
    await resolveModel(id, at(home, hub, { HF_HOME: join(home, "hf") }));
    assert.equal(hub.seen[0].authorization, "Bearer hf_from_file");
    hub.seen.length = 0;
    await resolveModel(id, at(home, hub));
    assert(hub.seen.every(({ authorization }) => authorization === null));
  }));

Deno.test("resolveModel() follows no redirect to a file or in circles", () =>
  inFolder({ secret: "x" }, async (home) => {
    await using hub = fakeHub(id, files);
    hub.apiFault = () => new Response(null, { status: 302, headers: { location: `file://${home}/secret` } });
    await assert.rejects(resolveModel(id, at(home, hub)), /redirects to file:/);
    hub.apiFault = (request) => Response.redirect(request.url, 302);
    await assert.rejects(resolveModel(id, at(home, hub)), /redirects more than 10 times/);
  }));

Deno.test("resolveModel() says what the Hub answered: unknown model, missing file, unsupported model, no sound listing", () =>
  inFolder({}, async (home) => {
    await using hub = fakeHub(id, { ...files, "config.json": utf8('{"model_type":"t5"}') });
    await assert.rejects(resolveModel("org/other", at(home, hub)), (error: Error) => {
      assert(error instanceof InputError, "a wrong name is wrong usage");
      assert.match(error.message, /answers 401 for org\/other at main: check the name, or set HF_TOKEN/);
      return true;
    });
    await assert.rejects(
      resolveModel(id, at(home, hub)),
      /org\/tiny-bert\/config\.json: model_type is "t5", must be one of bert/,
    );
    assert.equal(hub.downloads().includes("model.safetensors"), false, "refused before its weights are fetched");
    const weights = ["model.safetensors", "pytorch_model.bin"];
    hub.listing = (entries) => entries.filter(({ path }) => !weights.includes(path as string));
    await assert.rejects(
      resolveModel(id, at(home, hub)),
      /model\.safetensors is not on the Hub: use a model that is published as safetensors or pytorch_model\.bin/,
    );
    hub.listing = (entries) => entries.map((entry) => ({ ...entry, oid: "../../x", lfs: undefined }));
    await assert.rejects(resolveModel(id, at(home, hub)), /config\.json is not on the Hub/);
    hub.listing = () => ({ error: "?" });
    await assert.rejects(resolveModel(id, at(home, hub)), /gives no sound answer/);
    hub.apiFault = () => new Response("<html>Log in to this network</html>");
    await assert.rejects(resolveModel(id, at(home, hub)), /gives no sound answer/);
    hub.apiFault = () => Response.json({ sha: "../../../x" });
    await assert.rejects(resolveModel(id, at(home, hub)), /names no commit/);
  }));

Deno.test("resolveModel() gives up soon on a hub that is not there or does not answer, in one line", () =>
  inFolder({}, async (home) => {
    const oneLine = (says: RegExp) => (error: Error) => {
      assert(error instanceof HubError);
      assert.match(error.message, says);
      assert(!error.message.includes("\n"));
      return true;
    };
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    listener.close();
    await assert.rejects(
      resolveModel(id, at(home, `http://127.0.0.1:${listener.addr.port}`)),
      oneLine(/127\.0\.0\.1:\d+ cannot be reached \(.*refused.*check the network/),
    );
    await using hub = fakeHub(id, files);
    let release = () => {};
    const silence = new Promise<void>((resolve) => release = resolve);
    hub.apiFault = async () => (await silence, Response.json({}));
    const start = performance.now();
    await assert.rejects(resolveModel(id, at(home, hub)), oneLine(/did not answer within 0\.5 s/));
    assert(performance.now() - start < 5000);
    release();
    await assert.rejects(resolveModel(id, at(home, "ftp://x")), /Cannot use HF_ENDPOINT "ftp:\/\/x"/);
  }));

Deno.test("resolveModel() with --offline or HF_HUB_OFFLINE asks nobody and says what is not there", () =>
  inFolder({}, async (home) => {
    await using hub = fakeHub(id, files);
    await assert.rejects(
      resolveModel(id, { ...at(home, hub), offline: true }),
      /^InputError: Cannot load org\/tiny-bert with --offline: there is no such folder, none in the cache/,
    );
    await assert.rejects(resolveModel(id, at(home, hub, { HF_HUB_OFFLINE: "True" })), /with HF_HUB_OFFLINE/);
    const snapshot = join(cacheOf(home), "snapshots", commit);
    await Deno.mkdir(join(cacheOf(home), "refs"), { recursive: true });
    await Deno.mkdir(snapshot, { recursive: true });
    await Deno.writeTextFile(join(cacheOf(home), "refs", "main"), commit);
    await Deno.writeTextFile(join(snapshot, "config.json"), "{}");
    await assert.rejects(
      resolveModel(id, { ...at(home, hub), offline: true }),
      /lacks tokenizer\.json, model\.safetensors/,
    );
    await Deno.writeTextFile(join(cacheOf(home), "refs", "main"), "../../../..");
    await assert.rejects(
      resolveModel(id, { ...at(home, hub), offline: true }),
      /refs\/main: it holds no commit: delete it/,
    );
    assert.equal(hub.seen.length, 0);
  }));
