// A hub on 127.0.0.1 that answers as the real one does: commit, listing with hashes, and files, the large ones through a
// redirect to a second server that stands for the content network. Both note what they were asked; faults can be set.
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { ResolveOptions } from "../../model/hub.ts";
import { safetensorsBytes } from "./hand_made.ts";

export const commit = "0123456789abcdef0123456789abcdef01234567";

export interface Seen {
  server: "hub" | "cdn";
  path: string;
  authorization: string | null;
  range: string | null;
}

export interface FakeHub {
  url: string;
  seen: Seen[];
  /** Files that were asked for, in order. */
  downloads(): string[];
  /** Answers a file's request in place of the honest one; return undefined for the honest one. */
  fault?: (file: string, request: Request, honest: Uint8Array) => Response | undefined | Promise<Response | undefined>;
  /** Answers an API request in place of the honest one. */
  apiFault?: (request: Request) => Response | Promise<Response>;
  /** Changes the listing. */
  listing?: (entries: Record<string, unknown>[]) => unknown;
  [Symbol.asyncDispose](): Promise<void>;
}

const isLarge = (name: string) => name.endsWith(".safetensors");

/** Serves `files` as the model `id`. */
export function fakeHub(id: string, files: Record<string, Uint8Array>): FakeHub {
  const seen: Seen[] = [];
  const note = (server: "hub" | "cdn", request: Request) =>
    seen.push({
      server,
      path: decodeURIComponent(new URL(request.url).pathname),
      authorization: request.headers.get("authorization"),
      range: request.headers.get("range"),
    });
  const quiet = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const cdn = Deno.serve(quiet, async (request) => {
    note("cdn", request);
    const name = new URL(request.url).pathname.slice(1);
    return await hub.fault?.(name, request, files[name]) ?? fileResponse(files[name], request);
  });
  const main = Deno.serve(quiet, async (request) => {
    note("hub", request);
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/api/")) {
      if (hub.apiFault) return await hub.apiFault(request);
      if (pathname === `/api/models/${id}/revision/main`) return Response.json({ _id: "1", id, sha: commit });
      if (pathname === `/api/models/${id}/tree/${commit}`) {
        return Response.json(hub.listing ? hub.listing(entries(files)) : entries(files));
      }
      return Response.json({ error: "Repository not found" }, { status: 401 });
    }
    const name = pathname.replace(`/${id}/resolve/${commit}/`, "");
    if (!files[name]) {
      return new Response("Entry not found", { status: 404, headers: { "X-Error-Code": "EntryNotFound" } });
    }
    if (isLarge(name)) return Response.redirect(`http://127.0.0.1:${cdn.addr.port}/${name}?signed=1`, 302);
    return await hub.fault?.(name, request, files[name]) ?? fileResponse(files[name], request);
  });
  const hub: FakeHub = {
    url: `http://127.0.0.1:${main.addr.port}`,
    seen,
    downloads: () =>
      seen.filter(({ server, path }) => server === "cdn" || (path.includes("/resolve/") && !isLarge(path)))
        .map(({ path }) => path.split("/").at(-1)!),
    async [Symbol.asyncDispose]() {
      await Promise.all([main.shutdown(), cdn.shutdown()]);
    },
  };
  return hub;
}

/** The whole file, or the tail that a Range header asks for. */
export function fileResponse(bytes: Uint8Array, request: Request): Response {
  const start = request.headers.get("range")?.match(/^bytes=(\d+)-$/)?.[1];
  if (start === undefined) return new Response(bytes as Uint8Array<ArrayBuffer>);
  const headers = { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
  return new Response(bytes.slice(Number(start)), { status: 206, headers });
}

/** A body that breaks off: announces all of `bytes`, sends `count`, then fails or falls silent. */
export function brokenResponse(bytes: Uint8Array, count: number, end: "fail" | "silence"): Response {
  const body = new ReadableStream({
    async start(controller) {
      controller.enqueue(bytes.slice(0, count));
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (end === "fail") controller.close();
    },
  });
  return new Response(body, { headers: { "content-length": String(bytes.length) } });
}

function entries(files: Record<string, Uint8Array>): Record<string, unknown>[] {
  return Object.entries(files).map(([path, bytes]) => {
    const git = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
    const oid = createHash("sha256").update(bytes).digest("hex");
    const common = { type: "file", path, size: bytes.length };
    return isLarge(path)
      ? { ...common, oid: "0".repeat(40), lfs: { oid, size: bytes.length, pointerSize: 134 } }
      : { ...common, oid: git };
  });
}

/** The tiny model most tests fetch. */
export const id = "org/tiny-bert";
export const utf8 = (text: string) => new TextEncoder().encode(text);
const weightsHeader = { w: { dtype: "F32", shape: [50_000], data_offsets: [0, 200_000] } };
/** Its small files. */
export const small = {
  "config.json": utf8('{"model_type":"bert"}'),
  "tokenizer.json": utf8("{}"),
  "vocab.txt": utf8("a\n"),
};
/** All that its repository holds. */
export const files = {
  ...small,
  "README.md": utf8("not needed"),
  "pytorch_model.bin": utf8("not needed"),
  "model.safetensors": safetensorsBytes(weightsHeader, Uint8Array.from({ length: 200_000 }, (_, i) => i % 251)),
};

/** Options whose environment is this home and hub alone. */
export function at(home: string, hub: FakeHub | string, more: Record<string, string> = {}): ResolveOptions {
  const variables: Record<string, string> = {
    HOME: home,
    HF_ENDPOINT: typeof hub === "string" ? hub : `${hub.url}/`,
    ...more,
  };
  return { env: (name) => variables[name], answerMs: 500, stallMs: 500, retryMs: 1 };
}

/** The tiny model's folder in the shared cache of `home`. */
export const cacheOf = (home: string) => join(home, ".cache", "huggingface", "hub", "models--org--tiny-bert");
