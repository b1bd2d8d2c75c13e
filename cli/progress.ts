// Progress on stderr: a bar of cli-progress on a terminal, elsewhere a plain line now and then. No colours.
import { MultiBar, Presets } from "cli-progress";

export interface Progress {
  /** Moves to `value` of the total, with a few words such as the loss. */
  update(value: number, words: string): void;
  /** Words beside a bar that stands still for a while; no line of its own. */
  hint(words: string): void;
  /** Changes the total once it is known. */
  setTotal(total: number): void;
  /** A line of its own, above the bar. */
  say(line: string): void;
  stop(): void;
}

export interface ProgressOptions {
  /** What progresses, e.g. `train`. */
  label: string;
  total: number;
  /** Where lines go; for tests. @default {stderr} */
  write?: (line: string) => void;
  /** @default {whether stderr is a terminal} */
  terminal?: boolean;
  /** Between two plain lines. @default {15000} */
  quietMs?: number;
}

export function startProgress(options: ProgressOptions): Progress {
  return options.terminal ?? Deno.stderr.isTerminal() ? barProgress(options) : plainProgress(options);
}

function barProgress({ label, total }: ProgressOptions): Progress {
  const bars = new MultiBar({
    format: `${label} {bar} {value}/{total}  {words}`,
    barsize: 24,
    hideCursor: true,
    gracefulExit: false,
    linewrap: false,
    fps: 5,
  }, Presets.shades_classic);
  const bar = bars.create(total, 0, { words: "" });
  return {
    update: (value, words) => bar.update(value, { words }),
    hint: (words) => bar.update({ words }),
    setTotal: (total) => bar.setTotal(total),
    say: (line) => bars.log(line + "\n"),
    stop: () => bars.stop(),
  };
}

function plainProgress(
  { label, total, write = (line) => console.error(line), quietMs = 15000 }: ProgressOptions,
): Progress {
  let last = -Infinity;
  let waiting: string | undefined;
  const flush = () => {
    if (waiting !== undefined) write(waiting);
    waiting = undefined;
    last = performance.now();
  };
  return {
    update(value, words) {
      waiting = `${label} ${value}/${total}  ${words}`.trimEnd();
      if (performance.now() - last >= quietMs || value === total) flush();
    },
    hint() {},
    setTotal: (newTotal) => total = newTotal,
    say(line) {
      write(line);
    },
    // The last state is worth a line even if the one before is fresh.
    stop: () => waiting !== undefined && flush(),
  };
}

/** `1234.6` -> `1,235`. */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
