// fetch for a model hub: the token goes to the endpoint's own origin only, whatever it redirects to, and silence is an error.

/** The Hub, or the way to it, failed; nothing that the user typed is wrong. */
export class HubError extends Error {
  override name = "HubError";
  readonly exitCode = 1;
}

/** The Hub was reached and does not give this model to this user: asking again is of no use. */
export class ModelRefusedError extends HubError {
  override name = "ModelRefusedError";
}

export interface HubFetchOptions {
  /** Origin of the Hub; the only one that is sent the token. */
  endpoint: string;
  token?: string;
  /** Longest wait for an answer to begin, per request. */
  answerMs: number;
}

const maxRedirects = 10;

/**
 * A fetch whose redirects are followed here: the platform's own would have to be trusted with the token, also where a
 * redirect changes only the port or the scheme.
 */
export function hubFetch({ endpoint, token, answerMs }: HubFetchOptions): typeof fetch {
  const home = new URL(endpoint);
  return async (input, init) => {
    let url = new URL(input instanceof Request ? input.url : input);
    for (let hops = 0; hops <= maxRedirects; hops++) {
      if (url.protocol !== "https:" && url.protocol !== home.protocol) {
        throw new HubError(`${home.origin} redirects to ${url.protocol}//${url.host}, which is not encrypted`);
      }
      const headers = new Headers(init?.headers);
      headers.delete("authorization");
      if (token && url.origin === home.origin) headers.set("authorization", `Bearer ${token}`);
      const response = await answerOf(url, { ...init, headers, redirect: "manual" }, answerMs);
      const location = response.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return response;
      await response.body?.cancel();
      url = new URL(location, url);
    }
    throw new HubError(`${home.origin} redirects more than ${maxRedirects} times`);
  };
}

/** For the library's API calls: the whole answer is awaited, and must come within the time for one answer. */
export function hubApiFetch(options: HubFetchOptions): typeof fetch {
  const follow = hubFetch(options);
  return async (input, init) => {
    const abort = new AbortController();
    try {
      const response = await follow(input, { ...init, signal: abort.signal });
      const bytes = await within(options.answerMs, response.arrayBuffer(), () => new URL(options.endpoint).host);
      return new Response(bytes, { status: response.status, headers: response.headers });
    } catch (error) {
      abort.abort();
      throw error;
    }
  };
}

async function answerOf(url: URL, init: RequestInit, answerMs: number): Promise<Response> {
  const abort = new AbortController();
  try {
    const signal = init.signal ? AbortSignal.any([abort.signal, init.signal]) : abort.signal;
    return await within(answerMs, fetch(url, { ...init, signal }), () => url.host);
  } catch (error) {
    abort.abort();
    if (error instanceof HubError) throw error;
    throw new HubError(`${url.host} cannot be reached (${reasonOf(error)})`);
  }
}

/** The promise's value, or a HubError after `ms`. */
export async function within<T>(ms: number, promise: Promise<T>, host: () => string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new HubError(`${host()} did not answer within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** The innermost cause in one line: Deno hides "connection refused" two levels down. */
export function reasonOf(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  const text = inner instanceof Error ? inner.message : String(inner);
  return text.split("\n")[0].replace(/^.*: (?=\S)/, "");
}
