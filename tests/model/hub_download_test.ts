// Transfers that break off, fall silent, lie or are killed: nothing is ever taken for whole that is not, and the next try
// goes on from what is there.
import assert from "node:assert/strict";
import { join } from "node:path";
import { InputError } from "../../errors.ts";
import { resolveModel } from "../../model/hub.ts";
import { HubError } from "../../model/hub_fetch.ts";
import { at, brokenResponse, cacheOf, fakeHub, fileResponse, files, id, utf8 } from "./fake_hub.ts";
import { inFolder, namesIn } from "./hand_made.ts";

for (const end of ["fail", "silence"] as const) {
  Deno.test(`resolveModel() goes on where a transfer broke off (${end})`, () =>
    inFolder({}, async (home) => {
      await using hub = fakeHub(id, files);
      let times = 0;
      hub.fault = (file, _request, bytes) =>
        file === "model.safetensors" && times++ === 0 ? brokenResponse(bytes, 70_000, end) : undefined;
      const folder = await resolveModel(id, at(home, hub));
      assert.deepEqual(await Deno.readFile(join(folder, "model.safetensors")), files["model.safetensors"]);
      assert.deepEqual(hub.seen.filter(({ server }) => server === "cdn").map(({ range }) => range), [
        null,
        "bytes=70000-",
      ]);
    }));
}

Deno.test("resolveModel() starts over where the server ignores ranges", () =>
  inFolder({}, async (home) => {
    await using hub = fakeHub(id, files);
    let times = 0;
    hub.fault = (file, _request, bytes) => {
      if (file !== "model.safetensors") return undefined;
      return times++ === 0 ? brokenResponse(bytes, 70_000, "fail") : new Response(bytes as Uint8Array<ArrayBuffer>);
    };
    const folder = await resolveModel(id, at(home, hub));
    assert.deepEqual(await Deno.readFile(join(folder, "model.safetensors")), files["model.safetensors"]);
  }));

/** Name, the fault of every answer, what the message must say. */
const faults: [string, (bytes: Uint8Array, request: Request) => Response, RegExp][] = [
  [
    "breaks off each time",
    (bytes) => brokenResponse(bytes, 10, "fail"),
    /the transfer of model\.safetensors broke off/,
  ],
  ["falls silent each time", (bytes) => brokenResponse(bytes, 10, "silence"), /did not answer within 0\.5 s/],
  [
    "is shorter than listed",
    (bytes) => new Response(bytes.slice(0, -1)),
    /ended after 200070 of 200071 bytes/,
  ],
  ["is longer than listed", (bytes) => new Response(new Uint8Array(bytes.length + 1)), /is longer than the \d+ bytes/],
  [
    "has one wrong byte",
    (bytes) => new Response(bytes.map((byte, i) => i === 777 ? byte ^ 1 : byte)),
    /model\.safetensors has hash [0-9a-f]{64}, must be/,
  ],
  ["is refused", () => new Response("no", { status: 403 }), /answers 403 for model\.safetensors: set HF_TOKEN/],
  ["meets a broken server", () => new Response("no", { status: 503 }), /answers 503 for model\.safetensors/],
];
for (const [fault, answer, says] of faults) {
  Deno.test(`resolveModel() never takes a file for whole that ${fault}`, () =>
    inFolder({}, async (home) => {
      await using hub = fakeHub(id, files);
      hub.fault = (file, request, bytes) => file === "model.safetensors" ? answer(bytes, request) : undefined;
      await assert.rejects(resolveModel(id, at(home, hub)), (error: Error) => {
        assert.match(error.message, /^Cannot fetch org\/tiny-bert: /);
        assert.match(error.message, says);
        return true;
      });
      assert.deepEqual(namesIn(cacheOf(home)), ["blobs"], "no snapshot, no ref");
      await assert.rejects(resolveModel(id, { ...at(home, hub), offline: true }), InputError);
      // Once the server is well again, what was left behind does no harm.
      hub.fault = undefined;
      const folder = await resolveModel(id, at(home, hub));
      assert.deepEqual(await Deno.readFile(join(folder, "model.safetensors")), files["model.safetensors"]);
    }));
}

