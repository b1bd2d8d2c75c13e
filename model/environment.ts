// Environment variables that say where models live; a variable that Deno may not read counts as absent, without a prompt.
import { join } from "node:path";

/** The value of a variable; undefined where it is absent, empty or not permitted. */
export type Environment = (name: string) => string | undefined;

export const processEnvironment: Environment = (name) => {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) || undefined : undefined;
};

/** Hugging Face's own folder: tokens, and the cache below it. */
function huggingFaceHome(env: Environment): string | undefined {
  const own = env("HF_HOME");
  if (own) return expandHome(own, env);
  const caches = cacheHome(env);
  return caches && join(caches, "huggingface");
}

/** The cache that Hugging Face's libraries share, in the order in which they look. */
export function hubCache(env: Environment): string | undefined {
  const named = env("HF_HUB_CACHE") ?? env("HUGGINGFACE_HUB_CACHE");
  if (named) return expandHome(named, env);
  const home = huggingFaceHome(env);
  return home && join(home, "hub");
}

/** The folder for models that come from elsewhere than the Hub. */
export function ownCache(env: Environment): string | undefined {
  const caches = cacheHome(env);
  return caches && join(caches, "tiebreak");
}

/** Whether the environment forbids the network, in the words of Hugging Face's libraries. */
export function isOffline(env: Environment): boolean {
  const value = env("HF_HUB_OFFLINE") ?? env("TRANSFORMERS_OFFLINE") ?? "";
  return ["1", "on", "yes", "true"].includes(value.toLowerCase());
}

/** The user's token: HF_TOKEN, else the file that `hf auth login` writes. */
export async function hubToken(env: Environment): Promise<string | undefined> {
  const given = env("HF_TOKEN")?.trim();
  if (given) return given;
  const home = huggingFaceHome(env), path = env("HF_TOKEN_PATH") ?? (home && join(home, "token"));
  if (!path) return undefined;
  try {
    return (await Deno.readTextFile(expandHome(path, env))).trim() || undefined;
  } catch {
    return undefined;
  }
}

function cacheHome(env: Environment): string | undefined {
  const named = env("XDG_CACHE_HOME"), home = env("HOME") ?? env("USERPROFILE");
  return named ? expandHome(named, env) : home && join(home, ".cache");
}

function expandHome(path: string, env: Environment): string {
  const home = env("HOME") ?? env("USERPROFILE");
  return home && /^~(?=$|[/\\])/.test(path) ? join(home, path.slice(1)) : path;
}
