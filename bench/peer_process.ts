// A peer in a process of its own: started, asked for single runs, ended. Peers are no dependencies of this project: they have
// a lock file of their own, and only what is asked for is fetched.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../errors.ts";

interface PeerProgram {
  /** As the tables name it. */
  title: string;
  command: string;
  args: readonly string[];
  /** What it can run; see peers/serve.ts. */
  cases: readonly string[];
}

const root = fileURLToPath(new URL("../", import.meta.url));
const deno = (file: string) => [
  ...["run", "--allow-all", "--no-config", "--lock=bench/peers/peers.lock", "--frozen"],
  join(root, "bench/peers", file),
];

const programs = {
  tfjs: { title: "TensorFlow.js", command: "deno", args: deno("tfjs.ts"), cases: ["products", "block"] },
  jax: { title: "jax-js", command: "deno", args: deno("jax.ts"), cases: ["products", "block"] },
  onnx: { title: "onnxruntime-web", command: "deno", args: deno("onnx.ts"), cases: ["predict"] },
  torch: {
    title: "PyTorch, CPU",
    command: "python3",
    args: [join(root, "bench/peers/torch_peer.py")],
    cases: ["products", "block", "predict", "train_step"],
  },
} satisfies Record<string, PeerProgram>;

export type PeerName = keyof typeof programs;

export const peerNames = Object.keys(programs) as PeerName[];

export interface Peer {
  title: string;
  cases: readonly string[];
  /** @returns how to time one run, ms; the case has run once. @throws {InputError} if the peer cannot */
  prepare(name: string, size: Readonly<Record<string, number>>): Promise<() => Promise<number>>;
  stop(): Promise<void>;
}

/** Starts a peer. @throws {InputError} if it cannot be started */
export function startPeer(name: PeerName): Peer {
  const { title, command, args, cases } = programs[name];
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(command, { args, cwd: root, stdin: "piped", stdout: "piped", stderr: "null" }).spawn();
  } catch (error) {
    throw new InputError(`Cannot compare with ${name}: ${(error as Error).message}: see bench/peers`);
  }
  const input = child.stdin.getWriter();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const ask = async (question: unknown): Promise<Record<string, number>> => {
    await input.write(new TextEncoder().encode(JSON.stringify(question) + "\n")).catch(() => {});
    while (!text.includes("\n")) {
      const { value, done } = await output.read();
      if (done) {
        throw new InputError(
          `Cannot compare with ${name}: it ended with ${(await child.status).code}: run ` +
            `\`${[command, ...args].join(" ").replaceAll(root, "")}\` to see why`,
        );
      }
      text += value;
    }
    const end = text.indexOf("\n"), answer = JSON.parse(text.slice(0, end));
    text = text.slice(end + 1);
    if (answer.failed === undefined) return answer;
    throw new InputError(`Cannot compare with ${name}: it failed: ${answer.failed}`);
  };
  return {
    title,
    cases,
    async prepare(name, size) {
      const { ready } = await ask({ prepare: name, size });
      return async () => (await ask({ run: ready })).ms;
    },
    async stop() {
      await input.close().catch(() => {});
      await output.cancel();
      await child.status;
    },
  };
}