Deno.test("resolveModel() starts over when the bytes of an earlier try were wrong", () =>
  inFolder({}, async (home) => {
    await using hub = fakeHub(id, files);
    hub.fault = (file, _request, bytes) =>
      file === "model.safetensors" ? brokenResponse(bytes, 999, "fail") : undefined;
    await assert.rejects(resolveModel(id, at(home, hub)), HubError);
    const blobs = join(cacheOf(home), "blobs"), partial = namesIn(blobs).find((name) => name.endsWith(".partial"))!;
    await Deno.writeFile(join(blobs, partial), new Uint8Array(5000));
    hub.fault = undefined;
    const folder = await resolveModel(id, at(home, hub));
    assert.deepEqual(await Deno.readFile(join(folder, "model.safetensors")), files["model.safetensors"]);
  }));

Deno.test("resolveModel() checks a small file against its git hash", () =>
  inFolder({}, async (home) => {
    await using hub = fakeHub(id, files);
    hub.fault = (file) => file === "tokenizer.json" ? new Response("[]") : undefined;
    await assert.rejects(resolveModel(id, at(home, hub)), /tokenizer\.json has hash [0-9a-f]{40}, must be/);
  }));

Deno.test("resolveModel() refuses a blob in the cache whose bytes are others", () =>
  inFolder({}, async (home) => {
    await using hub = fakeHub(id, files);
    const folder = await resolveModel(id, at(home, hub));
    await Deno.writeTextFile(join(folder, "model.safetensors"), "overwritten");
    await Deno.remove(join(cacheOf(home), "refs"), { recursive: true });
    await assert.rejects(
      resolveModel(id, at(home, hub)),
      /its bytes are not those of model\.safetensors on the Hub: delete it/,
    );
  }));

Deno.test("resolveModel() goes on after a download that was killed", () =>
  inFolder({}, async (home) => {
    await using hub = fakeHub(id, files);
    let arrived = () => {};
    const half = new Promise<void>((resolve) => arrived = resolve);
    hub.fault = (file, _request, bytes) => {
      if (file !== "model.safetensors") return undefined;
      setTimeout(arrived, 300);
      return brokenResponse(bytes, 100_000, "silence");
    };
    const code = `import { resolveModel } from ${
      JSON.stringify(import.meta.resolve("../../model/hub.ts"))
    }; await resolveModel("${id}");`;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-prompt",
        "--allow-read",
        "--allow-write",
        "--allow-net",
        "--allow-env=HOME,HF_*",
        "--config",
        configPath,
        "-",
      ],
      env: { HOME: home, HF_ENDPOINT: hub.url, HF_HOME: "", HF_TOKEN: "", XDG_CACHE_HOME: "", DENO_DIR: denoDir() },
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(utf8(code));
    await writer.close();
    await half;
    child.kill("SIGKILL");
    await child.status;
    assert.deepEqual(namesIn(cacheOf(home)), ["blobs"], "no snapshot, no ref");
    hub.fault = undefined, hub.seen.length = 0;
    const folder = await resolveModel(id, at(home, hub));
    assert.deepEqual(await Deno.readFile(join(folder, "model.safetensors")), files["model.safetensors"]);
    assert.deepEqual(hub.seen.filter(({ server }) => server === "cdn").map(({ range }) => range), ["bytes=100000-"]);
  }));

const configPath = new URL("../../deno.json", import.meta.url).pathname;

/** The child's HOME is another, its module cache is ours. */
function denoDir(): string {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

Deno.test("resolveModel() lets two runs fetch one model at the same time", () =>
  inFolder({}, async (home) => {
    await using hub = fakeHub(id, files);
    hub.fault = async (_file, request, bytes) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return fileResponse(bytes, request);
    };
    const [a, b] = await Promise.all([resolveModel(id, at(home, hub)), resolveModel(id, at(home, hub))]);
    assert.equal(a, b);
    assert.deepEqual(await Deno.readFile(join(a, "model.safetensors")), files["model.safetensors"]);
    assert.deepEqual(hub.downloads().filter((name) => name === "model.safetensors").length, 1);
  }));
